"""A result that can't be saved keeps no other waiting: on a real Redis, over pyspider's classes in short."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from .driver import DriverError
from .held import held_queue

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.blocking import Waker  # type: ignore[import-not-found]
from launcher.clock import clock  # type: ignore[import-not-found]
from launcher.patience import PAUSES, TRIES  # type: ignore[import-not-found]

TOO_LONG, REFUSED = 1406, 1644

# The hosts' redis-py wants the name of the command that the one of the tests has no use for.
pytestmark = pytest.mark.filterwarnings("ignore:Call to 'get_connection'")


class Rows:
    """As pyspider's ResultDB on MySQL, which refuses the results that are the number of an error."""

    projects = ("demo",)
    placeholder = "%s"

    def __init__(self) -> None:
        self.saved: list[Any] = []
        self.asked = 0

    def _tablename(self, project: str) -> str:
        return project

    def escape(self, name: str) -> str:
        return f"`{name}`"

    def _stringify(self, data: dict[str, Any]) -> dict[str, Any]:
        return data | {"result": json.dumps(data["result"])}

    def save(self, project: str, taskid: str, url: str, result: Any) -> None:
        row = self._stringify({"taskid": taskid, "url": url, "result": result, "updatetime": 0})
        self.together([("", list(row.values()))])

    def together(self, pairs: list[tuple[str, list[Any]]]) -> None:
        self.asked += 1
        results = [json.loads(word) for _, values in pairs for word in values[2::4]]
        for result in results:
            if result in (TOO_LONG, REFUSED):
                raise DriverError(result)
        self.saved += results


class ResultWorker:
    """As pyspider's."""

    def __init__(self, resultdb: Any, inqueue: Any) -> None:
        self.resultdb, self.inqueue = resultdb, inqueue

    def on_result(self, task: dict[str, Any], result: Any) -> None:
        self.resultdb.save(project=task["project"], taskid=task["taskid"], url=task["url"], result=result)


@pytest.fixture
def worker(launcher: Any, redis: Redis) -> Any:
    class Worker(launcher.saving.KeepingResultWorker, ResultWorker):  # type: ignore[misc,name-defined]
        pass

    made = Worker(Rows(), held_queue(redis, "results"))
    made.waker = Waker()
    made.failures = []
    made.pulse = SimpleNamespace(took=none, did=none, open=none, failed=made.failures.append)
    return made


def none(_: Any) -> None:
    pass


def put(worker: Any, *results: Any) -> None:
    for number, result in enumerate(results):
        worker.inqueue.put([{"project": "demo", "taskid": str(number), "url": "http://x/"}, result])


def aside(redis: Redis) -> list[str]:
    return [one.split(b"\n")[0].decode() for one in redis.lrange("results:failed", 0, -1)]


def test_results_that_are_no_json_are_put_aside_at_once_with_their_project(worker: Any, redis: Redis) -> None:
    put(worker, *[b"\xff"] * 20, "good", *[b"\xff"] * 20)
    begun = clock()
    worker.once()
    assert clock() < begun + sum(PAUSES)
    assert worker.resultdb.db.saved == ["good"] and worker.resultdb.db.asked == 1
    assert len(aside(redis)) == 40 == len(worker.failures)
    assert aside(redis)[0].startswith("a result of the project demo is no JSON: ")
    assert worker.unsaved == [] and redis.hlen(worker.inqueue.held) == 0


def test_what_mysql_refuses_by_its_value_is_not_tried_again(worker: Any, redis: Redis) -> None:
    put(worker, TOO_LONG, "good")
    worker.once()
    assert worker.resultdb.db.saved == ["good"] and len(aside(redis)) == 1
    assert worker.unsaved == []


def test_a_result_that_was_not_saved_is_tried_again_while_others_are_saved(worker: Any, redis: Redis) -> None:
    put(worker, REFUSED, "good")
    begun = clock()
    worker.once()
    for tries, pause in enumerate(PAUSES, 1):
        (one,) = worker.unsaved
        assert one.tries == tries and begun + pause <= one.again_at <= clock() + pause
        put(worker, f"good {tries}")
        worker.once()
        assert worker.unsaved == [one] and one.tries == tries
        assert redis.hlen(worker.inqueue.held) == 1
        begun = one.again_at = clock()
        worker.once()
    assert worker.resultdb.db.saved == ["good", *(f"good {tries}" for tries in range(1, TRIES))]
    assert worker.unsaved == [] and aside(redis) == [f"{REFUSED}: something"]
    assert len(worker.failures) == TRIES and redis.hlen(worker.inqueue.held) == 0


def test_a_wait_ends_when_a_result_is_tried_again(worker: Any) -> None:
    put(worker, REFUSED)
    worker.once()
    begun = clock()
    while worker.unsaved[0].tries == 1:
        worker.once()
    assert PAUSES[0] - 0.1 <= clock() - begun < 0.8


def test_with_many_that_were_not_saved_no_new_ones_are_taken(launcher: Any, worker: Any, redis: Redis) -> None:
    most = launcher.saving.MOST_UNSAVED
    put(worker, *[REFUSED] * most, "later")
    while len(worker.unsaved) < most:
        worker.once()
        for one in worker.unsaved:
            one.again_at = clock() + 60
    worker.waker.wake()
    worker.once()
    assert redis.llen("results") == 1
    worker.unsaved[0].tries, worker.unsaved[0].again_at = TRIES - 1, clock()
    worker.once()
    worker.once()
    assert worker.resultdb.db.saved == ["later"] and len(aside(redis)) == 1
