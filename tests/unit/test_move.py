"""The scheduler moves: it is dead where it was, before anything says that it is elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.cli.tree import ns
from fabfile.errors import Locked, Problem, Unreachable, WrongInput
from fabfile.health.home import HOME, LEASE, SECONDS_HELD
from fabfile.inventory import Fleet, load
from fabfile.runs.run import Run
from fabfile.tasks import home, move
from fabfile.tasks.home import fence, follow
from fabfile.tasks.move import Move, _judge, _leave, _move, _refuse_strays

from . import simulated
from .patients import PROJECT
from .simulated import Simulated
from .test_lock import losing

server, fleet, cluster = simulated.server, simulated.fleet, simulated.cluster


def begun(cluster: Simulated, to: str = "node2", gone: str = "") -> tuple[Run, Move]:
    one = _move(cluster.fleet, to, gone)
    run = cluster.run()
    run.target = replace(run.target, fleet=one.after, roles=move.ROLES)
    return run, one


def test_the_names_in_the_launcher_are_these() -> None:
    text = (PROJECT / "templates" / "launcher" / "lua.py").read_text()
    assert f'HOME = "{HOME}"' in text
    assert f'LEASE = "{LEASE}"' in text
    lease = (PROJECT / "templates" / "launcher" / "lease.py").read_text()
    assert f"MILLISECONDS = {SECONDS_HELD}000" in lease


@pytest.mark.parametrize(
    ("to", "gone", "told"),
    [
        ("", "", "name the host that gets the scheduler: fab move-scheduler --to NAME"),
        ("nod2", "", "unknown host 'nod2' (did you mean 'node2'?)"),
        ("node1", "", "has the scheduler on node1 already"),
        ("node2", "node3", "--old-host-is-gone node3: the scheduler's host is node1"),
        ("node2", "nodes", "unknown host 'nodes'"),
    ],
)
def test_a_move_that_makes_no_sense_is_wrong_input(fleet: Fleet, to: str, gone: str, told: str) -> None:
    with pytest.raises(WrongInput) as error:
        _move(fleet, to, gone)
    assert told in str(error.value)


def test_it_ends_and_the_file_names_its_new_place(cluster: Simulated) -> None:
    run, one = begun(cluster)
    _leave(run, one)
    node1 = cluster.hosts["node1"]
    assert node1.told == ["stop scheduler"], "a move that is killed now leaves a status that is not healthy"
    assert node1.server.client.get(HOME) == b"node2"
    assert load(cluster.fleet.path).scheduler_host.name == "node2"
    assert "scheduler = 1" in cluster.fleet.path.read_text()


def test_nothing_says_that_it_moved_where_somebody_else_has_the_lock_by_then(
    cluster: Simulated, tmp_path: Path
) -> None:
    run, one = begun(cluster)
    node1 = cluster.hosts["node1"]
    with (
        losing(tmp_path / "locks", run, node1),
        pytest.raises(Problem, match=r"the lock of demo was lost.*is stopped: fab start scheduler"),
    ):
        _leave(run, one)
    assert (node1.told, node1.server.client.get(HOME)) == (["stop scheduler"], None)
    assert cluster.fleet.path.read_text() == one.before
    with pytest.raises(Locked, match="somebody on elsewhere"):
        _leave(run, one)
    assert node1.told == ["stop scheduler"]


def test_nothing_says_that_it_moved_while_another_one_holds_the_lease(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "SPARE_SECONDS", -SECONDS_HELD)
    run, one = begun(cluster)
    client = cluster.hosts["node1"].server.client
    client.set(LEASE, "node1/pid9/9.1.ab")
    client.set(HOME, "node1")
    with pytest.raises(Problem, match=r"hold the lease: node1/pid9/9.1.ab .* is stopped: fab start scheduler"):
        _leave(run, one)
    assert client.get(HOME) == b"node1"
    assert cluster.fleet.path.read_text() == one.before


def test_a_move_that_is_interrupted_says_how_to_go_on(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, one = begun(cluster)
    cluster.hosts["node1"].server.client.set(LEASE, "node1/pid9/9.1.ab")

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _leave(run, one)
    assert capsys.readouterr().err == (
        "fab: the scheduler of node1 may be stopped: run this again, or fab start scheduler\n"
    )


def test_a_scheduler_whose_supervisord_is_dead_moves(cluster: Simulated) -> None:
    run, one = begun(cluster)
    node1 = cluster.hosts["node1"]
    node1.away, node1.programs = True, {}
    _leave(run, one)
    assert node1.told == []
    assert load(cluster.fleet.path).scheduler_host.name == "node2"


def test_a_file_that_can_not_be_written_leaves_the_place_as_it_was(cluster: Simulated) -> None:
    run, one = begun(cluster)
    cluster.fleet.path.write_text(one.before + "# somebody's own\n")
    with pytest.raises(Problem, match="somebody has changed it meanwhile; run this task again; the scheduler of node1"):
        _leave(run, one)
    assert cluster.hosts["node1"].server.client.get(HOME) is None


def test_a_lease_that_ends_is_waited_for(cluster: Simulated) -> None:
    run, _ = begun(cluster)
    client = cluster.hosts["node1"].server.client
    client.set(LEASE, "node1/scheduler/9.1.ab", px=1500)
    fence(run, "node2")
    assert client.get(HOME) == b"node2"
    assert not client.exists(LEASE)


def test_a_scheduler_that_supervisord_does_not_know_keeps_its_place(cluster: Simulated) -> None:
    run, one = begun(cluster)
    cluster.hosts["node1"].schedulers = [4711]
    with pytest.raises(Problem, match=r"node1: a scheduler still runs there \(pid 4711\)"):
        _leave(run, one)
    assert cluster.hosts["node1"].server.client.get(HOME) is None
    with pytest.raises(Problem, match="node3: a scheduler runs there"):
        _refuse_strays(one, {"node1": [1], "node3": [2]})
    _refuse_strays(one, {"node1": [1]})


def test_a_host_that_nobody_can_see_is_no_dead_one(cluster: Simulated) -> None:
    run, one = begun(cluster)
    cluster.hosts["node1"].down = True
    with pytest.raises(Unreachable) as error:
        _judge(run, one, cluster.look(run))
    assert "Nothing was changed: bring node1 back" in str(error.value)
    assert str(error.value).endswith("fab move-scheduler --to node2 --old-host-is-gone node1")


def test_a_host_that_is_gone_is_fenced_without_being_asked(cluster: Simulated) -> None:
    run, one = begun(cluster, gone="node1")
    cluster.hosts["node1"].down = True
    _judge(run, one, cluster.look(run))
    _leave(run, one)
    assert cluster.hosts["node1"].server.client.get(HOME) == b"node2"
    assert load(cluster.fleet.path).scheduler_host.name == "node2"


def test_a_host_that_answers_is_not_gone(cluster: Simulated) -> None:
    run, one = begun(cluster, gone="node1")
    with pytest.raises(WrongInput, match="node1 answers, so it is not gone"):
        _judge(run, one, cluster.look(run))


def test_a_new_host_that_can_not_take_it_changes_nothing(cluster: Simulated) -> None:
    run, one = begun(cluster)
    cluster.hosts["node2"].down = True
    with pytest.raises(Unreachable, match="node2 can't take the scheduler, and nothing was changed"):
        _judge(run, one, cluster.look(run))
    assert cluster.hosts["node1"].told == []


def test_without_redis_nothing_moves(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    def tunnel(*_: object) -> None:
        raise OSError(111, "Connection refused")

    run, one = begun(cluster)
    for host in cluster.hosts.values():
        monkeypatch.setattr(host, "tunnel", tunnel)
    with pytest.raises(Problem, match="Redis"):
        _judge(run, one, cluster.look(run))


def test_a_home_that_was_set_follows_a_later_deploy(cluster: Simulated) -> None:
    client = cluster.hosts["node1"].server.client
    run = cluster.run()
    follow(run)
    assert client.get(HOME) is None
    client.set(HOME, "node3")
    follow(cluster.run(dry_run=True))  # type: ignore[arg-type]
    run.target = replace(run.target, roles=("fetcher",))
    follow(run)
    assert client.get(HOME) == b"node3"
    follow(cluster.run())
    assert client.get(HOME) == b"node1"


def test_every_short_flag_is_a_letter() -> None:
    """One that is no letter looks like the end of all flags."""
    flags = [(name, flag) for name, task in ns.tasks.items() for one in task.get_arguments() for flag in one.names]
    shorts = [(name, flag) for name, flag in flags if len(flag) == 1]
    assert shorts
    assert [pair for pair in shorts if not pair[1].isalpha()] == []
