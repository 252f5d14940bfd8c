"""Of hundreds of projects a round of the scheduler looks at those that have something to do."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.agenda import EACH, Agenda, due_of  # type: ignore[import-not-found]

NOW = 1000.0


def test_projects_come_when_they_are_due_or_when_something_has_happened_to_them() -> None:
    agenda = Agenda()
    for name, when in (("a", 5.0), ("b", 3.0), ("c", 9.0)):
        agenda.note(name, when)
    assert agenda.next() == 3.0
    assert agenda.take(6.0) == ["b", "a"]
    agenda.touch("c")
    assert agenda.next() == 0
    assert agenda.take(6.0) == ["c"] and agenda.next() is None


def test_a_project_has_one_date_and_is_taken_once() -> None:
    agenda = Agenda()
    agenda.note("a", 5.0)
    agenda.note("a", 8.0)
    agenda.touch("a")
    assert agenda.take(9.0) == ["a"]
    assert agenda.take(99.0) == [] and agenda.next() is None


class Tasks(list[float]):
    """Of a project: the times of its tasks, those that are ready, and its bucket."""

    def __init__(self, *times: float, ready: int = 0, bucket: float = 1.0, rate: float = 0.0, burst: float = 3) -> None:
        super().__init__([*times, *[NOW] * ready])
        self.time_queue = SimpleNamespace(top=SimpleNamespace(exetime=min(times)) if times else None)
        self.processing = SimpleNamespace(top=None)
        self.priority_queue = SimpleNamespace(qsize=lambda: ready)
        self.bucket = SimpleNamespace(bucket=bucket, rate=rate, burst=burst, last_update=NOW)


def project(tasks: Tasks, **more: Any) -> Any:
    state = {"active": True, "waiting_get_info": False, "_paused": False, "_selected_tasks": False}
    return SimpleNamespace(task_queue=tasks, **(state | more))


@pytest.mark.parametrize(
    ("one", "full", "due"),
    [
        (project(Tasks()), False, NOW + EACH),
        (project(Tasks(NOW + 4, NOW + 2)), False, NOW + 2),
        (project(Tasks(ready=3)), False, NOW),
        (project(Tasks(ready=3)), True, NOW + EACH),
        (project(Tasks(ready=3), _paused=True), False, NOW + EACH),
        (project(Tasks(ready=3), waiting_get_info=True), False, NOW + EACH),
        (project(Tasks(ready=3, bucket=0.5, rate=4)), False, NOW + 0.25),
        (project(Tasks(ready=3, bucket=0.5)), False, NOW + EACH),
        (project(Tasks(), _selected_tasks=True), False, NOW + 0.1),
        (project(Tasks(), _selected_tasks=True, active=False), False, NOW + EACH),
        (project(Tasks(NOW - 1), _paused=True), False, NOW + EACH),
        (project(Tasks(NOW - 1), _paused="checking"), False, NOW - 1),
        (project(Tasks(NOW - 1)), True, NOW + EACH),
        (project(Tasks(), _selected_tasks=True), True, NOW + EACH),
        (project(Tasks(ready=3, bucket=0.5, rate=1000, burst=0.5)), False, NOW + EACH),
        (project(Tasks(NOW - 1), waiting_get_info=True), False, NOW + EACH),
    ],
)
def test_when_a_project_is_due(one: Any, full: bool, due: float) -> None:
    assert due_of(one, NOW, full, NOW, 0.1) == pytest.approx(due)
