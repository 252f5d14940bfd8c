"""A run whose hosts.toml is older than the cluster locks the host where the scheduler really is, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fabfile.errors import Locked
from fabfile.tasks.strays import Seen, under_their_locks

from . import simulated
from .simulated import Simulated

server, fleet, cluster = simulated.server, simulated.fleet, simulated.cluster


def answers(cluster: Simulated, *several: tuple[str, ...]) -> Callable[[], Seen]:
    """Looks that find schedulers on these hosts, one look after the other."""
    left = list(several)

    def look() -> Seen:
        cluster.hosts["node1"].told.append("look")
        return {}, {name: [7] for name in left.pop(0)}

    return look


def test_a_host_with_a_scheduler_is_locked_and_then_looked_at_again(cluster: Simulated) -> None:
    node1, node2 = cluster.hosts["node1"], cluster.hosts["node2"]
    with under_their_locks(cluster.run(), answers(cluster, ("node2",), ("node2",))) as (_, strays):
        assert strays == {"node2": [7]}
        assert (node1.told, node2.told) == (["look", "look"], ["lock"])
    assert node2.told == ["lock", "unlock"]


def test_one_that_appears_meanwhile_is_locked_as_well(cluster: Simulated) -> None:
    looks = answers(cluster, ("node2",), ("node2", "node3"), ())
    with under_their_locks(cluster.run(), looks) as (_, strays):
        assert strays == {}
        assert [cluster.hosts[name].told for name in ("node2", "node3")] == [["lock"], ["lock"]]
    assert cluster.hosts["node3"].told == ["lock", "unlock"]


def test_a_lock_that_somebody_holds_there_stops_the_run(cluster: Simulated) -> None:
    cluster.hosts["node2"].locked = True
    looks = answers(cluster, ("node2", "node3"))
    with pytest.raises(Locked, match="is being changed by"), under_their_locks(cluster.run(), looks):
        raise AssertionError("something could be changed")
    assert cluster.hosts["node3"].told == []


def test_its_own_lock_is_not_taken_again_nor_any_in_a_dry_run(cluster: Simulated) -> None:
    with under_their_locks(cluster.run(), answers(cluster, ("node2",)), ["node2"]):
        assert cluster.hosts["node2"].told == []
    with under_their_locks(cluster.run(dry_run="true"), answers(cluster, ("node2",))) as (_, strays):
        assert strays == {"node2": [7]} and cluster.hosts["node2"].told == []
