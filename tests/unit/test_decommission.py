"""A host leaves the cluster: what is there goes, and what says so changes last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.errors import Locked, Problem, Unreachable, WrongInput
from fabfile.inventory import Fleet, load
from fabfile.runs.run import Run
from fabfile.tasks.decommission import Leave, _confirm, _go, _leave, _look

from . import simulated
from .simulated import Simulated
from .test_lock import losing

server, fleet, cluster = simulated.server, simulated.fleet, simulated.cluster


def begun(cluster: Simulated, name: str = "node3") -> tuple[Run, Run, Leave]:
    """The run of the host that leaves, that of the others, and what is to be done."""
    leave = _leave(cluster.fleet, [cluster.fleet.host(name)])
    leaving, run = cluster.run(), cluster.run()
    leaving.target = replace(leaving.target, hosts=leave.hosts)
    run.target = replace(run.target, fleet=leave.after, hosts=leave.after.hosts)
    run.recorder = leaving.recorder
    return leaving, run, leave


def test_its_programs_end_its_files_go_and_hosts_toml_forgets_it(cluster: Simulated) -> None:
    leaving, run, leave = begun(cluster)
    for name in ("node1", "node2"):
        cluster.hosts[name].down = True
    _look(leaving, leave)
    _go(leaving, run, leave, 0)
    told = cluster.hosts["node3"].told
    assert not cluster.hosts["node3"].kept_stopped, "one that is killed on the way leaves a status that tells it"
    assert [one for one in told if one.startswith("stop")] == [
        "stop fetcher1", "stop processor1 processor2", "stop result_worker1", "stop phantomjs1",
    ]  # fmt: skip
    assert told[-2:] == ["end supervisord", "remove files"]
    assert cluster.outcomes(run) == {"node1": "unreachable", "node2": "unreachable", "node3": "changed"}
    assert [host.name for host in load(cluster.fleet.path).hosts] == ["node1", "node2"]


def test_a_host_stays_in_the_file_where_somebody_else_has_the_lock_by_then(cluster: Simulated, tmp_path: Path) -> None:
    leaving, run, leave = begun(cluster)
    before = cluster.fleet.path.read_text()
    node3 = cluster.hosts["node3"]
    with losing(tmp_path / "locks", leaving, node3), pytest.raises(Locked, match="the lock of demo was lost"):
        _go(leaving, run, leave, 0)
    assert "remove files" not in node3.told
    assert cluster.fleet.path.read_text() == before


def test_a_host_with_a_dead_supervisord_can_leave(cluster: Simulated) -> None:
    leaving, run, leave = begun(cluster)
    node3 = cluster.hosts["node3"]
    node3.programs, node3.supervised = {}, False
    for name in ("node1", "node2"):
        cluster.hosts[name].down = True
    _go(leaving, run, leave, 0)
    assert node3.told[-1] == "remove files"


def test_a_host_that_fails_on_the_way_stays_in_the_file(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    leaving, run, leave = begun(cluster)
    # The files are still there afterwards.
    monkeypatch.setattr(type(cluster.hosts["node3"]), "installed", property(lambda _: True, lambda *_: None), False)
    _go(leaving, run, leave, 0)
    assert cluster.outcomes(run)["node3"] == "failed"
    assert cluster.hosts["node1"].told == []
    assert cluster.fleet.path.read_text() == leave.before
    assert f"node3 could not be taken out; {cluster.fleet.path} is as it was" in run.stopped


def test_a_host_that_is_down_is_left_as_it_is(cluster: Simulated) -> None:
    leaving, _, leave = begun(cluster)
    cluster.hosts["node3"].down = True
    with pytest.raises(Unreachable, match="node3: nothing was changed: no route to host"):
        _look(leaving, leave)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("node1", "node1 has the scheduler; move it first: fab move-scheduler --to NAME"),
        ("node2", "no result_worker in the cluster"),
    ],
)
def test_a_host_without_which_the_cluster_can_not_be_stays(fleet: Fleet, name: str, told: str) -> None:
    text = fleet.path.read_text()
    if name == "node2":
        text = text.replace("processor = 2, result_worker = 1, phantomjs = 1 }", "processor = 2, phantomjs = 1 }")
        fleet.path.write_text(text)
    with pytest.raises(WrongInput) as error:
        _leave(load(fleet.path), [load(fleet.path).host(name)])
    assert told in str(error.value)
    assert fleet.path.read_text() == text


def test_the_way_to_others_can_not_leave(fleet: Fleet) -> None:
    text = fleet.path.read_text().replace('address = "10.77.0.12"', 'address = "10.77.0.12"\ngateway = "node3"')
    fleet.path.write_text(text)
    changed = load(fleet.path)
    with pytest.raises(WrongInput, match="node3"):
        _leave(changed, [changed.host("node3")])


@pytest.mark.parametrize("how", ["role", "address"])
def test_a_store_can_not_leave(fleet: Fleet, how: str) -> None:
    text = fleet.path.read_text()
    if how == "role":
        text = text.replace("mysql = 1, scheduler = 1,", "scheduler = 1,").replace("phantomjs = 1 }", "mysql = 1 }")
    else:
        text = text.replace('host = "192.0.2.9"', 'host = "10.77.0.13"')
    fleet.path.write_text(text)
    changed = load(fleet.path)
    with pytest.raises(WrongInput, match=r"node3 has (MySQL|Redis), which the cluster's data is in"):
        _leave(changed, [changed.host("node3")])


def test_it_asks_and_nobody_there_is_no_yes(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, leave = begun(cluster)
    _confirm(leave, True)

    class Stdin:
        def __init__(self, line: str | None) -> None:
            self.line = line

        def isatty(self) -> bool:
            return self.line is not None

        def readline(self) -> str:
            return self.line or ""

    monkeypatch.setattr("sys.stdin", Stdin(None))
    with pytest.raises(WrongInput, match="say --yes, since there is nobody to ask"):
        _confirm(leave, False)
    for word in ("no\n", "\n", "y\n", ""):
        monkeypatch.setattr("sys.stdin", Stdin(word))
        with pytest.raises(WrongInput, match="nothing was changed"):
            _confirm(leave, False)
    monkeypatch.setattr("sys.stdin", Stdin("yes\n"))
    _confirm(leave, False)
    assert f"from node3, and take it out of {leave.after.path}. Type yes" in capsys.readouterr().err


def test_somebody_elses_supervisord_is_told_before_anything_changes(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    from . import sights

    leaving, _, leave = begun(cluster)
    strange = sights.found(strangers=[{"pid": 9}], foreign_conf=["shop"])
    monkeypatch.setattr(cluster.hosts["node3"], "sight", lambda: strange)
    with pytest.raises(Problem, match="node3: nothing was changed here"):
        _look(leaving, leave)
