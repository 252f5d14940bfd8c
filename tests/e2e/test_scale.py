"""`fab scale` on real hosts: hosts.toml has the number, the hosts have the programs, siblings run on."""

from __future__ import annotations

import difflib

import pytest

from .conftest import Cluster
from .faults import healthy_again, silent

pytestmark = pytest.mark.e2e


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_more_and_fewer_programs_a_host_with_a_new_role_and_no_sibling_restarts(cluster: Cluster) -> None:
    before = cluster.hosts_toml.read_text()
    with healthy_again(cluster):
        pids = cluster.pids()
        told = cluster.fab("scale", "processor=3", "-H", "node1,node2", "--dry-run")
        assert "processor = 3" in told.stdout and cluster.hosts_toml.read_text() == before
        cluster.fab("scale", "processor=3", "-H", "node1,node2")
        old = "roles = { fetcher = 1, processor = 2, result_worker = 1 }"
        lines = changed_lines(before, cluster.hosts_toml.read_text())
        assert lines[2:] == [f"-{old}", f"+{old.replace('2', '3')}"] and len(lines) == 4
        more = cluster.pids()
        new = {"node1/processor1", "node1/processor2", "node1/processor3", "node2/processor3"}
        assert pids.items() <= more.items() and set(more) - set(pids) == new
        silent(cluster)
        assert "nothing changed" in cluster.fab("deploy").stdout
        cluster.fab("scale", "processor=0", "-H", "node1")
        cluster.fab("scale", "processor=2", "-H", "node2")
        assert cluster.hosts_toml.read_text() == before and cluster.pids() == pids
        silent(cluster)


def test_a_second_scheduler_is_refused(cluster: Cluster) -> None:
    before = cluster.hosts_toml.read_text()
    told = cluster.fab("scale", "scheduler=1", "-H", "node2", status=2).stderr
    assert "exactly one scheduler" in told and cluster.hosts_toml.read_text() == before
