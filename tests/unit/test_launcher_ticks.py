"""Ticks of the scheduler after a clock that was set: none is counted for years, and those of `@every` go on."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ..waiting import eventually

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.agenda import Agenda  # type: ignore[import-not-found]
from launcher.projects import ProjectsInSight, roundest  # type: ignore[import-not-found]

DAY, WEEK = 86400, 7 * 86400


class Scheduler:
    """As pyspider counts."""

    def _check_cronjob(self) -> str:
        return "as ever"


class Kept(ProjectsInSight, Scheduler):  # type: ignore[misc]
    def __init__(self, last: float, steps: dict[str, int]) -> None:
        super().__init__()
        self._last_tick, self.taskdb = last, SimpleNamespace(SUCCESS=2)
        project = SimpleNamespace(active=True, waiting_get_info=False)
        self.projects = {
            name: SimpleNamespace(name=name, min_tick=step, **vars(project)) for name, step in steps.items()
        }
        self.called: list[tuple[str, int]] = []

    def on_select_task(self, task: dict[str, Any]) -> None:
        self.called.append((task["project"], task["fetch"]["save"]["tick"]))


@pytest.mark.parametrize("gap", [0, 3, 3500, -30])
def test_a_gap_that_stores_may_cause_is_pyspiders_own(gap: int) -> None:
    scheduler = Kept(time.time() - gap, {"one": 60})
    assert scheduler._check_cronjob() == "as ever" and scheduler.called == []


def test_years_are_one_tick_of_each_project_that_has_any() -> None:
    scheduler = Kept(time.time() - 10**8, {"one": 60, "seven": 420, "none": 0})
    assert scheduler._check_cronjob() is False and scheduler._last_tick > time.time() - 3
    (one, tick), (seven, other) = scheduler.called
    assert (one, seven, tick % WEEK, other % WEEK, other % 420) == ("one", "seven", 0, 0, 0)
    assert scheduler._check_cronjob() == "as ever"


def test_a_clock_that_was_set_back_begins_anew_without_a_call() -> None:
    scheduler = Kept(time.time() + 10**6, {"one": 60})
    assert scheduler._check_cronjob() is False and scheduler._last_tick < time.time() + 3
    assert scheduler.called == []


@pytest.mark.parametrize(
    ("last", "now", "step", "tick"),
    [
        (10 * WEEK, 12 * WEEK + 5, 60, 12 * WEEK),
        (DAY - 5, DAY + 7200, 60, DAY),
        (DAY + 1, DAY + 7201, 60, DAY + 7200),
        (DAY + 1, DAY + 7201, 7, 93597),
        (DAY + 1, DAY + 7201, DAY, None),
        (DAY + 10**6, DAY, 60, None),
    ],
)
def test_the_tick_is_the_one_at_which_most_are_due(last: int, now: int, step: int, tick: int | None) -> None:
    assert roundest(last, now, step) == tick


class Bucket:
    """As pyspider's: it has what its rate gives since it last counted."""

    rate, burst, bucket = 2.0, 10.0, 0.0

    def __init__(self, last_update: float) -> None:
        self.last_update = last_update

    def get(self) -> float:
        more = self.rate * (time.time() - self.last_update)
        if more > 1:
            self.bucket, self.last_update = min(self.bucket + more, self.burst), time.time()
        return self.bucket


def ahead(seconds: float) -> Any:
    """A project whose tasks and tokens were counted by a clock that was ahead by so much."""
    at = time.time() + seconds
    processing = SimpleNamespace(queue=[SimpleNamespace(exetime=at + more) for more in (100, 120, 180)])
    tasks = SimpleNamespace(bucket=Bucket(at), processing=processing, processing_timeout=180, mutex=threading.RLock())
    return SimpleNamespace(task_queue=tasks, _paused_time=at)


@pytest.mark.parametrize("seconds", [30, 3600, -30])
def test_a_clock_that_was_set_back_stops_no_project(launcher: Any, seconds: float) -> None:
    class Scheduler(launcher.rounds.Rounds):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self.agenda, self.full, self.held_up = Agenda(), False, set()
            self.all_projects = {"one": ahead(seconds)}
            self.looked_all = self._last_dump_cnt = time.time() + seconds

    scheduler, before = Scheduler(), time.time()
    one = scheduler.all_projects["one"]
    tasks, paused = one.task_queue, one._paused_time
    assert list(scheduler.due_projects()) == ["one"]
    latest = [task.exetime - before for task in tasks.processing.queue]
    if seconds < 0:
        # It went on as ever.
        assert one._paused_time == paused and latest[0] < 100
        return
    assert tasks.bucket.last_update < time.time() and one._paused_time < time.time() and max(latest) <= 181
    assert before <= scheduler._last_dump_cnt <= time.time()
    assert latest == sorted(latest)
    assert eventually(lambda: tasks.bucket.get() >= 1, 3)
