"""New passwords while a host is away: the crawl goes on, doctor tells it, and the next run ends it."""

from __future__ import annotations

import json

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import healthy_again

pytestmark = pytest.mark.e2e


def findings(cluster: Cluster) -> list[tuple[str, str, str]]:
    found = json.loads(cluster.fab("doctor", "--json", status=None).stdout)["findings"]
    return [(one["id"], one["host"], one["fix"]) for one in found]


def restarted(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_a_new_password_of_the_web_ui_restarts_the_web_ui_alone(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.fab("passwords.rotate", "webui")
        assert restarted(before, cluster.pids()) == {"node1/webui1"}


def test_a_host_that_is_away_gets_its_passwords_by_the_next_run(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.sandbox.cut("node3")
        try:
            told = cluster.fab("passwords.rotate", "redis", status=3).stderr
        finally:
            cluster.sandbox.heal("node3")
        assert (
            "the old passwords stay valid, since not every host has the new ones: run fab passwords.rotate redis"
            in told
        )
        # Programs of node3 go on with the old one.
        until(lambda: cluster.fab("status", status=None).returncode == 0, 40)
        assert not any(name.startswith("node3/") for name in restarted(before, cluster.pids()))
        ((finding, host, fix),) = findings(cluster)
        assert (finding, host) == ("passwords-half-changed", "node1")
        assert fix == "fab passwords.rotate redis"
        cluster.fab(*fix.split()[1:])
        assert findings(cluster) == []
        refused = cluster.fab("rollback", status=1).stdout
        assert refused.count("nothing was changed here: the password of Redis is another one since release") == 3
        assert {name for name in restarted(before, cluster.pids()) if name.startswith("node3/")} == {
            "node3/fetcher1", "node3/processor1", "node3/processor2", "node3/result_worker1",
        }  # fmt: skip
