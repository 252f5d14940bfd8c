"""A result that can't be saved keeps no other waiting: on a real Redis, over pyspider's classes in short."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
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
from launcher.packing import unpack  # type: ignore[import-not-found]
from launcher.patience import PAUSES, TRIES, Ending  # type: ignore[import-not-found]
from launcher.returning import hand_back  # type: ignore[import-not-found]

TOO_LONG, REFUSED, NO_DATABASE = 1406, 1644, 1049

# The hosts' redis-py wants the name of the command that the one of the tests has no use for.
pytestmark = pytest.mark.filterwarnings("ignore:Call to 'get_connection'")


class Rows:
    """As pyspider's ResultDB on MySQL, which refuses the results that are the number of an error.

    It raises `down` for all of them; `failures` are those of its next statements.
    """

    projects = ("demo",)
    placeholder = "%s"

    def __init__(self) -> None:
        self.saved: list[Any] = []
        self.asked = 0
        self.down: Exception | None = None
        self.failures: list[Exception] = []
        self.row: dict[str, Any] = {}

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
        if error := self.down or (self.failures and self.failures.pop(0)):
            raise error
        results = [json.loads(word) for _, values in pairs for word in values[2::4]]
        for result in results:
            if result in (TOO_LONG, REFUSED):
                raise DriverError(result)
        self.saved += results
        for _, values in pairs:
            self.row.update(zip(values[::4], map(json.loads, values[2::4]), strict=True))


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
    made.waker, made.ending = Waker(), Ending()
    made.failures = []
    made.pulse = SimpleNamespace(took=none, did=none, open=none, failed=made.failures.append)
    return made


def none(_: Any) -> None:
    pass


NUMBERS = itertools.count()


def put(worker: Any, *results: Any, taskid: str = "") -> None:
    """Each of a task of its own, or all of one."""
    for result in results:
        task = {"project": "demo", "taskid": taskid or str(next(NUMBERS)), "url": "http://x/"}
        worker.inqueue.put([task, result])


def soon(worker: Any) -> None:
    """As if the pauses were over."""
    for one in worker.unsaved:
        one.again_at = 0
    worker.once()


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


@pytest.mark.parametrize("error", [DriverError(NO_DATABASE), RuntimeError("a worker's own store is away")])
def test_where_nothing_can_be_saved_one_result_at_a_time_is_put_aside(
    worker: Any, redis: Redis, error: Exception
) -> None:
    put(worker, *range(50))
    db = worker.resultdb.db
    db.down = error
    worker.once()
    assert len(worker.unsaved) == 50
    for tries in range(2, 3 * TRIES):
        asked = db.asked
        soon(worker)
        # The next one follows at once where one was put aside.
        assert db.asked <= asked + 2
        assert len(aside(redis)) == (tries - 2) // (TRIES - 2)
    left = 50 - len(aside(redis))
    assert len(worker.unsaved) == left == redis.hlen(worker.inqueue.held)
    db.down = None
    soon(worker)
    assert sorted(db.saved) == list(range(50 - left, 50)) and worker.unsaved == []
    assert redis.hlen(worker.inqueue.held) == 0


def test_in_an_outage_a_wait_is_one_of_the_first_result(worker: Any) -> None:
    worker.resultdb.db.down = DriverError(NO_DATABASE)
    put(worker, 1, 2, 3)
    worker.once()
    first = worker.unsaved[0]
    first.again_at = clock() + 0.4
    asked, begun = worker.resultdb.db.asked, clock()
    while first.tries == 1:
        worker.once()
    assert 0.3 <= clock() - begun < 0.9 and worker.resultdb.db.asked == asked + 1


def test_one_that_fails_alone_holds_up_nobody(worker: Any) -> None:
    put(worker, REFUSED)
    worker.once()
    for number in range(TRIES - 1):
        put(worker, number)
        begun = clock()
        worker.once()
        assert worker.resultdb.db.saved[-1] == number and clock() < begun + 0.2
        soon(worker)


def test_after_a_save_all_that_failed_before_it_are_tried_again(worker: Any, redis: Redis) -> None:
    put(worker, *[REFUSED] * 20)
    worker.once()
    for number in range(TRIES - 1):
        put(worker, number)
        worker.once()
        soon(worker)
    assert len(aside(redis)) == 20 and worker.unsaved == []
    assert worker.resultdb.db.saved == list(range(TRIES - 1))


def test_of_several_results_of_a_task_the_last_remains(worker: Any, redis: Redis) -> None:
    put(worker, "first", taskid="one")
    worker.resultdb.db.failures = [DriverError(REFUSED)] * 2
    worker.once()
    put(worker, "second", "third", taskid="one")
    put(worker, "another")
    worker.once()
    assert worker.resultdb.db.saved == ["another"]
    soon(worker)
    assert worker.resultdb.db.saved == ["another", "first", "second", "third"]
    assert worker.resultdb.db.row["one"] == "third"
    assert worker.unsaved == [] and redis.hlen(worker.inqueue.held) == 0


@pytest.mark.parametrize("size", [1, 700_000], ids=["one statement", "a statement for each"])
@pytest.mark.parametrize("failures", [1, 2])
def test_of_several_results_of_a_task_in_one_batch_the_last_remains(worker: Any, size: int, failures: int) -> None:
    put(worker, "a" * size, "b" * size, "c" * size, taskid="one")
    worker.resultdb.db.failures = [DriverError(REFUSED)] * failures
    worker.once()
    if failures > 1:
        assert worker.resultdb.db.saved == []
        soon(worker)
    assert worker.resultdb.db.saved == ["a" * size, "b" * size, "c" * size]
    assert worker.resultdb.db.row["one"] == "c" * size and worker.unsaved == []


def test_a_result_waits_for_the_older_one_that_a_workers_own_code_has_failed_with(worker: Any) -> None:
    saved, failures = [], [OSError("away")] * 2

    def on_result(task: dict[str, Any], result: Any) -> None:
        if task["taskid"] == "one" and failures:
            raise failures.pop()
        saved.append(result)

    worker.on_result = on_result
    put(worker, "first", "second", taskid="one")
    put(worker, "another")
    worker.once()
    assert saved == ["another"]
    soon(worker)
    assert saved == ["another", "first", "second"]


def test_a_newer_result_is_saved_when_the_older_one_of_its_task_was_put_aside(worker: Any, redis: Redis) -> None:
    put(worker, REFUSED, "newer", taskid="one")
    worker.once()
    worker.unsaved[0].tries = TRIES - 1
    soon(worker)
    assert worker.resultdb.db.row == {"one": "newer"} and len(aside(redis)) == 1


def test_one_that_is_no_json_is_put_aside_at_once_behind_an_older_one_too(worker: Any, redis: Redis) -> None:
    put(worker, REFUSED, b"\xff", taskid="one")
    worker.once()
    put(worker, b"\xff", "newest", taskid="one")
    worker.once()
    worker.unsaved[0].tries = TRIES - 1
    soon(worker)
    assert worker.resultdb.db.row == {"one": "newest"} and len(aside(redis)) == 3
    assert "is no JSON" in aside(redis)[-1]


def test_what_is_no_result_holds_up_nobody(worker: Any) -> None:
    worker.inqueue.put("none")
    worker.inqueue.put([{"project": ["demo"], "taskid": "one", "url": ""}, REFUSED])
    put(worker, "good")
    worker.once()
    assert worker.resultdb.db.saved == ["good"] and len(worker.unsaved) == 2


def fails(result: Any) -> None:
    raise OSError("away")


@pytest.mark.parametrize("outcome", [none, fails])
@pytest.mark.parametrize("together", [True, False])
def test_a_worker_ends_in_time_also_where_each_result_takes_long(
    worker: Any, redis: Redis, outcome: Callable[[Any], None], together: bool
) -> None:
    asked = []

    def on_result(task: dict[str, Any], result: Any) -> None:
        asked.append(result)
        if len(asked) == 3:
            # The signal came some seconds ago.
            worker.ending.since = clock() - 2
        outcome(result)

    worker.on_result = on_result
    if not together:
        worker.group = None
    put(worker, *range(10))
    worker.run()
    assert asked == [0, 1, 2]
    worker.inqueue.store.ending.since = clock()
    hand_back(worker.inqueue)
    left = list(range(10)) if outcome is fails else list(range(3, 10))
    assert [unpack(one)[1] for one in redis.lrange("results", 0, -1)] == left
    assert redis.hlen(worker.inqueue.held) == 0 and aside(redis) == []


def test_what_failed_before_goes_back_in_order_too_when_a_worker_ends(worker: Any, redis: Redis) -> None:
    put(worker, REFUSED, "good", REFUSED)
    put(worker, "newer", taskid=str(int(unpack(redis.lindex("results", 0))[0]["taskid"])))
    worker.once()
    put(worker, "later")
    worker.ending.begin()
    worker.run()
    hand_back(worker.inqueue)
    assert [unpack(one)[1] for one in redis.lrange("results", 0, -1)] == [REFUSED, REFUSED, "newer", "later"]


def test_a_worker_that_ends_saves_what_takes_no_time(worker: Any, redis: Redis) -> None:
    put(worker, REFUSED, *range(10))
    worker.ending.begin()
    worker.once()
    assert worker.resultdb.db.saved == list(range(10)) and len(worker.unsaved) == 1
