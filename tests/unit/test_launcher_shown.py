"""The web UI shows copies of a project's tasks, which it takes apart, and the scheduler sends whole ones."""

from __future__ import annotations

import sys
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.projects import Shown  # type: ignore[import-not-found]

MOST = 3


def take_apart(tasks: Any) -> list[Any]:
    """As pyspider's get_active_tasks."""
    found = list(tasks)
    for _, task in found:
        for part in ("fetch", "process"):
            for key in list(task.get("track", {}).get(part) or {}):
                if key not in ("ok", "time"):
                    del task["track"][part][key]
        for key in list(task):
            if key not in ("taskid", "project", "track"):
                del task[key]
    return found


def task(taskid: str) -> dict[str, Any]:
    track = {"fetch": {"ok": True, "headers": {}}, "process": {"ok": True, "logs": "x"}, "save": None}
    return {"taskid": taskid, "project": "demo", "process": {"callback": "page"}, "track": track}


@pytest.fixture
def tasks(launcher: Any) -> Any:
    """Of a project as the launcher's scheduler knows it."""
    scheduler = object.__new__(launcher.rounds.Rounds)
    scheduler.looked_at, scheduler.main = None, threading.current_thread()
    scheduler.projects = {}
    scheduler.projects["demo"] = project = SimpleNamespace(active_tasks=deque(maxlen=MOST))
    assert scheduler.projects["demo"] is project
    return project.active_tasks


def test_a_task_that_is_still_to_be_sent_stays_whole(tasks: Any) -> None:
    sent = task("one")
    tasks.appendleft((1.0, sent))
    found = take_apart(tasks)
    assert found == [(1.0, {"taskid": "one", "project": "demo", "track": found[0][1]["track"]})]
    assert found[0][1]["track"] == {"fetch": {"ok": True}, "process": {"ok": True}, "save": None}
    assert sent == task("one")
    tasks.appendleft((2.0, {"taskid": "two", "track": None}))
    assert tasks[0] == (2.0, {"taskid": "two", "track": None})


def test_the_last_tasks_are_kept_and_are_the_same_ones_each_time(tasks: Any) -> None:
    for number in range(5):
        tasks.appendleft((number, task(str(number))))
    assert [one["taskid"] for _, one in tasks] == ["4", "3", "2"]
    assert tasks[0][1] is next(iter(tasks))[1]


def test_tasks_may_come_while_they_are_shown() -> None:
    tasks = Shown([], MOST)
    for number in range(5):
        tasks.appendleft((number, task(str(number))))
    for count, _ in enumerate(tasks):
        tasks.appendleft((9, task(f"more {count}")))
    assert count == MOST - 1
