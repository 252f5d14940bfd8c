"""The scheduler gives no message out of hand that it has not looked at, and waits for MySQL's own troubles."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis, ResponseError

from ..waiting import eventually
from .driver import DriverError
from .held import held_queue

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import together  # type: ignore[import-not-found]
from launcher.clock import clock  # type: ignore[import-not-found]
from launcher.patience import PAUSES  # type: ignore[import-not-found]


@pytest.fixture
def scheduler(launcher: Any, redis: Redis) -> Any:
    """One whose work with a status is to note it; it fails at those that are negative."""

    class Scheduler(launcher.scheduling.KeepingScheduler):  # type: ignore[misc,name-defined]
        LOOP_LIMIT = 1000

        def __init__(self) -> None:
            self.hands, self.of, self._postpone_request = [], {}, []
            self.rang = True
            self.newtask_queue, self.status_queue = (held_queue(redis, name) for name in ("new", "status"))
            self.pulse = SimpleNamespace(took=len_of, did=len_of, open=len_of, failed=len_of)
            self.heard: list[int] = []
            self.taken = 0

        def hear(self, hand: Any) -> None:
            self.heard.append(hand.message)
            if hand.message < 0:
                raise ValueError(hand.message)

        def take(self, *queues: Any) -> Any:
            found = super().take(*queues)
            self.taken += 1
            return found

        def finish(self, done: Any) -> None:
            for queue, numbers in done:
                queue.done(numbers)

    def len_of(_: Any) -> None:
        pass

    return Scheduler()


def put(queue: Any, *messages: int) -> None:
    for message in messages:
        queue.put(message)


def test_a_status_that_was_taken_before_an_error_is_heard_in_the_next_round(scheduler: Any, redis: Redis) -> None:
    messages = list(range(150))
    put(scheduler.status_queue, *messages)
    take = scheduler.take

    def once(*queues: Any) -> Any:
        found = take(*queues)
        redis.rename("status", "kept")
        redis.set("status", "no list")
        return found

    scheduler.take = once
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        scheduler._check_task_done()
    assert scheduler.taken == 1 and scheduler.heard == []
    scheduler.take = take
    redis.rename("kept", "status")
    # A round that comes no further gives nothing out of hand.
    scheduler.settle()
    assert len(scheduler.hands) == redis.hlen(scheduler.status_queue.held) == 100
    scheduler._check_task_done()
    scheduler.settle()
    assert scheduler.heard == messages
    assert scheduler.hands == [] and redis.hlen(scheduler.status_queue.held) == 0


def test_a_try_that_an_error_kept_from_its_turn_comes_in_the_next_round(scheduler: Any, redis: Redis) -> None:
    put(scheduler.status_queue, -1)
    scheduler._check_task_done()
    scheduler.settle()
    (hand,) = scheduler.hands
    assert eventually(lambda: clock() > hand.again_at)
    redis.set("new", "no list")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        scheduler._check_task_done()
    redis.delete("new")
    hand.message = 1
    scheduler._check_task_done()
    assert scheduler.heard == [-1, 1]
    scheduler.settle()
    assert scheduler.hands == []


def test_a_message_that_fails_has_the_same_time_as_everywhere_before_it_is_put_aside(
    scheduler: Any, redis: Redis
) -> None:
    put(scheduler.status_queue, -1)
    scheduler._check_task_done()
    (hand,) = scheduler.hands
    for pause in PAUSES:
        before = clock()
        scheduler.settle()
        assert before + pause <= hand.again_at <= clock() + pause
        assert scheduler.again_at == hand.again_at
        hand.error = ValueError("again")
    scheduler.settle()
    assert scheduler.hands == [] and redis.llen("status:failed") == 1


def test_a_row_that_is_refused_of_a_project_that_is_gone_breaks_nothing(scheduler: Any) -> None:
    hand, task = SimpleNamespace(error=None), {"project": "gone", "taskid": "x"}
    scheduler.all_projects, scheduler.of[id(task)] = {}, hand
    scheduler.refused(task, "insert", ValueError("1406"))
    assert isinstance(hand.error, ValueError)


def test_what_one_queue_gave_before_the_other_failed_is_taken_again(redis: Redis) -> None:
    first, second = held_queue(redis, "new"), held_queue(redis, "status")
    put(first, 1, 2)
    redis.set("status", "no list")
    for _ in range(2):
        # From the second time on each is asked by itself.
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            together.take([first, second], 100)
    redis.delete("status")
    put(first, 3)
    put(second, 4)
    found = [taken.message for _ in range(2) for several in together.take([first, second], 100) for taken in several]
    assert sorted(found) == [1, 2, 3, 4]


@pytest.mark.parametrize("errno", [None, 2003, 2013, 1021, 1026, 1030, 1040, 1047, 1053, 1077, 1180, 1205, 1927, 3168])
def test_a_trouble_of_mysql_itself_is_waited_for(launcher: Any, errno: int | None) -> None:
    assert launcher.database.lost(DriverError(errno))


@pytest.mark.parametrize("errno", [1062, 1064, 1146, 1153, 1264, 1366, 1406])
def test_an_error_of_the_statement_is_no_trouble_of_mysql(launcher: Any, errno: int) -> None:
    assert not launcher.database.lost(DriverError(errno))
