"""Programs stopped and started by name: which ones, in which order, and what of it stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invoke.parser import Argument, ParserContext

from fabfile import plan
from fabfile.cli.names import with_names
from fabfile.errors import Problem, WrongInput
from fabfile.health.host import HostStatus
from fabfile.health.verdict import ClusterView
from fabfile.inventory import Fleet
from fabfile.inventory.order import named, starting, stopping
from fabfile.remote import purpose
from fabfile.steps.base import Found
from fabfile.steps.operation import Begun, Ended
from fabfile.steps.programs import Programs
from fabfile.steps.supervisor import Place

from . import sights
from .patients import Answer, both, diagnosis, set_in

PLACE = Place(
    "work", "/h", "/l", "/etc/supervisord.conf", "/s.sock", "/opt/python", "pyspider-demo", "/s.pid", "/stopped"
)
NAMES = ("fetcher1", "fetcher2")


def found(states: dict[str, str], *stopped: str, **more: Any) -> Found:
    programs = [{"name": name, "state": state, "pid": 7, "release": "r1"} for name, state in states.items()]
    return sights.found(programs=programs, stopped=list(stopped), **more)


def said(step: Ended | Begun | Programs, answer: Found) -> list[str]:
    return [action.says for action in step.diff(answer)]


@pytest.mark.parametrize(
    ("states", "stopped", "says"),
    [
        (["RUNNING", "RUNNING"], [], ["stop fetcher1, fetcher2"]),
        (["RUNNING", "STOPPED"], [], ["stop fetcher1"]),
        (["STOPPED", "STOPPED"], [], ["keep fetcher1, fetcher2 stopped"]),
        (["STOPPED", "FATAL"], NAMES, []),
        (["RUNNING", "STOPPED"], NAMES, ["stop fetcher1"]),
        (["BACKOFF", "STARTING"], NAMES, ["stop fetcher1, fetcher2"]),
    ],
)
def test_what_is_stopped_on_purpose_ends_and_is_written_down(states: list[str], stopped: list[str], says: Any) -> None:
    answer = found(dict(zip(NAMES, states, strict=True)), *stopped)
    assert said(Ended(PLACE, NAMES, on_purpose=True), answer) == says


def test_what_ends_for_a_moment_is_not_written_down() -> None:
    (action,) = Ended(PLACE, NAMES).diff(found(dict.fromkeys(NAMES, "RUNNING")))
    assert "purpose" not in action.script
    assert Ended(PLACE, NAMES).diff(found(dict.fromkeys(NAMES, "STOPPED"))) == []


@pytest.mark.parametrize(
    ("states", "stopped", "says"),
    [
        (["RUNNING", "RUNNING"], [], []),
        (["STOPPED", "RUNNING"], ["fetcher1"], ["start fetcher1"]),
        (["FATAL", "STARTING"], [], ["start fetcher1"]),
        (["RUNNING", "STARTING"], [], ["wait for fetcher2"]),
        # Somebody has started it by supervisorctl: it is to come back after a crash as well.
        (["RUNNING", "RUNNING"], ["fetcher1"], ["keep no longer stopped fetcher1"]),
    ],
)
def test_what_is_started_runs_and_is_written_down_no_more(states: list[str], stopped: list[str], says: Any) -> None:
    assert said(Begun(PLACE, NAMES), found(dict(zip(NAMES, states, strict=True)), *stopped)) == says


def test_what_was_started_need_not_have_run_for_long_before_the_next_role_starts() -> None:
    hasty = Begun(PLACE, NAMES, wait=False)
    assert said(hasty, found({"fetcher1": "STARTING", "fetcher2": "RUNNING"})) == []
    (action,) = hasty.diff(found({"fetcher1": "STOPPED", "fetcher2": "RUNNING"}))
    assert '"wait": []' in action.script


def test_a_supervisord_that_is_away_or_knows_no_such_program_is_told_of() -> None:
    away = found({}, supervisord={"answers": False, "errno": 111})
    for step in (Ended(PLACE, NAMES, on_purpose=True), Begun(PLACE, NAMES)):
        with pytest.raises(Problem, match="does not answer here, so nothing was changed; run `fab deploy`"):
            step.diff(away)
    with pytest.raises(Problem, match="supervisord knows no fetcher2 here"):
        Begun(PLACE, NAMES).diff(found({"fetcher1": "RUNNING"}))


@pytest.mark.parametrize(
    ("states", "stopped", "says"),
    [
        ({"fetcher1": "STOPPED"}, [], ["start fetcher1"]),
        ({"fetcher1": "STOPPED"}, ["fetcher1"], []),
        ({"fetcher1": "FATAL"}, ["fetcher1"], []),
        ({}, ["fetcher1"], []),
        ({"fetcher1": "RUNNING"}, ["fetcher1"], []),
        ({"fetcher1": "RUNNING", "fetcher9": "STOPPED"}, ["fetcher9"],
         ["forget that fetcher9 was stopped", "remove fetcher9"]),
    ],
)  # fmt: skip
def test_a_deploy_leaves_alone_what_was_stopped_on_purpose(states: Any, stopped: list[str], says: Any) -> None:
    step = Programs(PLACE, (("fetcher1", "r1"),), frozenset({"fetcher1"}))
    assert said(step, found(states, *stopped)) == says


def test_a_change_of_programs_has_the_time_in_which_they_end() -> None:
    def limits(seconds: float) -> list[float]:
        step = Programs(PLACE, (("fetcher1", "r2"),), frozenset({"fetcher1"}), stop_seconds=seconds)
        (change,) = step.diff(found({"fetcher1": "RUNNING"}))
        assert f'"stop_seconds": {seconds}' in change.script
        return [change.limit, step.reload().limit]

    assert all(long >= short + 440 for short, long in zip(limits(60), limits(500), strict=True))


def test_a_way_back_leaves_programs_alone_that_never_left_their_python(fleet: Fleet) -> None:
    """A bootstrap has made another Python current; the programs of later turns run on the old one still."""
    sight = json.loads(found({"fetcher1": "RUNNING"}).text)
    for program in sight["programs"]:
        program["apart"] = True
    answer = Found(0, json.dumps(sight))
    (new,) = [one for one in plan.back(fleet, "r1", {"fetcher1": "r1"}, ()) if isinstance(one, Programs)]
    assert new.diff(answer) == [] == new.restarts(answer)
    step = replace(new, moves=True)
    assert said(step, answer) == ["restart fetcher1"] and step.restarts(answer) == ["fetcher1"]


def test_nobody_waits_for_it_where_supervisord_starts() -> None:
    step = Programs(PLACE, (("fetcher1", "r1"), ("fetcher2", "r1")), frozenset(NAMES))
    answer = found({}, "fetcher1", supervisord={"answers": False, "errno": 2})
    assert said(step, answer) == ["wait for fetcher2"]


def test_the_list_on_a_host_is_read_as_it_was_written(tmp_path: Path) -> None:
    options = {"stopped": str(tmp_path / "new" / "stopped.conf")}
    assert purpose.stopped(options) == purpose.stopped({}) == []
    purpose.purpose(dict(options, stop=["fetcher1", "webui1"]))
    purpose.purpose(dict(options, stop=["scheduler"], start=["fetcher1", "unknown"]))
    assert purpose.stopped(options) == ["scheduler", "webui1"]
    assert "[program:webui1]\ncommand=/bin/false\nautostart=false" in (tmp_path / "new" / "stopped.conf").read_text()


def test_a_queue_is_emptied_after_those_that_fill_it_have_stopped(fleet: Fleet) -> None:
    phases = stopping(fleet, named(fleet, fleet.hosts, (), ()))
    assert [phase.role for phase in phases] == [
        "webui", "scheduler", "fetcher", "processor", "result_worker", "phantomjs",
    ]  # fmt: skip
    waited = {phase.role: phase.queues for phase in phases if phase.queues}
    assert waited == {
        "fetcher": ("scheduler2fetcher",), "processor": ("fetcher2processor",), "result_worker": ("processor2result",),
    }  # fmt: skip
    chosen = named(fleet, fleet.hosts, (), ())
    assert [phase.role for phase in starting(chosen)] == [phase.role for phase in reversed(phases)]


def test_no_queue_is_waited_for_that_others_go_on_to_fill_or_to_empty(fleet: Fleet) -> None:
    assert stopping(fleet, named(fleet, fleet.hosts, (), ["processor"]))[0].queues == ()
    some = named(fleet, fleet.hosts, (), ["scheduler", "fetcher1"])
    hosts = {phase.role: phase.names for phase in stopping(fleet, some)}
    assert set(hosts) == {"scheduler", "fetcher"}
    whole = len([one for host in fleet.hosts for one in fleet.programs(host) if one.role == "fetcher"])
    left = whole > sum(map(len, hosts["fetcher"].values()))
    assert stopping(fleet, some)[1].queues == (() if left else ("scheduler2fetcher",))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["processer1"], "unknown program 'processer1' (did you mean 'processor1'?)"),
        (["fetchers"], "did you mean 'fetcher'?"),
        (["scheduler"], "none of the chosen hosts has 'scheduler'"),
    ],
)
def test_a_word_that_names_nothing_is_wrong_input(fleet: Fleet, words: list[str], told: str) -> None:
    without = [host for host in fleet.hosts if host != fleet.scheduler_host]
    with pytest.raises(WrongInput) as error:
        named(fleet, without, (), words)
    assert told in str(error.value)


CORE = ParserContext(args=[Argument(names=("hosts", "H"))])
TASKS = [
    ParserContext(name, args=[Argument(names=("role", "r")), Argument(name="name"), Argument(name="json", kind=bool)])
    for name in ("stop", "status", "deploy")
]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("stop", "stop"),
        ("stop processor1 fetcher", "stop --name=processor1,fetcher"),
        ("stop a,b -H node1 c --json", "stop -H node1 --json --name=a,b,c"),
        ("stop --role processor fetcher1", "stop --role processor --name=fetcher1"),
        ("stop -r processor fetcher1", "stop -r processor --name=fetcher1"),
        ("stop --role=processor status", "stop --role=processor status"),
        ("stop a status", "stop --name=a status"),
        ("deploy fetcher", "deploy fetcher"),
        ("nonsense stop", "nonsense stop"),
    ],
)
def test_words_after_the_task_are_names(line: str, wanted: str) -> None:
    assert with_names(line.split(), TASKS, CORE) == wanted.split()


def test_names_are_given_one_way_only() -> None:
    with pytest.raises(ValueError, match="not both"):
        with_names(["stop", "a", "--name", "b"], TASKS, CORE)


def status_of(fleet: Fleet, *stopped: str, answers: dict[str, Any] | None = None) -> ClusterView:
    views = []
    for host in fleet.hosts:
        names = tuple(one.name for one in fleet.programs(host))
        programs = [{"name": name, "state": "STOPPED" if name in stopped else "RUNNING"} for name in names]
        sight = sights.sight(
            programs=programs, stopped=[name for name in stopped if name in names], supervisords=[{"pid": 1}],
            answers=answers or {}, situation={"deployed": True},
        )  # fmt: skip
        views.append(HostStatus(host, names, True, sight=sight))
    return ClusterView(fleet, tuple(views))


def test_status_shows_what_was_stopped_on_purpose_as_no_fault(fleet: Fleet) -> None:
    down = {"scheduler": {"ok": False, "why": "refused"}, "webui": {"ok": True}, "fetcher": {"ok": True}}
    view = status_of(fleet, "scheduler", answers=down)
    about = [problem for problem in view.problems() if "scheduler" in problem]
    assert about == []
    assert view.as_data()["stopped_on_purpose"] == [f"{fleet.scheduler_host.name}/scheduler"]
    assert json.dumps(view.as_data()).count('"stopped_on_purpose": true') == 1
    silent = status_of(fleet, "webui1")
    assert [problem for problem in silent.problems() if "webui" in problem] == []
    assert any("scheduler: refused" in problem for problem in status_of(fleet, answers=down).problems())


def test_doctor_finds_no_fault_in_it(fleet: Fleet) -> None:
    def stop(seen: Answer) -> None:
        seen["sight"]["programs"][0]["state"] = "STOPPED"

    name = fleet.programs(fleet.hosts[1])[0].name
    assert ("stopped", "node2") in diagnosis(fleet, node2=stop)
    assert diagnosis(fleet, node2=both(stop, set_in("sight/stopped", [name]))) == []
