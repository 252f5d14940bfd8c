"""Hosts whose /bin/sh is dash, bash, busybox or mksh: it is set up, deployed and seen under each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, one_at_a_time

pytestmark = pytest.mark.e2e

KINDS = {"node1": "dash", "node2": "bash", "node3": "busybox", "node4": "mksh"}
SETSID = b'#!/bin/sh\ncase $1 in -*) exit 64 ;; esac\nexec setsid.new "$@"\n'
"""As it was before it knew -w."""
HOSTS = """\
[cluster]
name = "shells"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{node1}"
roles = {{ mysql = 1, redis = 1, scheduler = 1, webui = 1 }}
[hosts.node2]
address = "{node2}"
roles = {{ fetcher = 1, processor = 1 }}
[hosts.node3]
address = "{node3}"
roles = {{ fetcher = 1, result_worker = 1 }}
[hosts.node4]
address = "{node4}"
roles = {{ processor = 1, phantomjs = 1 }}
"""


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of four hosts, each with another sh."""
    folder = tmp_path_factory.mktemp("shells")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(len(KINDS))
        one = Cluster(folder, sandbox)
        for name, kind in KINDS.items():
            if not (path := shutil.which(kind)):
                pytest.skip(f"{kind} is not installed")
            sandbox.exec(name, "sh", "-c", f"cat >/usr/bin/{kind}.new", input=Path(path).read_bytes())
            swap = f"chmod 755 {kind}.new && mv {kind}.new {kind} && ln -sf {kind} sh.new && mv sh.new sh"
            one.on(name, f"cd /usr/bin && {swap} && rm -f flock && mv setsid setsid.new")
            sandbox.exec(name, "sh", "-c", "cat >/usr/bin/setsid; chmod 755 /usr/bin/setsid", input=SETSID)
        (folder / "hosts.toml").write_text(HOSTS.format(**{name: sandbox.address(name) for name in KINDS}))
        with one_at_a_time(tmp_path_factory):
            one.fab("bootstrap")
        yield one
    finally:
        sandbox.down()


def test_under_each_kind_of_sh_a_host_is_set_up_deployed_restarted_and_silent(shells: Cluster) -> None:
    for name, kind in KINDS.items():
        assert shells.on(name, "readlink -f /proc/$$/exe; :").strip().endswith(f"/{kind}")
    shells.fab("deploy")
    until(lambda: bool(shells.status()["healthy"]), 120)
    for task in ("bootstrap", "deploy"):
        assert "nothing changed" in shells.fab(task).stdout
    shells.fab("restart")
    until(lambda: bool(shells.status()["healthy"]), 120)
    said = shells.fab("doctor", status=None).stdout
    assert "nothing found" in said, said


def test_no_leftover_of_a_message_lies_about(shells: Cluster) -> None:
    for name in KINDS:
        assert shells.on(name, "ls -d /tmp/fab.* /run/fab.* /dev/shm/fab.* 2>/dev/null || true").split() == []
