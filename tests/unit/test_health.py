"""The verdict on a cluster: tables of what was seen and what is said of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fabfile.health.host import HostStatus
from fabfile.health.stores import MySQLReport, RedisReport
from fabfile.health.verdict import ClusterView, nothing_yet
from fabfile.inventory import Fleet, Host, load
from fabfile.inventory.roles import QUEUES
from fabfile.steps.sight import Sight
from fabfile.tasks.status import show

from . import sights

PROJECT = Path(__file__).parent.parent.parent
DATABASES = ("taskdb", "projectdb", "resultdb")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    copy = tmp_path / "hosts.toml"
    copy.write_text((PROJECT / "hosts.toml").read_text())
    return load(copy)


def program(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "state": "RUNNING", "pid": 7, "uptime_s": 9, "release": "r", "log": True, "why": ""} | more


def sight(*programs: dict[str, Any], **more: Any) -> Sight:
    return sights.sight(**({"programs": programs, "supervisords": [{"pid": 1}]} | more))


def well(fleet: Fleet) -> dict[str, HostStatus]:
    views = {}
    for host in fleet.hosts:
        wanted = tuple(one.name for one in fleet.programs(host))
        answers: dict[str, Any] = {"webui": {"ok": True}, "scheduler": {"ok": True}, "fetcher": {"ok": True}}
        more = {"answers": answers, "schedulers": [5]} if "scheduler" in wanted else {}
        seen = sight(*map(program, wanted), **more)
        views[host.name] = HostStatus(host, wanted, True, sight=seen)
    return views


def view(fleet: Fleet, hosts: dict[str, HostStatus], **more: Any) -> ClusterView:
    mysql = MySQLReport(True, "10", dict.fromkeys(DATABASES, True))
    redis = RedisReport(True, "7", "noeviction", dict.fromkeys(QUEUES, 0))
    return ClusterView(fleet, tuple(hosts.values()), **({"mysql": mysql, "redis": redis} | more))


def changed(one: HostStatus, **more: Any) -> HostStatus:
    answer = {name: value for name, value in msgspec.to_builtins(one.sight).items() if value is not None}
    return HostStatus(one.host, one.wanted, one.reachable, one.why, sights.sight(**answer | more))


def test_a_cluster_that_is_as_wanted_is_healthy(fleet: Fleet) -> None:
    assert view(fleet, well(fleet)).problems() == []
    assert view(fleet, well(fleet)).as_data()["healthy"] is True


def test_the_verdict_on_a_part_names_what_was_not_asked(fleet: Fleet) -> None:
    some = {name: one for name, one in well(fleet).items() if name == "node2"}
    seen = view(fleet, some, mysql=None, redis=None, complete=False)
    assert seen.problems() == []
    assert seen.verdict() == "what was asked is healthy; not asked: mysql, redis, the queues, node1, node3"
    assert seen.as_data()["not_asked"] == ["mysql", "redis", "the queues", "node1", "node3"]
    assert view(fleet, well(fleet)).not_asked() == []


@pytest.mark.parametrize("state", ["STARTING", "BACKOFF", "FATAL", "EXITED", "STOPPED", "STOPPING", "UNKNOWN"])
def test_a_program_that_is_not_running_is_a_problem(fleet: Fleet, state: str) -> None:
    hosts = well(fleet)
    programs = [program(name, state=state if name == "fetcher1" else "RUNNING") for name in hosts["node2"].wanted]
    hosts["node2"] = changed(hosts["node2"], programs=programs)
    assert view(fleet, hosts).problems() == [f"node2: fetcher1 is {state}"]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"programs": []}, "is missing; run `fab deploy`"),
        ({"leftovers": [{"pid": 9, "ticks": 1, "name": "fetcher1"}]}, "run without a supervisord: fetcher1"),
        ({"supervisords": [{"pid": 1}, {"pid": 2}]}, "2 supervisords run at once"),
        (
            {"supervisord": {"answers": False, "errno": 111}, "supervisords": []},
            "does not answer (its socket is stale)",
        ),
        (
            {"supervisord": {"answers": False, "errno": 2}, "socket": False, "supervisords": []},
            "does not answer (it is not running); run `fab deploy`",
        ),
        (
            {"supervisord": {"answers": False, "errno": 2}, "socket": False},
            "does not answer (it lives, pid 1: its socket is gone)",
        ),
        (
            {"supervisord": {"answers": False, "why": "<ProtocolError 404>"}},
            "does not answer (it lives, pid 1: <ProtocolError 404>)",
        ),
    ],
)
def test_each_fault_of_a_host_is_named(fleet: Fleet, seen: dict[str, Any], says: str) -> None:
    hosts = well(fleet)
    hosts["node2"] = changed(hosts["node2"], **seen)
    problems = view(fleet, hosts).problems()
    assert problems
    assert all(problem.startswith("node2: ") for problem in problems)
    assert any(says in problem for problem in problems)


def test_a_missing_log_file_and_a_stranger_are_named(fleet: Fleet) -> None:
    hosts = well(fleet)
    programs = [program(name, log=name != "fetcher1") for name in (*hosts["node2"].wanted, "processor9")]
    hosts["node2"] = changed(hosts["node2"], programs=programs)
    assert view(fleet, hosts).problems() == [
        "node2: fetcher1 has no log file",
        "node2: processor9 is a program there, but hosts.toml does not name it; run `fab deploy`",
    ]


def test_two_schedulers_on_two_hosts_are_one_problem_of_the_cluster(fleet: Fleet) -> None:
    hosts = well(fleet)
    hosts["node3"] = changed(hosts["node3"], schedulers=[77])
    (problem,) = view(fleet, hosts).problems()
    assert "2 schedulers run at once" in problem
    assert "node3 (pid 77)" in problem


def test_an_unreachable_host_is_a_problem_and_a_row(fleet: Fleet) -> None:
    hosts = well(fleet)
    hosts["node3"] = HostStatus(hosts["node3"].host, hosts["node3"].wanted, False, "no answer within 10 s")
    data = view(fleet, hosts).as_data()
    assert data["problems"] == ["node3: no answer within 10 s"]
    assert data["hosts"]["node3"]["reachable"] is False
    assert data["hosts"]["node3"]["programs"] == []


@pytest.mark.parametrize("name", ["webui", "scheduler", "fetcher"])
def test_a_service_that_does_not_answer_is_a_problem(fleet: Fleet, name: str) -> None:
    hosts = well(fleet)
    well_else = {key: {"ok": True} for key in ("webui", "scheduler", "fetcher")}
    hosts["node1"] = changed(hosts["node1"], answers=well_else | {name: {"ok": False, "why": "refused"}})
    assert view(fleet, hosts).problems() == [f"{name}: refused"]


def test_stores_that_are_not_well_are_problems(fleet: Fleet) -> None:
    mysql, redis = MySQLReport(False, problem="MySQL refuses the user"), None
    problems = view(fleet, well(fleet), mysql=mysql, redis=redis).problems()
    assert problems == ["mysql: MySQL refuses the user", "redis: it could not be asked"]


def test_of_some_hosts_nothing_is_said_about_the_cluster(fleet: Fleet) -> None:
    hosts = {"node2": well(fleet)["node2"]}
    assert view(fleet, hosts, mysql=None, redis=None, complete=False).problems() == []


def test_after_a_change_of_some_programs_only_these_count() -> None:
    program = {"state": "RUNNING", "why": "", "log": True}
    programs = [{"name": "fetcher1", **program}, {"name": "webui1", **program, "state": "FATAL"}]
    seen = sights.sight(
        supervisords=[{"pid": 1}], answers={"webui": {"ok": False, "why": "no answer"}}, programs=programs
    )
    host = Host("node1", "192.0.2.11")
    assert HostStatus(host, ("fetcher1",), True, sight=seen).problems_after(wanted_only=True) == []
    assert HostStatus(host, ("fetcher1", "webui1"), True, sight=seen).problems_after(wanted_only=False) == [
        "webui1 is FATAL",
        "the web UI: no answer",
    ]


NOTHING = {"deployed": False, "conf": "", "processes": 0}
DEAD = {"answers": False, "errno": 2}
DAEMON = {"pid": 78, "user": "root", "conf": "/etc/supervisord.conf"}


def seen_as(one: HostStatus, situation: dict[str, Any], listed: bool = True, **more: Any) -> HostStatus:
    changed_sight = changed(one, situation=situation, **more).sight
    return HostStatus(one.host, one.wanted if listed else (), True, sight=changed_sight, listed=listed)


@pytest.mark.parametrize(
    ("runtime", "says"),
    [
        (False, "node2: nothing is set up here yet; run `fab bootstrap`, then `fab deploy`"),
        (True, "node2: bootstrapped, but nothing is deployed yet; run `fab deploy`"),
    ],
)
def test_before_its_first_deploy_a_host_is_said_to_have_nothing_yet(fleet: Fleet, runtime: bool, says: str) -> None:
    nothing = {"programs": [], "supervisords": [], "supervisord": DEAD, "schedulers": [], "answers": {}}
    hosts = well(fleet)
    hosts["node2"] = seen_as(hosts["node2"], NOTHING | {"runtime": runtime}, **nothing)
    assert view(fleet, hosts).problems() == [says]
    assert view(fleet, hosts).verdict() == "NOT healthy: 1 problem"
    fresh = {name: seen_as(one, NOTHING | {"runtime": runtime}, **nothing) for name, one in well(fleet).items()}
    # Stores and services are not asked of a cluster that is not there.
    seen = view(fleet, fresh, mysql=None, redis=None, complete=False)
    assert nothing_yet(seen.hosts)
    assert seen.verdict() == "nothing is set up yet"
    assert len(seen.problems()) == 3 and seen.as_data()["healthy"] is False


def test_without_a_python_a_host_has_nothing_yet_and_a_strangers_is_unknown(fleet: Fleet) -> None:
    node2 = well(fleet)["node2"]
    bare = HostStatus(node2.host, node2.wanted, True)
    assert bare.problems() == ["node2: nothing is set up here yet; run `fab bootstrap`, then `fab deploy`"]
    stranger = HostStatus(Host("root@192.0.2.9", "192.0.2.9"), (), True, listed=False)
    for one in (stranger, seen_as(stranger_of(node2), NOTHING, listed=False, programs=[], supervisords=[])):
        seen = view(fleet, {"x": one}, mysql=None, redis=None, complete=False)
        assert (seen.verdict(), len(seen.problems())) == ("unknown: nothing could be seen", 1)


def stranger_of(one: HostStatus) -> HostStatus:
    return HostStatus(Host("root@192.0.2.9", "192.0.2.9"), (), True, sight=one.sight, listed=False)


def by_hand(one: HostStatus, *programs: dict[str, Any], **more: Any) -> HostStatus:
    return seen_as(one, {"deployed": False, "daemons": [DAEMON]}, programs=programs, **more)


def test_a_cluster_made_by_hand_is_judged_by_its_roles_and_never_told_to_deploy(fleet: Fleet) -> None:
    hosts = well(fleet)
    roles = [name.rstrip("0123456789") for name in hosts["node2"].wanted]
    own = [program(f"my-{index}", role=role, log=False) for index, role in enumerate(roles)]
    hosts["node2"] = by_hand(hosts["node2"], *own, program("shop", state="FATAL"))
    assert view(fleet, hosts).problems() == []
    hosts["node2"] = by_hand(hosts["node2"], *own[1:], program("odd", role=roles[0], state="FATAL"))
    assert view(fleet, hosts).problems() == ["node2: odd is FATAL"]
    for more in ({"supervisord": DEAD, "socket": False}, {"leftovers": [{"pid": 9, "ticks": 1, "name": "x"}]}):
        hosts["node2"] = by_hand(hosts["node2"], **more)
        assert not [text for text in view(fleet, hosts).problems() if "fab deploy" in text or "not running" in text]


def test_the_store_of_a_cluster_made_by_hand_is_not_to_be_bootstrapped(fleet: Fleet) -> None:
    hosts = well(fleet)
    refused = MySQLReport(False, problem="MySQL refuses the user; run `fab bootstrap`, or correct stores.mysql")
    assert "fab bootstrap" in view(fleet, hosts, mysql=refused).problems()[0]
    own = [program(name, role=name.rstrip("0123456789")) for name in hosts["node1"].wanted]
    hosts["node1"] = by_hand(hosts["node1"], *own)
    assert view(fleet, hosts, mysql=refused).problems()[0] == "mysql: MySQL refuses the user; correct stores.mysql"


def test_a_store_that_exists_already_is_not_to_be_bootstrapped(fleet: Fleet) -> None:
    stores = dataclasses.replace(fleet.stores, mysql=dataclasses.replace(fleet.stores.mysql, managed=False))
    refused = MySQLReport(False, problem="MySQL refuses the user; run `fab bootstrap`, or correct stores.mysql")
    seen = view(dataclasses.replace(fleet, stores=stores), well(fleet), mysql=refused)
    assert seen.problems()[0] == "mysql: MySQL refuses the user; correct stores.mysql"


EVIL = "x\x1b[2J\n! node2: fine\r\x9b1m[bold]y[/]"
WRITTEN = r"x\x1b[2J\n! node2: fine\r\x9b1m[bold]y[/]"


@pytest.mark.parametrize("place", ["program", "state", "user", "role", "leftover", "version", "mechanism", "host"])
def test_no_name_of_others_steers_the_terminal_or_becomes_a_line_of_status(
    fleet: Fleet, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program, and a user, is called as somebody on the host likes; so is a host of `-H`."""
    hosts = well(fleet)
    changes: dict[str, dict[str, Any]] = {
        "program": {"programs": [program(EVIL)]},
        "state": {"programs": [program("fetcher1", state=EVIL)]},
        "user": {"others": [{"pid": 3, "role": "webui", "user": EVIL}]},
        "role": {"others": [{"pid": 3, "role": EVIL, "user": "alice"}]},
        "leftover": {"leftovers": [{"pid": 9, "ticks": 1, "name": EVIL, "ours": True}]},
        "mechanism": {"firewall": {"mechanism": EVIL, "filters": True, "holds": True}},
    }
    hosts["node2"] = changed(hosts["node2"], **changes.get(place, {}))
    if place == "host":
        hosts["node2"] = HostStatus(Host(EVIL, "192.0.2.9"), (), True, sight=hosts["node2"].sight, listed=False)
    more = {"mysql": MySQLReport(True, EVIL, dict.fromkeys(DATABASES, True))} if place == "version" else {}
    show(view(fleet, hosts, **more))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x9b" not in shown and "\r" not in shown
    assert "\n! node2: fine" not in shown and WRITTEN in shown
