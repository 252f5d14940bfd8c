"""A host with nothing but sshd: bootstrap itself installs the compiler, the libraries and the stores.

It compiles Python and all of its packages anew, for minutes: `./run mixed` runs it.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import ONE_HOST, Cluster, receivers

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("bare")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(1, base="bare")
        (folder / "hosts.toml").write_text(ONE_HOST.format(network=network))
        # A cache of its own: nothing that was fetched or built before may help.
        yield Cluster(folder, sandbox, cache=folder / "cache")
    finally:
        sandbox.down()


WITHOUT_STATIC = """\
cat >/usr/local/bin/curl-config <<'END'
#!/bin/sh
case $1 in
  --libs) echo -lcurl ;;
  --static-libs) echo 'curl was built with static libraries disabled' >&2; exit 1 ;;
  --configure) echo "'--disable-static' '--with-openssl' '--without-nss'" ;;
  *) exec /usr/bin/curl-config "$@" ;;
esac
END
chmod 755 /usr/local/bin/curl-config
"""
"""Makes the host's libcurl say of itself what those of the RPM families say, which bring no static library."""


def ended(bare: Cluster, way: signal.Signals, phase: str, process: str) -> None:
    """A bootstrap that ends `way` while `process` runs in its `phase`; ten seconds later nothing of it runs."""
    log = bare.folder / f"{way.name}.log"
    command = bare.command("bootstrap")
    words = ["env", "--default-signal=INT", *command.pop("args")]
    with log.open("wb") as stream:
        fab = subprocess.Popen(words, **command, stdout=stream, stderr=stream)
        try:
            until(lambda: phase in log.read_text() or fab.poll() is not None, 600)
            until(lambda: process in bare.on("node1", "ps -eo args="), 60)
        finally:
            fab.send_signal(way)
            status = fab.wait(60)
    assert phase in log.read_text(), log.read_text()
    assert status == (130 if way == signal.SIGINT else -way)
    until(
        lambda: not (re.search("configure|make|cc1", bare.on("node1", "ps -eo args=")) or receivers(bare, "node1")), 10
    )


def test_a_bare_host_becomes_a_healthy_cluster_though_fab_ends_twice_in_the_middle_of_the_build(bare: Cluster) -> None:
    ended(bare, signal.SIGINT, "Python: configure", "configure --prefix")
    ended(bare, signal.SIGKILL, "Python: compile", "/cc1 ")

    bare.on("node1", WITHOUT_STATIC)
    second = bare.fab("bootstrap")
    assert "Python: compile" in second.stderr
    assert "Python: configure" not in second.stderr, "the build began again in place of going on"
    assert "nothing changed" in bare.fab("bootstrap").stdout
    bare.fab("deploy")
    assert bare.status()["problems"] == []


def test_the_runtime_proves_itself_on_the_host(bare: Cluster) -> None:
    proof = (
        "import pycurl, lxml.etree, ssl, hashlib, _hashlib, mysql.connector as m, sys;"
        "assert not m.HAVE_CEXT and sys.maxunicode > 65535; _hashlib.openssl_sha256(); print(sys.version_info[:3])"
    )
    text = bare.on("node1", f"su -s /bin/sh work -c '/opt/pyspider/current/bin/python2.7 -c \"{proof}\"' 2>&1")
    assert text.strip() == "(2, 7, 18)"


def test_no_exchange_leaves_anything_in_the_temporary_directory(bare: Cluster) -> None:
    assert bare.on("node1", "ls -A /tmp").split() == []
