"""Tasks of several projects that wait for longer than processing-timeout are not sent again: on a real Redis."""

from __future__ import annotations

import heapq
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from .held import held_queue

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.agenda import Agenda  # type: ignore[import-not-found]
from launcher.patience import Ending  # type: ignore[import-not-found]

NAMES, COUNT, TIMEOUT, BEGAN = ("one", "two", "three"), 40, 180, 1_000_000.0


class InQueueTask:
    """As pyspider's."""

    def __init__(self, taskid: str, priority: int = 0, exetime: float = 0) -> None:
        self.taskid: str | None = taskid
        self.exetime = exetime

    def __lt__(self, other: InQueueTask) -> bool:
        return self.exetime < other.exetime


class Processing:
    """As pyspider's: the tasks on their way, by the time when each is sent again."""

    def __init__(self) -> None:
        self.queue: list[InQueueTask] = []
        self.queue_dict: dict[str, InQueueTask] = {}

    def put(self, task: Any) -> None:
        heapq.heappush(self.queue, task)
        self.queue_dict[task.taskid] = task

    @property
    def top(self) -> InQueueTask | None:
        while self.queue and self.queue[0].taskid is None:
            heapq.heappop(self.queue)
        return self.queue[0] if self.queue else None


class Tasks:
    """Of a project."""

    processing_timeout = TIMEOUT

    def __init__(self) -> None:
        self.processing, self.mutex = Processing(), threading.RLock()
        self.time_queue = SimpleNamespace(top=None)
        self.priority_queue = SimpleNamespace(qsize=lambda: 0)

    def delete(self, taskid: str) -> None:
        self.processing.queue_dict.pop(taskid).taskid = None


class Select:
    """As pyspider, which looks at the projects of a round, and sends again what is late."""

    projects: dict[str, Any]

    def _check_select(self) -> None:
        for name, project in self.projects.items():
            tasks = project.task_queue.processing
            while tasks.top and tasks.top.exetime < time.time():
                late = heapq.heappop(tasks.queue)
                del tasks.queue_dict[late.taskid]
                self.sent.append((name, late.taskid))

    sent: list[tuple[str, Any]]


@pytest.fixture
def scheduler(launcher: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One whose tasks were all sent within 20 s, and wait in the fetchers' queue."""
    queues = ModuleType("pyspider.scheduler.task_queue")
    vars(queues)["InQueueTask"] = InQueueTask
    for name in ("pyspider", "pyspider.scheduler"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, queues.__name__, queues)

    class Scheduler(launcher.rounds.Rounds, Select):  # type: ignore[misc,name-defined]
        request_task_fields: tuple[str, ...] = ()

        def __init__(self) -> None:
            self.main, self.sent = threading.current_thread(), []
            self.flying_now, self.flying_at, self.flying_lock = None, 0.0, threading.Lock()
            self.agenda, self.looked_all, self.stepped_at = Agenda(), 0.0, 0.0
            self.book = self.selected = self.looked_at = None
            self.full, self.held_up, self.outgoing, self._send_buffer = False, set(), [], []
            self._last_dump_cnt = 0.0
            self.out_queue = held_queue(redis, "scheduler2fetcher")
            self.all_projects = {name: project(name) for name in NAMES}
            self.looks = 0

        def on_the_way(self) -> Any:
            self.looks += self.flying_now is None
            return super().on_the_way()

    made = Scheduler()
    made.ending = Ending()
    for number in range(COUNT):
        for name, one in made.all_projects.items():
            task = InQueueTask(f"t{number}", exetime=BEGAN + number / 2 + TIMEOUT)
            one.task_queue.processing.put(task)
            made.out_queue.put({"project": name, "taskid": task.taskid})
    return made


def project(name: str) -> Any:
    return SimpleNamespace(
        name=name,
        task_queue=Tasks(),
        active=True,
        waiting_get_info=False,
        _paused=False,
        _selected_tasks=False,
        _paused_time=0,
    )


def goes_on(scheduler: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, step: float = 0.3) -> None:
    for number in range(int(seconds / step)):
        now = BEGAN + number * step
        monkeypatch.setattr(time, "time", lambda now=now: now)
        # As when something comes of one project, and of the others not.
        scheduler.agenda.touch(NAMES[number % len(NAMES)])
        scheduler._check_select()


def test_what_still_waits_in_a_queue_is_not_sent_again(scheduler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on(scheduler, monkeypatch, 3 * TIMEOUT)
    assert scheduler.sent == []
    assert 2 < scheduler.looks < 30


def test_what_is_on_its_way_no_more_is_sent_again(
    scheduler: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.delete("scheduler2fetcher")
    goes_on(scheduler, monkeypatch, TIMEOUT + COUNT / 2 + 15)
    assert len(scheduler.sent) == len(NAMES) * COUNT
