"""Programs that operators stop and start: what was stopped on purpose stays so, whatever happens to its host."""

from __future__ import annotations

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
        stopped = cluster.fab("stop").stdout
        assert stopped.index("stop scheduler") < stopped.index("stop result_worker")
        every = sorted(f"{host}/{name}" for host in ("node1", "node2", "node3") for name in states(cluster, host))
        assert sorted(resting(cluster)) == every
        assert "nothing changed" in cluster.fab("stop").stdout
        silent(cluster)
        cluster.fab("start")
        assert resting(cluster) == []
        silent(cluster)


def test_a_name_that_nobody_has_is_wrong_input(cluster: Cluster) -> None:
    told = cluster.fab("stop", "processer1", status=2).stderr
    assert "unknown program 'processer1' (did you mean 'processor1'?)" in told
