"""Consumers that find nothing wait, and wake at once: on a real Redis, without asking again and again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import umsgpack
from redis import Redis, ResponseError, TimeoutError

from ..waiting import eventually
from .held import held_queue
from .redis_server import RedisServer, serving

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import lua, queues, returning, together  # type: ignore[import-not-found]
from launcher.blocking import Bells, Waker, readable  # type: ignore[import-not-found]
from launcher.patience import Ending, Store, redis_lost  # type: ignore[import-not-found]

# The hosts' redis-py wants the name of the command that the one of the tests has no use for.
pytestmark = pytest.mark.filterwarnings("ignore:Call to 'get_connection'")

AT_ONCE = 0.6
"""Seconds: less than the second after which a consumer looks by itself."""


def packed(*numbers: int) -> list[bytes]:
    return [umsgpack.packb(number) for number in numbers]


@contextmanager
def waiting(queue: Any, wait: Callable[[], Any]) -> Iterator[list[float]]:
    """Another thread waits at a queue; the seconds that it has waited, at the end."""
    waited: list[float] = []

    def work() -> None:
        begun = time.monotonic()
        wait()
        waited.append(time.monotonic() - begun)

    thread = threading.Thread(target=work)
    thread.start()
    assert eventually(lambda: queue.bells.asked_at or queue.room.asked_at)
    yield waited
    thread.join(10)


def by_put(queue: Any) -> None:
    queue.put("x")


def by_outcome(queue: Any) -> None:
    source = held_queue(queue.redis, "tasks", "h/f/1.2.3")
    source.put("x")
    source.commit_each([(taken.number, [("pages", packed(1)[0])]) for taken in source.take()])


def by_return(queue: Any) -> None:
    other = held_queue(queue.redis, consumer="h/q/9.9.9")
    queue.redis.rpush("pages", *packed(1))
    assert other.take()
    returning.give_back(other.scripts, other.held, "gone")


@pytest.mark.parametrize("arrives", [by_put, by_outcome, by_return])
def test_a_message_wakes_a_waiting_consumer_at_once(redis: Redis, arrives: Callable[[Any], None]) -> None:
    pages = held_queue(redis)
    found: list[Any] = []
    with waiting(pages, lambda: found.extend(pages.next())) as waited:
        arrives(held_queue(redis, consumer="h/other/1.1.1"))
    assert waited[0] < AT_ONCE
    assert len(found) == 1


def test_one_message_wakes_one_consumer_and_what_it_leaves_wakes_the_next(running: RedisServer, redis: Redis) -> None:
    several = [held_queue(Redis(port=running.port), consumer=f"h/p{number}/1.2.3") for number in range(3)]
    woken: list[str] = []
    found: list[Any] = []

    def work(pages: Any) -> None:
        if pages.store.ask(lambda: pages.bells.wait(0.9)):
            woken.append(pages.held)
            found.extend(pages.take(1))

    threads = [threading.Thread(target=work, args=(pages,)) for pages in several]
    for thread in threads:
        thread.start()
    assert eventually(lambda: redis.info("clients")["blocked_clients"] == 3)
    several[0].put_packed(packed(1, 2))
    for thread in threads:
        thread.join()
    assert len(woken) == 2 and sorted(taken.message for taken in found) == [1, 2]


def test_programs_that_ring_no_bell_are_heard_within_a_second(redis: Redis) -> None:
    """A release of before, and a script with a client of its own."""
    pages = held_queue(redis)
    found: list[Any] = []

    def until_found() -> None:
        while not found:
            found.extend(pages.next())

    with waiting(pages, until_found) as waited:
        redis.rpush("pages", *packed(1))
    assert waited[0] < 2
    assert [taken.message for taken in found] == [1]


def test_an_empty_list_leaves_no_bell_that_would_wake_for_nothing(redis: Redis) -> None:
    pages = held_queue(redis)
    pages.put("x")
    assert redis.exists("pages" + lua.BELL)
    assert len(pages.take(5)) == 1
    assert not redis.exists("pages" + lua.BELL)


def test_room_in_a_full_list_wakes_who_waits_for_it(redis: Redis) -> None:
    full, consumer = held_queue(redis, maxsize=2), held_queue(redis, consumer="h/q/1.1.1")
    full.put_packed(packed(1, 2))
    assert not full.wait_for_room()
    rooms: list[bool] = []
    with waiting(full, lambda: rooms.append(full.wait_for_room())) as waited:
        consumer.take(1)
    assert rooms == [True] and waited[0] < queues.ROOM_SECONDS


def test_an_end_brings_the_next_message_in_the_same_question(redis: Redis) -> None:
    pages = held_queue(redis)
    pages.put_packed(packed(1, 2, 3))
    (first,) = pages.take()
    lengths, (second,) = pages.commit_and_take(first.number, [("next", b"x")], 1)
    assert lengths == {"next": 1} and second.message == 2
    lengths, rest = pages.commit_each([(second.number, [("next", b"y")])], 5)
    assert lengths == {"next": 2} and [taken.message for taken in rest] == [3]
    assert redis.hlen(pages.held) == 1


def test_what_came_with_an_answer_that_was_lost_is_found_by_the_next_take(redis: Redis) -> None:
    pages = held_queue(redis)
    pages.put_packed(packed(1, 2, 3))
    (first,) = pages.take()
    asked, lost = pages.scripts.commit, iter([ConnectionError])

    def losing(**words: Any) -> Any:
        answer = asked(**words)
        for error in lost:
            raise error("the answer was lost")
        return answer

    pages.scripts.commit = losing
    pages.store.lost = lambda error: isinstance(error, ConnectionError)
    lengths, taken = pages.commit_and_take(first.number, [("next", b"x")], 1)
    assert lengths is None and taken == [] and redis.llen("next") == 1
    assert [one.message for one in pages.take(5)] == [2]
    assert [one.message for one in pages.take(5)] == [3]


def test_a_list_that_was_found_empty_is_looked_at_again_when_it_has_rung(redis: Redis) -> None:
    pages = held_queue(redis)
    assert pages.next(seconds=0.01) == []
    asked = redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    assert pages.next(seconds=0.01) == []
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == asked
    pages.put("x")
    assert [taken.message for taken in pages.next(seconds=AT_ONCE)] == ["x"]


def test_a_round_takes_from_several_lists_and_ends_with_one_question(redis: Redis) -> None:
    new, status = held_queue(redis, "new"), held_queue(redis, "status")
    out = held_queue(redis, "out")
    # Redis knows the scripts from here on.
    together.finish(out, [], list(zip((new, status), together.take((new, status), 1), strict=True)))
    for queue, count in ((new, 3), (status, 1)):
        queue.put_packed(packed(*range(count)))
    before = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    found, told = together.take((new, status), 2)
    assert [one.message for one in found] == [0, 1] and [one.message for one in told] == [0]
    together.finish(out, packed(7, 8), [(new, [found[0].number]), (status, [told[0].number])])
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 2
    assert out.last_qsize == redis.llen("out") == 2 and out.take()[0].message == 7
    assert redis.hvals(new.held) == packed(1) and redis.hlen(status.held) == 0
    assert new.mine == {found[1].number} and not status.mine


def test_what_was_taken_from_several_lists_and_not_heard_of_is_found_again(redis: Redis) -> None:
    new, status = held_queue(redis, "new"), held_queue(redis, "status")
    new.put("n")
    status.put("s")
    args = ["", 5, 15, new.numbers, "", status.numbers, ""]
    new.scripts.take(keys=["new", new.held, "status", status.held], args=args)
    new.unsure = status.unsure = True
    assert [[one.message for one in part] for part in together.take((new, status), 5)] == [["n"], ["s"]]
    assert together.take((new, status), 5) == [[], []]


def test_a_scheduler_without_its_lease_takes_and_ends_nothing(redis: Redis) -> None:
    new, out = held_queue(redis, "new"), held_queue(redis, "out")
    new.put("n")
    (taken,) = new.take()
    new.token = out.token = "another"
    for act in (lambda: together.take((new,), 5), lambda: together.finish(out, packed(1), [(new, [taken.number])])):
        with pytest.raises(queues.LeaseLost):
            act()
    assert redis.llen("out") == 0 and redis.hlen(new.held) == 1


def test_another_thread_ends_a_wait(redis: Redis) -> None:
    waker, bells = Waker(), Bells(redis, ["pages" + lua.BELL])
    threading.Timer(0.1, waker.wake).start()
    begun = time.monotonic()
    assert bells.wait(0.9, waker) is False
    assert time.monotonic() - begun < AT_ONCE
    waker.wake()
    waker.wake()
    assert readable([], 0.5, waker) == [] and time.monotonic() - begun < 2 * AT_ONCE
    bells.drop()


def test_a_bell_that_redis_can_t_ring_any_more_raises_what_a_store_waits_for(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        bells = Bells(Redis(port=server.port), ["pages" + lua.BELL])
        assert bells.wait(0.01) is False
        server.end(signal.SIGKILL)
        with pytest.raises(Exception) as raised:
            bells.wait(1)
        assert redis_lost(raised.value)
        server.start()
        held_queue(server.client).put("x")
        assert bells.wait(1) is True
        bells.drop()


def test_an_answer_that_does_not_come_is_not_waited_for_any_longer(running: RedisServer, redis: Redis) -> None:
    """Over a cable that was cut for a while: the connection is dead, and does not say so."""
    bells = Bells(redis, ["pages" + lua.BELL])
    assert bells.wait(0.01) is False
    bells.asked_at -= 60
    running.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            bells.wait(0.01)
        assert time.monotonic() - begun < AT_ONCE
    finally:
        running.process.send_signal(signal.SIGCONT)
    assert bells.connection is None
    held_queue(redis).put("x")
    assert bells.wait(AT_ONCE) is True
    bells.drop()


IN_SCRIPT = "Error running script (call to f_4b04b1f3c0ab8b5b4e5ccbc6f80f2ac1ba3f1f3a): @user_script:12: "
"""The beginning of what Redis before 7 says of a script, of which the client takes no more than `ERR` away."""


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", True),
        (IN_SCRIPT + "@user_script: 12: -MISCONF Redis is configured to save RDB snapshots, but it is not", True),
        (IN_SCRIPT + "@user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.", True),
        (IN_SCRIPT + "@user_script: 12: -READONLY You can't write against a read only replica.", True),
        (IN_SCRIPT + "-NOREPLICAS Not enough good replicas to write.", True),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", True),
        (IN_SCRIPT + "@user_script: 12: Unknown Redis command called from Lua script", False),
        (IN_SCRIPT + "WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("BUSYGROUP Consumer Group name already exists", False),
        ("wrong number of arguments for 'llen' command", False),
    ],
)
def test_a_redis_that_can_t_serve_is_known_by_its_word_also_within_a_scripts_error(told: str, lost: bool) -> None:
    assert redis_lost(ResponseError(told)) is lost


@pytest.mark.parametrize(
    "setting",
    [("maxmemory", "1"), ("min-replicas-to-write", "3"), ("replicaof", "127.0.0.1 1")],
    ids=lambda one: one[0],
)
def test_programs_wait_for_a_redis_that_takes_nothing_from_their_scripts(
    tmp_path: Path, setting: tuple[str, str]
) -> None:
    name, value = setting
    with serving(tmp_path) as server:
        pages = held_queue(server.client)
        if name == "replicaof":
            server.client.replicaof(*value.split())
        else:
            server.client.config_set(name, value)
        for act in (lambda: pages.scripts.beat(args=[60, pages.held]), lambda: pages.put_packed(packed(1))):
            pages.store.patient = False
            with pytest.raises(ResponseError) as raised:
                act()
            assert redis_lost(raised.value), raised.value


def test_a_store_that_answers_with_another_error_is_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store, answers = Store("MySQL", lambda error: isinstance(error, OSError), Ending()), [OSError("cut"), ValueError()]
    monkeypatch.setattr(store, "wait", lambda _: None)

    def question() -> None:
        raise answers.pop(0)

    with pytest.raises(ValueError):
        store.ask(question)
    assert store.away_since is None and not store.refusal
