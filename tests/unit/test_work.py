"""RUNNING is not working: tables of what a program was seen to do, and what is said of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabfile.health.motion import Motion, overdue_tasks, queue_motion
from fabfile.health.pulse import Pulse, of_host, pulses
from fabfile.health.work import Measures, stalled, trouble, waiting
from fabfile.remote import messages
from fabfile.steps.sight import KnownProgram

from . import sights
from .patients import Answer, diagnosis, set_in

ERROR = "1142 (42000): INSERT command denied"
RESTS: dict[str, Any] = {
    "quiet": 900.0,
    "done": 7,
    "failed": 0,
    "fault_s": None,
    "loops": 0,
    "loop_s": None,
    "error": "",
}
FAILS = RESTS | {"done": 0, "failed": 3, "fault_s": 20.0, "error": ERROR}
LOOPS = RESTS | {"loops": 9, "loop_s": 1.0, "error": "Error 111"}


def program(name: str = "processor1", *, uptime: float = 900, **work: Any) -> KnownProgram:
    role = name.rstrip("0123456789")
    (one,) = sights.sight(programs=[{"name": name, "uptime_s": uptime, "work": {"role": role} | work}]).programs
    return one


@pytest.mark.parametrize(
    ("work", "says"),
    [
        ({}, ""),
        ({"log": RESTS}, ""),
        ({"state": "T", "halted": 9}, "its process (pid 9) is stopped (SIGSTOP)"),
        ({"state": "D", "halted": 9}, "waits for a disk"),
        ({"state": "Z", "halted": 9}, "is dead"),
        ({"log": FAILS}, f"fails at every message, 3 in a row, the last with: {ERROR}"),
        ({"log": FAILS | {"failed": 2}}, ""),
        ({"log": FAILS | {"fault_s": 4000.0}}, ""),
        ({"log": FAILS | {"done": 40}}, ""),
        ({"log": FAILS | {"done": 40, "failed": 30}}, "fails at every message, 30 in a row"),
        ({"log": LOOPS}, "does nothing but fail: 9 errors in a minute, the last of them: Error 111"),
        ({"log": LOOPS | {"loop_s": 30.0}}, ""),
        ({"exits": [41.0, 22.0, 3.0]}, "has ended 3 times in the last 41 s"),
        ({"exits": [22.0, 3.0]}, ""),
        ({"exits": [240.0, 100.0, 60.0]}, ""),
        ({"exits": [700.0, 520.0, 350.0, 170.0, 40.0]}, "has ended 5 times in the last 700 s"),
        ({"exits": [900.0, 890.0, 880.0, 870.0, 860.0]}, ""),
        # Two outages of a store, and ten minutes between them.
        ({"exits": [640.0, 635.0, 630.0, 41.0, 36.0, 31.0]}, ""),
        ({"ends": ["10.0.0.2:5000", "10.0.0.2:5001"]}, "hangs: it has not asked Redis for work for 80 s"),
        ({"ends": ["10.0.0.2:5000", "10.0.0.2:5002"]}, ""),
        ({"ends": ["10.0.0.2:6000"]}, ""),
    ],
)
def test_a_running_program_is_judged_by_its_work(work: dict[str, Any], says: str) -> None:
    idle = {"10.0.0.2:5000": 80.0, "10.0.0.2:5001": 500.0, "10.0.0.2:5002": 0.0}
    found = str(trouble(program(**work), Measures(idle)) or "")
    assert (says in found) if says else (found == "")


def told(**changed: Any) -> dict[str, Pulse]:
    text = {"pid": 9, "role": "processor", "at": 1000.0, "asked_at": 880.0, "state": "works", "away": []} | changed
    return of_host(pulses({b"node2/processor1": json.dumps(text).encode(), "node3/processor1": "{"}), "node2")


@pytest.mark.parametrize(
    ("pulse", "says"),
    [
        ({}, "it hangs: it has not asked Redis for work for 120 s"),
        ({"asked_at": 950.0}, ""),
        # It waits, and says for what.
        ({"away": ["MySQL"]}, ""),
        (
            {"away": ["MySQL"], "refused": [f"MySQL: {ERROR}"]},
            f"it fails at every message, and tries again: MySQL: {ERROR}",
        ),
        ({"away": ["MySQL"], "waits": [{"store": "MySQL", "seconds": 29.0, "error": "2003"}]}, ""),
        (
            {"away": ["MySQL"], "waits": [{"store": "MySQL", "seconds": 3600.4, "error": "2003: no way"}]},
            "it has waited for MySQL for 3600 s, and does nothing meanwhile: 2003: no way",
        ),
        (
            # At its start.
            {"state": "waits for its stores", "waits": [{"store": "MySQL", "seconds": 40.0, "error": "2003"}]},
            "it has waited for MySQL for 40 s",
        ),
        (
            {"pid": 8, "asked_at": 1000.0, "waits": [{"store": "MySQL", "seconds": 40.0, "error": "2003"}]},
            "",
        ),
        ({"state": "waits for the lease"}, ""),
        # The word of an earlier process.
        ({"pid": 8}, ""),
    ],
)
def test_a_program_whose_pulse_goes_on_and_whose_work_does_not_hangs(pulse: dict[str, Any], says: str) -> None:
    """The thread that shows that it lives keeps its connection to Redis busy."""
    by = Measures({"10.0.0.2:5000": 1.0}, pulses=told(**pulse))
    (one,) = sights.sight(
        programs=[
            {"name": "processor1", "pid": 9, "uptime_s": 900, "work": {"role": "processor", "ends": ["10.0.0.2:5000"]}}
        ]
    ).programs
    assert says in str(trouble(one, by) or "") and bool(says) == bool(trouble(one, by))


def test_a_store_that_is_down_for_all_is_told_once_and_not_by_each_program() -> None:
    by = told(away=["MySQL"], waits=[{"store": "MySQL", "seconds": 3600.0, "error": "2003"}])
    (one,) = sights.sight(
        programs=[{"name": "processor1", "pid": 9, "uptime_s": 900, "work": {"role": "processor"}}]
    ).programs
    assert trouble(one, Measures(pulses=by)) and not trouble(one, Measures(pulses=by, down=frozenset({"MySQL"})))


@pytest.mark.parametrize(
    ("role", "pulse", "idle", "says"),
    [
        ("processor", {"at": 990.0}, {}, ""),
        ("processor", {"at": 820.0}, {}, "it has told nothing in Redis for 180 s: it can't get there"),
        # Its clock counts, and that of nobody else.
        ("processor", {"began": 5100.0, "at": 5990.0}, {}, ""),
        # It is a new process, and has never got there.
        ("processor", {"pid": 8, "at": 990.0}, {}, "it has told nothing in Redis for 900 s"),
        # Redis hears of it: it tells nothing of itself, as programs without the launcher do.
        ("processor", {"pid": 8, "at": 990.0}, {"10.0.0.2:5000": 1.0}, ""),
        ("processor", {"at": 820.0}, {"10.0.0.2:5000": 80.0}, "it hangs: it has not asked Redis for work for 80 s"),
        ("scheduler", {"at": 820.0}, {}, ""),
        ("scheduler", {"at": 500.0}, {}, "it has told nothing in Redis for 500 s"),
        ("webui", {"at": 500.0}, {}, ""),
    ],
)
def test_a_program_that_is_cut_off_from_redis_does_not_work(
    role: str, pulse: dict[str, Any], idle: dict[str, float], says: str
) -> None:
    pulse = {"role": role, "began": 100.0, "asked_at": pulse["at"]} | pulse
    by = Measures(idle, pulses=told(**pulse))
    work = {"role": role, "ends": ["10.0.0.2:5000"]}
    (one,) = sights.sight(programs=[{"name": "processor1", "pid": 9, "uptime_s": 900, "work": work}]).programs
    assert says in str(trouble(one, by) or "") and bool(says) == bool(trouble(one, by))


def test_a_page_may_take_a_processor_as_long_as_hosts_toml_says() -> None:
    seen = program(ends=["10.0.0.2:5000"])
    assert trouble(seen, Measures({"10.0.0.2:5000": 80.0}, limits={"processor": 90.0})) is None
    assert trouble(seen, Measures({"10.0.0.2:5000": 91.0}, limits={"processor": 90.0})) is not None


@pytest.mark.parametrize(
    ("uptime", "work", "says"),
    [
        (900, {"listens": [24444], "rpc": {"ok": True}}, ""),
        (900, {"listens": []}, "its RPC server has ended: it does not listen on port 24444"),
        (900, {"listens": [24444], "rpc": {"ok": False, "why": "timed out"}}, "does not answer: timed out"),
        (2, {"listens": []}, ""),
    ],
)
def test_a_fetcher_without_its_rpc_thread_does_not_work(uptime: float, work: dict[str, Any], says: str) -> None:
    found = str(trouble(program("fetcher1", uptime=uptime, **work), Measures(ports={"fetcher1": 24444})) or "")
    assert (says in found) if says else (found == "")


@pytest.mark.parametrize(
    ("queues", "still", "quiet", "waits"),
    [
        ({"fetcher2processor": 3}, ["fetcher2processor"], 61.0, True),
        ({"fetcher2processor": 100}, [], 61.0, False),
        ({"fetcher2processor": 100}, ["fetcher2processor"], 20.0, False),
        ({}, [], 9000.0, False),
    ],
)
def test_a_queue_waits_only_where_nothing_moves(
    queues: dict[str, int], still: list[str], quiet: float, waits: bool
) -> None:
    consumers = [program(f"processor{number}", log=RESTS | {"quiet": quiet}) for number in (1, 2)]
    assert bool(waiting(queues, still, consumers)) is waits


def test_consumers_of_which_the_logs_say_nothing_may_just_be_busy() -> None:
    assert waiting({"fetcher2processor": 3}, ["fetcher2processor"], [program(log=None)]) == {}


@pytest.mark.parametrize(
    ("overdue", "queues", "quiet", "lost"),
    [
        ({"demo": 3}, {"status_queue": 0}, 400.0, True),
        ({}, {"status_queue": 0}, 9000.0, False),
        ({"demo": 3}, {"status_queue": 1}, 400.0, False),
        ({"demo": 3}, {"status_queue": 0}, 100.0, False),
    ],
)
def test_due_tasks_are_lost_where_the_scheduler_rests(
    overdue: dict[str, int], queues: dict[str, int], quiet: float, lost: bool
) -> None:
    assert bool(stalled(overdue, queues, [program("scheduler", log=RESTS | {"quiet": quiet})])) is lost


@pytest.mark.parametrize(
    ("host", "work", "wanted"),
    [
        ("node2", {"role": "processor", "state": "T", "halted": 9}, "halted"),
        ("node2", {"role": "processor", "log": FAILS}, "failing"),
        ("node2", {"role": "processor", "exits": [41.0, 22.0, 3.0]}, "restarting"),
        ("node1", {"role": "scheduler", "rpc": {"ok": False, "why": "x"}, "listens": [23333]}, "rpc-mute"),
    ],
)
def test_doctor_names_a_program_that_does_not_work(fleet: Any, host: str, work: Answer, wanted: str) -> None:
    def change(seen: Answer) -> None:
        names = [one["name"] for one in seen["sight"]["programs"]]
        index = next(number for number, name in enumerate(names) if name.startswith(work["role"]))
        seen["sight"]["programs"][index]["work"] = work

    assert set(diagnosis(fleet, **{host: change})) == {(wanted, host)}


@pytest.mark.parametrize(("error", "wanted"), [(None, "failing"), ("2003: Can't connect", "mysql-refused")])
def test_doctor_names_the_way_to_a_store_once(fleet: Any, error: str | None, wanted: str) -> None:
    """A program that waits for MySQL is a finding of its own only where MySQL answers its host."""

    def change(seen: Answer) -> None:
        one = next(one for one in seen["sight"]["programs"] if one["name"] == "processor1")
        one["work"] = {"role": "processor"}
        waits = [{"store": "MySQL", "seconds": 60.0, "error": "2003: Can't connect"}]
        pulse = {"pid": one["pid"], "role": "processor", "at": 9, "asked_at": 9, "state": "works", "waits": waits}
        asked = seen["asked"][0]
        asked["redis"]["pulses"] = {"node2/processor1": json.dumps(pulse)}
        for answer in asked["mysql"].values():
            answer |= {"error": error, "errno": 2003 if error else 0}

    assert set(diagnosis(fleet, node2=change)) == {(wanted, "node2")}


def test_a_full_queue_of_a_busy_crawl_is_no_finding(fleet: Any) -> None:
    assert diagnosis(fleet, node1=set_in("asked/0/redis/queues/scheduler2fetcher", 100)) == []


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "program.log"

    def written(*lines: str, age: float = 0.0) -> dict[str, Any]:
        now = time.strftime("%y%m%d %H:%M:%S", time.localtime(time.time() - age))
        path.write_text("".join(f"{line.replace('NOW', now)}\n" for line in lines))
        os.utime(path, (time.time() - age, time.time() - age))
        found: dict[str, Any] = messages.read(str(path), os.getuid())
        return found

    yield written


PAGE = "[I NOW processor:202] process demo:ab http://x/ -> [200] len:9 -> result:None fol:0 msg:0 err:None"
BROKEN = "[E NOW processor:202] process demo:ab http://x/ -> [200] len:9 -> result:None fol:0 msg:0 err:TypeError()"
GONE = "[E NOW processor:202] process demo:ab http://x/ -> [404] len:9 -> result:None fol:0 msg:0 err:HTTPError()"
RESULT = "[I NOW result_worker:33] result demo:ab http://x/ -> {}"
TRACE = (f"[E NOW result_worker:63] {ERROR}", "    Traceback (most recent call last):", '      File "x", line 1')


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ((PAGE, PAGE), {"done": 2, "failed": 0, "loops": 0}),
        ((PAGE, BROKEN, BROKEN), {"done": 1, "failed": 2}),
        ((BROKEN, PAGE), {"done": 1, "failed": 0}),
        ((GONE, GONE), {"done": 0, "failed": 0}),
        ((RESULT, *TRACE, RESULT, *TRACE), {"done": 0, "failed": 2, "error": ERROR, "loops": 0}),
        ((*TRACE, *TRACE), {"failed": 0, "loops": 2, "error": ERROR}),
        ((BROKEN, "[I NOW processor:211] processor starting...", PAGE), {"done": 1, "failed": 0}),
        ((*TRACE, *TRACE, "[I NOW patience:117] starts, with queues that hold", PAGE), {"done": 1, "loops": 0}),
        ((BROKEN, "[I NOW fetching:43] fetcher starts, with queues that hold"), {"failed": 0}),
        ((BROKEN, "[W NOW patience:93] Redis is away (timed out); waiting for it, nothing is dropped"), {"failed": 1}),
        (
            (PAGE, BROKEN, "[W NOW patience:93] Redis answers again, after 60 s"),
            {"done": 1, "failed": 0, "fault_s": None},
        ),
        (("[E NOW tornado_fetcher:210] [599] demo:ab http://x/, x 0.01s",), {"failed": 1}),
        (("[W NOW tornado_fetcher:421] [404] demo:ab http://x/ 0.01s",), {"done": 1}),
        (("[I NOW scheduler:965] select demo:ab http://x/",), {"done": 1}),
        (("[I NOW scheduler:586] in 5m: new:0,success:0",), {"done": 0, "failed": 0}),
    ],
)
def test_a_log_tells_how_a_program_fares(log: Any, lines: tuple[str, ...], wanted: dict[str, Any]) -> None:
    found = log(*lines)
    assert {name: found[name] for name in wanted} == wanted


def test_a_log_of_another_kind_tells_nothing(log: Any) -> None:
    assert log("ERROR:root:no", "Traceback (most recent call last):") is None


def test_ages_count_by_the_hosts_clock_also_in_another_time_zone(log: Any) -> None:
    assert 299 < log(PAGE, age=300.0)["quiet"] < 303
    in_future = PAGE.replace("NOW", time.strftime("%y%m%d %H:%M:%S", time.localtime(time.time() + 7200)))
    assert -3 < log(in_future)["quiet"] < 3


def test_the_ends_of_programs_are_taken_from_supervisords_log(tmp_path: Path) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
    path = tmp_path / "supervisord.log"
    path.write_text(
        f"{now},100 INFO exited: processor1 (exit status 0; expected)\n"
        f"{now},200 INFO spawned: 'processor1' with pid 9\n"
        f"{now},300 WARN exited: processor1 (terminated by SIGKILL; not expected)\n"
        f"{now},400 WARN stopped: fetcher1 (exit status 0)\n"
        f"{now},500 INFO exited: fetcher2 (exit status 1; not expected)\n"
        f"{now},500 INFO gave up: fetcher2 entered FATAL state, too many start retries too quickly\n"
        f"{now},600 INFO exited: fetcher3 (exit status 1; not expected)\n"
        f"{now},600 INFO stopped: fetcher3 (exit status 0)\n"
        f"{now},700 INFO exited: fetcher3 (exit status 1; not expected)\n"
        f"{now},800 INFO exited: webui (exit status 1; not expected)\n"
        f"{now},800 INFO success: webui entered RUNNING state, process has stayed up for > than 3 seconds (startsecs)\n"
        f"{now},900 INFO success: scheduler entered RUNNING state, process has stayed up for > than 3 seconds\n"
        f"{now},900 INFO exited: scheduler (exit status 1; not expected)\n"
        f"{now},900 INFO success: scheduler entered RUNNING state, process has stayed up for > than 3 seconds\n"
    )
    found = messages.exits(str(path), os.getuid())
    assert {name: len(ages) for name, ages in found.items()} == {"processor1": 2, "fetcher3": 1, "scheduler": 1}
    assert messages.exits(str(tmp_path / "none"), os.getuid()) == {}


def test_a_store_that_does_not_say_leaves_the_question_open() -> None:
    def no_way() -> Any:
        raise ConnectionRefusedError

    assert queue_motion(no_way, None, 0) == Motion()
    assert overdue_tasks(no_way, "u", "p", ("taskdb", "projectdb")) == {}
