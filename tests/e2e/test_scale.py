"""`fab scale` on real hosts: hosts.toml has the number, the hosts have the programs, siblings run on."""

from __future__ import annotations

import difflib

import pytest

from .conftest import Cluster
from .faults import healthy_again, silent

pytestmark = pytest.mark.e2e


def changed_lines(before: str, after: str) -> list[str]:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
    return lines[3:]


def test_more_and_fewer_programs_and_no_sibling_restarts(cluster: Cluster) -> None:
    before = cluster.hosts_toml.read_text()
    with healthy_again(cluster):
        pids = cluster.pids()
        told = cluster.fab("scale", "processor=4", "-H", "node2", "--dry-run")
        assert "processor = 4" in told.stdout and cluster.hosts_toml.read_text() == before
        cluster.fab("scale", "processor=4", "-H", "node2")
        lines = changed_lines(before, cluster.hosts_toml.read_text())
        assert len(lines) == 2 and lines[1] == lines[0].replace("processor = 2", "processor = 4").replace("-", "+", 1)
        more = cluster.pids()
        assert pids.items() <= more.items() and set(more) - set(pids) == {"node2/processor3", "node2/processor4"}
        silent(cluster)
        assert "nothing changed" in cluster.fab("deploy").stdout
        cluster.fab("scale", "processor=2", "-H", "node2")
        assert cluster.hosts_toml.read_text() == before and cluster.pids() == pids
        silent(cluster)


def test_a_host_gets_a_role_and_loses_it_again(cluster: Cluster) -> None:
    before = cluster.hosts_toml.read_text()
    with healthy_again(cluster):
        pids = cluster.pids()
        cluster.fab("scale", "processor=1", "-H", "node1")
        assert set(cluster.pids()) - set(pids) == {"node1/processor1"} and pids.items() <= cluster.pids().items()
        cluster.fab("scale", "processor=0", "-H", "node1")
        assert cluster.pids() == pids
        cluster.hosts_toml.write_text(before)
        assert "nothing changed" in cluster.fab("deploy").stdout


def test_a_second_scheduler_is_refused(cluster: Cluster) -> None:
    before = cluster.hosts_toml.read_text()
    told = cluster.fab("scale", "scheduler=1", "-H", "node2", status=2).stderr
    assert "exactly one scheduler" in told and cluster.hosts_toml.read_text() == before
