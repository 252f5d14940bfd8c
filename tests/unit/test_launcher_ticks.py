"""Ticks of the scheduler after a clock that was set: none is counted for years, and those of `@every` go on."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

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
