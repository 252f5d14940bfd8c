"""Programs that operators stop and start: what was stopped on purpose stays so, whatever happens to its host."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import SHELL, healthy_again, silent

pytestmark = pytest.mark.e2e


def resting(cluster: Cluster) -> list[str]:
    """What status says was stopped on purpose; all else has to be well."""
    until(lambda: cluster.fab("status", status=None).returncode == 0, 40)
    names: list[str] = cluster.status()["stopped_on_purpose"]
    return names


def states(cluster: Cluster, host: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in cluster.status()["hosts"][host]["programs"]}


def test_what_was_stopped_stays_so_over_a_deploy_a_crash_and_a_reload(cluster: Cluster) -> None:
    processors = [name for name in states(cluster, "node2") if name.startswith("processor")]
    wanted = [f"node2/{name}" for name in processors]
    with healthy_again(cluster):
        before = cluster.pids()
        assert "node2 " in cluster.fab("-H", "node2", "stop", "processor", "--dry-run").stdout
        assert cluster.pids() == before
        cluster.fab("-H", "node2", "stop", *processors)
        assert resting(cluster) == wanted
        others = {name: pid for name, pid in cluster.pids().items() if name not in wanted}
        assert others.items() <= before.items()
        assert "nothing changed" in cluster.fab("deploy").stdout
        cluster.on("node2", f"{SHELL}kill -9 $(daemon)")
        assert resting(cluster) == wanted
        cluster.fab("-H", "node2", "reload")
        assert resting(cluster) == wanted
        cluster.sandbox.kill("node2")
        cluster.sandbox.start("node2")
        assert resting(cluster) == wanted
        cluster.fab("restart", "processor", "-H", "node2")
        assert resting(cluster) == wanted
        silent(cluster)
        cluster.fab("start", "-H", "node2", processors[0])
        assert resting(cluster) == wanted[1:]
        cluster.fab("start")
        assert resting(cluster) == []
        assert set(states(cluster, "node2").values()) == {"RUNNING"}
        assert "nothing changed" in cluster.fab("deploy").stdout


def test_a_whole_cluster_stops_and_starts(cluster: Cluster) -> None:
    with healthy_again(cluster):
        cluster.fab("stop", "fetcher")
        cluster.on("node1", f"{SHELL}redis 'RPUSH scheduler2fetcher nobody-takes-it'")
        stopped = cluster.fab("stop", "--drain", "2")
        cluster.on("node1", f"{SHELL}redis 'DEL scheduler2fetcher'")
        assert "scheduler2fetcher still holds 1 after 2 s" in stopped.stderr
        assert stopped.stdout.index("stop scheduler") < stopped.stdout.index("stop result_worker")
        every = sorted(f"{host}/{name}" for host in ("node1", "node2", "node3") for name in states(cluster, host))
        assert sorted(resting(cluster)) == every
        assert "nothing changed" in cluster.fab("stop").stdout
        silent(cluster)
        cluster.fab("start")
        assert resting(cluster) == []


def test_a_name_that_nobody_has_is_wrong_input(cluster: Cluster) -> None:
    told = cluster.fab("stop", "processer1", status=2).stderr
    assert "unknown program 'processer1' (did you mean 'processor1'?)" in told


def listed(cluster: Cluster, host: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cluster.fab("releases", "--json").stdout)[host]
    return found


def restarted(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name.partition("/")[2].rstrip("0123456789") for name, pid in before.items() if after[name] != pid}


def test_a_rollback_brings_back_what_ran_before_and_a_deploy_goes_forward_again(cluster: Cluster) -> None:
    changed = cluster.variant("changed.toml", (r"^process-time-limit = .*$", "process-time-limit = 28"))
    with healthy_again(cluster):
        old = listed(cluster, "node2")[0]
        assert old["current"]
        first = cluster.pids()
        cluster.fab("deploy", hosts_toml=changed)
        new, before = listed(cluster, "node2")[:2]
        assert (new["current"], new["changed"], before["id"]) == (True, ["config", "programs"], old["id"])
        shown = cluster.fab("releases", "--diff").stdout
        assert '+    "process-time-limit": 28' in shown
        secrets = (cluster.folder / ".secrets" / "demo.toml").read_text().split('"')[1::2]
        assert secrets
        assert all(one not in shown for one in secrets)
        second = cluster.pids()
        assert restarted(first, second) == {"processor"}
        assert "make release" in cluster.fab("rollback", "--dry-run").stdout
        refused = cluster.fab("rollback", "--to", "0123", status=1).stdout
        assert "nothing was changed here: release 0123 is not there" in refused
        assert cluster.pids() == second
        cluster.fab("rollback")
        until(lambda: cluster.fab("status", status=None).returncode == 0, 30)
        assert restarted(second, cluster.pids()) == {"processor"}
        assert next(one for one in listed(cluster, "node2") if one["current"])["id"] == old["id"]
        assert "nothing changed" in cluster.fab("deploy").stdout
        cluster.fab("rollback", "--to", new["deploy"])
        assert "nothing changed" in cluster.fab("deploy", hosts_toml=changed).stdout
        cluster.fab("deploy")
        assert resting(cluster) == []
