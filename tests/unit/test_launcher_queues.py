"""The launcher's queues on a real Redis: nothing is gone before its outcome is stored, nothing is put twice."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import umsgpack
from msgspec.json import decode
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fabfile.health.pulse import Pulse as Told

from .held import held_queue
from .redis_server import RedisServer, serving

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import consumer as consumers  # type: ignore[import-not-found]
from launcher import lua, queues, returning, words
from launcher.flying import flying, waiting  # type: ignore[import-not-found]
from launcher.lease import Lease  # type: ignore[import-not-found]
from launcher.life import Life  # type: ignore[import-not-found]
from launcher.patience import Ended, Ending, Store, redis_lost  # type: ignore[import-not-found]
from launcher.pulse import Pulse  # type: ignore[import-not-found]


def once(port: int) -> Redis:
    """A client as that of Python 2.7, which asks once."""
    return Redis(port=port, retry=Retry(NoBackoff(), 0))


def fill(client: Redis, count: int, name: str = "pages") -> None:
    client.rpush(name, *[umsgpack.packb(number) for number in range(count)])


def content(client: Redis, name: str = "pages") -> list[Any]:
    return [umsgpack.unpackb(message) for message in client.lrange(name, 0, -1)]


def age(client: Redis, seconds: float) -> None:
    """As if that time had passed without a sign of life, while the others looked all the time."""
    for held, until in client.zrange(lua.CONSUMERS, 0, -1, withscores=True):
        client.zadd(lua.CONSUMERS, {held: until - seconds})
    client.hset(lua.WATCH, mapping={"looked": time.time(), "since": time.time() - 100})


def test_scripts_and_the_web_ui_see_pysiders_own_queue(redis: Redis) -> None:
    pages = held_queue(redis, maxsize=2)
    with pytest.raises(queue.Empty):
        pages.get_nowait()
    with pytest.raises(queue.Empty):
        pages.get(timeout=0.1)
    pages.put({"url": "a"})
    pages.put_nowait([1, b"\xff"])
    assert (pages.qsize(), pages.full(), pages.empty()) == (2, True, False)
    assert content(redis) == [{"url": "a"}, [1, b"\xff"]]
    with pytest.raises(queue.Full):
        pages.put_nowait(3)
    with pytest.raises(queue.Full):
        pages.put(3, timeout=0.1)
    assert pages.get() == {"url": "a"}


def test_a_message_stays_in_redis_until_its_outcome_is_in_the_next_queues(redis: Redis) -> None:
    fill(redis, 3)
    pages = held_queue(redis)
    taken = pages.take(2)
    assert [one.message for one in taken] == [0, 1]
    assert redis.hlen(pages.held) == 2 and content(redis) == [2]
    outcome = [("status", b"s"), ("new", b"n1"), ("new", b"n2")]
    assert pages.commit(taken[0].number, outcome) == {"status": 1, "new": 2}
    assert redis.lrange("new", 0, -1) == [b"n1", b"n2"] and redis.lrange("status", 0, -1) == [b"s"]
    pages.done([taken[1].number])
    assert redis.hlen(pages.held) == 0


def test_the_same_outcome_told_twice_is_put_once(redis: Redis) -> None:
    """An answer that is lost on its way is asked for again."""
    fill(redis, 1)
    pages = held_queue(redis)
    (taken,) = pages.take()
    assert pages.commit(taken.number, [("next", b"x")]) == {"next": 1}
    assert pages.commit(taken.number, [("next", b"x")]) is None
    assert redis.lrange("next", 0, -1) == [b"x"]


def test_a_consumer_that_was_given_up_and_wakes_up_puts_nothing_twice(redis: Redis) -> None:
    fill(redis, 1)
    asleep, other = held_queue(redis), held_queue(redis, consumer="h/q/4.5.6")
    (taken,) = asleep.take()
    age(redis, 20)
    assert returning.give_back_silent(other.scripts) == [asleep.held]
    (again,) = other.take()
    assert other.commit(again.number, [("next", b"other")]) == {"next": 1}
    assert asleep.commit(taken.number, [("next", b"asleep")]) is None
    assert redis.lrange("next", 0, -1) == [b"other"]


def test_only_the_messages_of_the_silent_one_come_back_at_the_head_in_order(redis: Redis) -> None:
    fill(redis, 400)
    dead, alive = held_queue(redis), held_queue(redis, consumer="h/q/4.5.6")
    dead.take(250)
    alive.take(50)
    age(redis, 20)
    alive.scripts.beat(args=[queues.SILENCE, alive.held])
    assert returning.give_back_silent(alive.scripts) == [dead.held]
    assert content(redis) == [*range(250), *range(300, 400)]
    assert redis.hlen(alive.held) == 50
    assert redis.zrange(lua.CONSUMERS, 0, -1) == [alive.held.encode()]


def test_a_busy_processor_is_believed_for_longer(redis: Redis) -> None:
    fill(redis, 1)
    busy = held_queue(redis)
    busy.take(1, busy=30)
    age(redis, 40)
    assert returning.give_back_silent(busy.scripts) == []
    age(redis, 10)
    assert returning.give_back_silent(busy.scripts) == [busy.held]


def test_after_redis_was_away_all_consumers_have_their_time_anew(redis: Redis) -> None:
    fill(redis, 1)
    pages = held_queue(redis)
    pages.take()
    age(redis, 3600)
    redis.hset(lua.WATCH, "looked", time.time() - 3600)
    assert returning.give_back_silent(pages.scripts) == []
    redis.hset(lua.WATCH, mapping={"looked": time.time(), "since": time.time() - 16})
    assert returning.give_back_silent(pages.scripts) == [pages.held]


def test_a_clock_that_was_set_back_keeps_no_dead_consumer_for_hours(redis: Redis) -> None:
    fill(redis, 1)
    pages = held_queue(redis)
    pages.take()
    redis.hset(lua.WATCH, mapping={"looked": time.time() + 7200, "since": time.time()})
    redis.zadd(lua.CONSUMERS, {pages.held: time.time() + 7200})
    assert returning.give_back_silent(pages.scripts) == []
    assert redis.zscore(lua.CONSUMERS, pages.held) < time.time() + 20


def test_one_of_many_that_look_gives_back(running: RedisServer, redis: Redis) -> None:
    fill(redis, 1000)
    held_queue(redis).take(1000)
    age(redis, 20)
    looks = [queues.Scripts(Redis(port=running.port)) for _ in range(8)]
    threads = [threading.Thread(target=returning.give_back_silent, args=(look,)) for look in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(content(redis)) == list(range(1000))


def test_an_answer_that_was_lost_loses_no_message(redis: Redis) -> None:
    """Redis has moved the messages, and the connection broke before they arrived."""
    fill(redis, 5)
    pages = held_queue(redis)
    first = pages.take(1)
    assert pages.scripts.take(keys=["pages", pages.held], args=["", 2, 15, 2, ""])  # never heard of
    pages.unsure = True
    found = pages.take(2)
    assert [one.message for one in found] == [1, 2]
    assert [one.message for one in pages.take(9)] == [3, 4]
    numbers = [one.number for one in first + found]
    assert numbers == [1, 2, 3] and redis.hlen(pages.held) == 5


def test_a_question_that_arrives_late_takes_nothing(redis: Redis) -> None:
    """It was cut off on its way, and its asker has asked again since: nobody would know what it took."""
    fill(redis, 9)
    pages = held_queue(redis)
    (first,) = pages.take(1)
    late = ["", 2, 15, pages.numbers, pages.epoch]
    pages.unsure = True
    assert pages.take(1)[0].message == 1
    pages.scripts.take(keys=["pages", pages.held], args=late)
    pages.scripts.commit(keys=["pages", pages.held, "staged"], args=[50, 2, 15, late[-1], first.number, 0])
    assert redis.hlen(pages.held) == 1 and content(redis) == [2, 3, 4, 5, 6, 7, 8]
    redis.delete(pages.held + queues.EPOCH)
    assert [one.message for one in (*pages.take(1), *pages.take(1))] == [2] and not pages.unsure
    returning.hand_back(pages)
    assert not redis.exists(pages.held + queues.EPOCH)


@pytest.mark.parametrize("count", [1, 9000])
def test_an_outcome_of_any_size_arrives_whole(redis: Redis, count: int) -> None:
    fill(redis, 1)
    pages = held_queue(redis)
    (taken,) = pages.take()
    big = b"x" * (20_000_000 if count == 1 else 3000)
    outcome = [("next", b"%d " % number + big) for number in range(count)] + [("status", b"s")]
    assert pages.commit(taken.number, outcome) == {"next": count, "status": 1}
    assert [message.split()[0] for message in redis.lrange("next", 0, -1)] == [b"%d" % n for n in range(count)]
    assert redis.keys("*staged*") == []


def test_several_outcomes_go_in_one_question_and_only_those_that_are_still_held(redis: Redis) -> None:
    fill(redis, 3)
    pages = held_queue(redis)
    first, second, third = pages.take(3)
    pages.done([second.number])
    pages.commit_each([(one.number, [("next", b"%d" % one.message)]) for one in (first, second, third)])
    assert redis.lrange("next", 0, -1) == [b"0", b"2"] and redis.hlen(pages.held) == 0 and not pages.mine


def test_a_large_outcome_of_a_message_that_is_held_no_more_leaves_nothing(redis: Redis) -> None:
    fill(redis, 1)
    pages = held_queue(redis)
    (taken,) = pages.take()
    redis.delete(pages.held)
    assert pages.commit(taken.number, [("next", b"x" * 5_000_000)] * 3) is None
    assert redis.keys("*") == [lua.CONSUMERS.encode()]


def test_what_nobody_can_read_is_put_aside_with_its_error(redis: Redis) -> None:
    redis.rpush("pages", b"\xc1 no message", umsgpack.packb("fine"))
    pages = held_queue(redis)
    assert [one.message for one in pages.take(5)] == ["fine"]
    (aside,) = redis.lrange("pages:failed", 0, -1)
    error, _, message = aside.partition(b"\n")
    assert error.startswith(b"it can't be read: ") and message == b"\xc1 no message"


def test_a_message_that_ends_each_of_its_consumers_is_put_aside(redis: Redis) -> None:
    fill(redis, 2)
    for turn in range(5):
        pages = held_queue(redis, consumer=f"h/p/{turn}.2.3")
        assert [one.message for one in pages.take()] == [0]
        returning.give_back(pages.scripts, pages.held, "gone")
    assert content(redis) == [1]
    (aside,) = redis.lrange("pages:failed", 0, -1)
    assert aside.startswith(b"5 consumers ended with it, or 20 that had more in their hands\n")
    assert redis.keys("*:ends:*") == []


def test_a_message_that_ends_its_consumers_among_others_is_put_aside_at_last_and_alone(redis: Redis) -> None:
    """The first of those that saw all ends; what comes and goes beside it has seen fewer."""
    fill(redis, 30)
    for turn in range(20):
        assert redis.llen("pages:failed") == 0
        pages = held_queue(redis, consumer=f"h/p/{turn}.2.3")
        taken = pages.take(5)
        assert taken[0].message == 0
        pages.done([taken[1].number])
        returning.give_back(pages.scripts, pages.held, "gone")
    (aside,) = redis.lrange("pages:failed", 0, -1)
    assert umsgpack.unpackb(aside.partition(b"\n")[2]) == 0
    assert content(redis) == list(range(21, 30))


def test_the_last_of_many_that_go_back_in_parts_was_not_alone(redis: Redis) -> None:
    fill(redis, 101)
    for turn in range(6):
        pages = held_queue(redis, consumer=f"h/p/{turn}.2.3")
        assert len(pages.take(101)) == 101
        returning.give_back(pages.scripts, pages.held, "gone")
    assert content(redis) == list(range(101)) and redis.llen("pages:failed") == 0


def test_no_end_of_a_scheduler_is_the_fault_of_one_of_its_many_messages(redis: Redis) -> None:
    redis.rpush("status_queue", *[umsgpack.packb(number) for number in range(3)])
    for turn in range(25):
        queue = held_queue(redis, "status_queue", consumer=f"h/p/{turn}.2.3")
        assert len(queue.take(3)) == 3
        returning.give_back(queue.scripts, queue.held, "gone")
    assert redis.llen("status_queue") == 3 and redis.keys("*:ends:*") == []


def test_an_end_that_was_asked_for_hands_all_back_and_is_no_death(redis: Redis) -> None:
    fill(redis, 3)
    for turn in range(7):
        pages = held_queue(redis, consumer=f"h/p/{turn}.2.3")
        pages.take(1 + turn % 3)
        returning.hand_back(pages)
        assert content(redis) == [0, 1, 2]
    assert set(redis.keys("*")) == {b"pages", b"pages:bell"}


def test_what_a_process_of_this_host_held_comes_back_as_soon_as_it_has_ended(redis: Redis) -> None:
    fill(redis, 3)
    child = subprocess.Popen(["sleep", "60"])
    mine = consumers.here()
    theirs = f"{mine.partition('/')[0]}/p/{consumers.process(child.pid)}"
    held_queue(redis, consumer=theirs).take()
    held_queue(redis, consumer=f"elsewhere/p/{child.pid}.1.2").take()
    scripts = queues.Scripts(redis)
    assert returning.give_back_gone(redis, scripts, mine) == []
    child.kill()
    assert consumers.gone(theirs, mine) is False or child.wait() is not None
    child.wait()
    assert returning.give_back_gone(redis, scripts, mine) == [f"pages:held:{theirs}"]
    assert content(redis) == [0, 2]


def test_redis_that_is_away_is_waited_for_and_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path) as server:
        pages = held_queue(once(server.port))
        pages.put("a")
        time.sleep(1.1)  # as long as appendfsync may take
        server.end()
        starter = threading.Timer(1.5, server.start)
        starter.start()
        assert [one.message for one in pages.take()] == ["a"]
        starter.join()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and said[0].startswith("Redis is away (") and said[1].startswith("Redis answers again, after")


def test_a_process_that_is_to_end_waits_for_no_store() -> None:
    ending = Ending()
    pages = queues.HeldQueue("pages", once(1), "h/p/1.2.3", Store("Redis", redis_lost, ending))
    ending.begin()
    begun = time.monotonic()
    with pytest.raises(Ended):
        pages.take()
    assert time.monotonic() - begun < 3


def lease(client: Redis, token: str) -> Any:
    return Lease(client, queues.Scripts(client), token)


def test_one_scheduler_holds_the_lease(redis: Redis) -> None:
    one, two = lease(redis, "a/scheduler/1.1.1"), lease(redis, "b/scheduler/1.1.1")
    assert one.renew() is None
    assert two._hold("take") == ("held", "a/scheduler/1.1.1")
    one.release()
    assert two._hold("take") == ("mine", "b/scheduler/1.1.1")
    assert one.renew() == "b/scheduler/1.1.1"


def test_a_lease_that_ran_out_goes_on_unless_another_had_it_since(redis: Redis) -> None:
    one, two = lease(redis, "a/scheduler/1.1.1"), lease(redis, "b/scheduler/1.1.1")
    assert one._hold("take")[0] == "mine"
    assert 10_000 < redis.pttl(lua.LEASE) <= 15_000
    redis.delete(lua.LEASE)
    assert one.renew() is None
    redis.delete(lua.LEASE)
    assert two._hold("take")[0] == "mine"
    two.release()
    assert one.renew() == "b/scheduler/1.1.1"


def test_pushes_and_takes_of_a_scheduler_without_its_lease_are_refused(redis: Redis) -> None:
    one, two = lease(redis, "a/scheduler/1.1.1"), lease(redis, "b/scheduler/1.1.1")
    tasks = held_queue(redis, "scheduler2fetcher")
    tasks.token = one.token
    one._hold("take")
    tasks.put(1)
    redis.delete(lua.LEASE)
    two._hold("take")
    for act in (lambda: tasks.put(2), tasks.take):
        with pytest.raises(queues.LeaseLost):
            act()
    assert content(redis, "scheduler2fetcher") == [1]


def test_a_lease_that_ran_out_while_redis_was_away_stops_no_scheduler(redis: Redis) -> None:
    one = lease(redis, "a/scheduler/1.1.1")
    tasks = held_queue(redis, "scheduler2fetcher")
    tasks.token, tasks.regain = one.token, one.regain
    one._hold("take")
    redis.delete(lua.LEASE)
    tasks.put(1)
    redis.delete(lua.LEASE)
    assert [taken.message for taken in tasks.take()] == [1]


def test_the_place_of_the_scheduler_keeps_all_others_waiting(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    redis.set(lua.HOME, "b")
    ending = Ending()
    one = lease(redis, "a/scheduler/1.1.1")
    store = Store("Redis", redis_lost, ending)
    threading.Timer(1.5, ending.begin).start()
    with pytest.raises(Ended):
        one.acquire(store)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["the scheduler's place is b, not a: this one waits and does nothing"]
    assert lease(redis, "b/scheduler/1.1.1")._hold("take")[0] == "mine"


def test_a_scheduler_that_was_killed_is_followed_by_its_next_start_at_once(redis: Redis) -> None:
    child = subprocess.Popen(["sleep", "60"])
    host, own = consumers.here().split("/")[0], consumers.process(os.getpid())
    dead = f"{host}/scheduler/{consumers.process(child.pid)}"
    assert lease(redis, dead)._hold("take")[0] == "mine"
    next_one = lease(redis, f"{host}/scheduler/{own}")
    assert next_one._hold("take") == ("held", dead)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert next_one._hold("take")[0] == "mine"


def test_a_process_tells_what_it_does_and_keeps_its_messages(redis: Redis) -> None:
    fill(redis, 2)
    pages = held_queue(redis)
    pulse = Pulse("processor", "h/p/1.2.3")
    life = Life(redis, "h/p/1.2.3", pulse)
    life.held.append(pages.held)
    pulse.took(len(pages.take(2)))
    pulse.did()
    pulse.failed(ValueError("a\nb"))
    before = redis.zscore(lua.CONSUMERS, pages.held)
    life.once()
    assert redis.zscore(lua.CONSUMERS, pages.held) >= before
    told = json.loads(redis.hget(lua.PULSE, "h/p"))
    counts = (told["role"], told["taken"], told["done"], told["failed"], told["last_error"])
    assert counts == ("processor", 2, 1, 1, "a b")
    life.end()
    life.forget()
    assert not redis.exists(lua.PULSE)


def test_a_process_that_waits_for_a_store_tells_for_how_long_and_why() -> None:
    store, pulse = Store("MySQL", redis_lost, Ending()), Pulse("processor", "h/p/1.2.3")
    pulse.stores.append(store)
    store.away(OSError("no\nway"))
    store.away_since -= 40
    told = decode(pulse.text(), type=Told)
    (one,) = told.waits
    assert (told.away, one.store, one.error) == (("MySQL",), "MySQL", "no way") and 40 <= one.seconds < 45
    store.back()
    assert decode(pulse.text(), type=Told).waits == ()


def page(number: int) -> bytes:
    packed: bytes = umsgpack.packb(
        ({"project": "shop", "taskid": f"t{number}", "url": "u"}, {"content": b"\xff" * 100})
    )
    return packed


def test_what_is_on_its_way_is_found_in_queues_in_hands_and_aside(redis: Redis) -> None:
    redis.rpush("fetcher2processor", *map(page, range(50)))
    pages = held_queue(redis, "fetcher2processor")
    (first, *_) = pages.take(7)
    pages.fail(first.number, ValueError("no"))
    redis.rpush("scheduler2fetcher", umsgpack.packb({"project": "shop", "taskid": "t50"}), b"\xc1")
    redis.rpush("status_queue", umsgpack.packb({"project": "news", "taskid": "t1"}))
    assert flying(redis) == {"shop": {f"t{number}" for number in range(51)}, "news": {"t1"}}


def test_what_moves_on_while_it_is_looked_for_is_found_as_well(redis: Redis) -> None:
    """Consumers take at the head: places counted from there would be others at the next look."""
    redis.rpush("fetcher2processor", *map(page, range(100)))
    pages = held_queue(redis, "fetcher2processor")
    seen = waiting(redis, "fetcher2processor")
    found = [next(seen) for _ in range(5)]
    pages.take(30)
    found += seen
    assert set(map(page, range(30, 100))) <= set(found)


def test_an_error_without_words_is_told_by_its_kind() -> None:
    assert [words.one_line(one) for one in (NotImplementedError(), ValueError("a\nb"))] == [
        "NotImplementedError",
        "a b",
    ]
