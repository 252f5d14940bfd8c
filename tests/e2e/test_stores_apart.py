"""MySQL and Redis on hosts of their own, as newer releases have them: nothing of pyspider's is put there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, one_at_a_time
from .faults import silent

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "apart"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{network}.11"
roles = {{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }}
[hosts.node2]
address = "{network}.12"
roles = {{ mysql = 1, redis = 1 }}
[pyspider.webui]
host = "address"
username = "admin"
need-auth = true
"""
NOTHING = "ls -d /opt/pyspider/runtimes /home/work/distri_pyspider/current /etc/supervisord.conf 2>/dev/null || :"
"""A script that names what a deploy leaves on a host with programs."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("apart")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(2, init="systemd", release={"node2": "trixie"})
        (folder / "hosts.toml").write_text(HOSTS.format(network=network))
        yield Cluster(folder, sandbox)
    finally:
        sandbox.down()


def well(apart: Cluster) -> None:
    until(lambda: apart.status()["healthy"], 60)
    silent(apart)


def test_a_host_of_stores_alone_gets_no_program_and_no_python(
    apart: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with one_at_a_time(tmp_path_factory):
        apart.fab("bootstrap")
    assert "nothing changed" in apart.fab("bootstrap").stdout
    apart.fab("deploy")
    assert "nothing changed" in apart.fab("deploy").stdout
    well(apart)
    stores = apart.status()["stores"]
    assert stores["mysql"]["version"].startswith("11.8.") and stores["redis"]["version"].startswith("8.0.")
    for task in ("restart", "reload", "stop", "start", "releases"):
        apart.fab(task)
    apart.fab("-H", "node2", "rollback")
    apart.fab("deploy", "--batch", "1", "--reload")
    assert apart.on("node2", NOTHING) == ""


def test_it_crawls(apart: Cluster) -> None:
    apart.fab("demo.crawl", "--pages", "60")
    well(apart)
