"""What a callback gave, and nobody can write down, is its script's failure: on a real Redis, over a short Processor."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from .held import held_queue

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.blocking import Waker  # type: ignore[import-not-found]
from launcher.clock import clock  # type: ignore[import-not-found]
from launcher.patience import PAUSES, Ending  # type: ignore[import-not-found]
from launcher.processing import KeepingProcessor  # type: ignore[import-not-found]

# The hosts' redis-py wants the name of the command that the one of the tests has no use for.
pytestmark = pytest.mark.filterwarnings("ignore:Call to 'get_connection'")


class Scripts:
    """One script for all projects, whose callback gives a result and what it saves; how often it has run."""

    def __init__(self, callback: Callable[[], Any]) -> None:
        self.callback, self.runs = callback, 0

    def get(self, project: str, updatetime: Any = None, md5sum: Any = None) -> Callable[[], Any]:
        self.runs += 1
        return self.callback


class Processor:
    """As pyspider's, which writes a status down after its try."""

    project_manager: Scripts

    def __init__(self, _: Any, inqueue: Any, status_queue: Any, newtask_queue: Any, result_queue: Any) -> None:
        self.inqueue, self.status_queue, self.result_queue = inqueue, status_queue, result_queue

    def on_task(self, task: dict[str, Any], response: dict[str, Any]) -> None:
        result, saved, logs = None, None, ""
        try:
            result, saved = self.project_manager.get(task["project"])()
            self.result_queue.put([task, result])
        except (ArithmeticError, ValueError):
            logs = traceback.format_exc()
        shown = result.decode() if isinstance(result, bytes) else str(result)
        process = {"ok": not logs, "result": shown[:10], "logs": logs}
        self.status_queue.put({"taskid": task["taskid"], "track": {"process": process, "save": saved}})


class Kept(KeepingProcessor, Processor):  # type: ignore[misc]
    pass


@pytest.fixture
def processor(redis: Redis) -> Any:
    made = Kept(None, *(held_queue(redis, name) for name in ("pages", "status", "new", "results")))
    made.ending, made.waker, made.failures = Ending(), Waker(), []
    made.pulse = SimpleNamespace(took=none, did=none, open=none, failed=made.failures.append)
    return made


def none(*_: Any) -> None:
    pass


def process(redis: Redis) -> Any:
    return held_queue(redis, "status", "h/s/1.2.3").get_nowait()["track"]["process"]


@pytest.mark.parametrize(
    ("given", "named"), [((b"\xff", None), "UnicodeDecodeError: "), (("well", 2**70), "UnsupportedTypeException: ")]
)
def test_an_outcome_that_nobody_can_write_down_is_its_scripts_failure(
    processor: Any, redis: Redis, given: Any, named: str
) -> None:
    processor.project_manager = scripts = Scripts(lambda: given)
    processor.inqueue.put([{"project": "demo", "taskid": "one"}, {}])
    begun = clock()
    processor.once()
    assert scripts.runs == 1 and clock() < begun + sum(PAUSES) / 2
    told = process(redis)
    assert not told["ok"] and "the callback has run, but what it gave can't be written down: " + named in told["logs"]
    # What it had given before is gone, as with any callback that fails.
    assert redis.llen("results") == redis.llen("pages:failed") == redis.hlen(processor.inqueue.held) == 0
    processor.project_manager = Scripts(lambda: ("well", None))
    processor.inqueue.put([{"project": "demo", "taskid": "two"}, {}])
    processor.once()
    assert process(redis)["ok"] and redis.llen("results") == 1


def test_a_message_that_no_script_is_to_blame_for_is_put_aside_at_once(processor: Any, redis: Redis) -> None:
    processor.project_manager = Scripts(lambda: ("well", None))
    processor.inqueue.put("no pair")
    begun = clock()
    processor.once()
    assert clock() < begun + sum(PAUSES) / 2
    assert redis.llen("pages:failed") == 1 == len(processor.failures)
    assert redis.llen("status") == redis.hlen(processor.inqueue.held) == 0
