"""The judgement of programs that have just started, and what becomes of messages at which they failed."""

from __future__ import annotations

import shlex
import socket
from typing import Any

import pytest

from fabfile.errors import Problem
from fabfile.health.aside import MOST, put_back, taken_back
from fabfile.health.pulse import KEY, Pulse
from fabfile.health.trial import Heard, heard, judged

from . import simulated
from .redis_server import RedisServer

server = simulated.server

NAME = "node2/processor1"
QUEUE = "fetcher2processor"


def pulse(**more: Any) -> Pulse:
    return Pulse(**{"pid": 7, "role": "processor", "at": 109, "asked_at": 108, "began": 100, "state": "works"} | more)


def kind(found: Pulse | None, waiting: int = 0, others: tuple[Pulse, ...] = (), **more: Any) -> str:
    by = Heard({NAME: found} if found else {}, {QUEUE: waiting}, **more)
    return judged(NAME, "processor", 7, by, others).kind


@pytest.mark.parametrize(
    ("more", "waiting", "wanted"),
    [
        ({}, 0, "well"),
        ({}, 3, "open"),
        ({"taken": 3, "done": 2, "open": 1}, 9, "well"),
        ({"taken": 3, "done": 2, "failed": 2}, 9, "well"),
        ({"taken": 1, "open": 1}, 0, "open"),
        ({"taken": 1, "failed": 2}, 0, "open"),
        ({"taken": 9, "failed": 45, "done": 1}, 0, "open"),
        ({"taken": 1, "failed": 5}, 0, "failed"),
        ({"pid": 6, "taken": 3, "done": 3}, 0, "open"),
        ({"state": "waits for its stores"}, 0, "open"),
        ({"state": "waits for the lease"}, 0, "open"),
        ({"asked_at": 100.00001}, 0, "open"),
        ({"away": ("MySQL",)}, 0, "open"),
        ({"refused": ("no right",)}, 0, "open"),
    ],
)
def test_a_program_is_well_once_it_has_asked_and_done_what_there_was(more: Any, waiting: int, wanted: str) -> None:
    assert kind(pulse(**more), waiting) == wanted


def test_a_program_without_a_word_is_not_well() -> None:
    assert kind(None) == "open"
    assert kind(None, problem="Redis did not answer within 5 s") == "unknown"


def test_a_store_that_is_away_for_all_is_no_fault_of_the_release() -> None:
    other = pulse(away=("MySQL",))
    assert kind(pulse(away=("MySQL",)), others=(other,)) == "unknown"
    assert kind(pulse(away=("MySQL", "Redis")), others=(other,)) == "open"
    assert kind(pulse(away=("MySQL",)), others=(pulse(),)) == "open"


def test_the_reason_holds_the_programs_own_last_error() -> None:
    by = Heard({NAME: pulse(taken=1, failed=5, last_error="KeyError: 'x'")}, {})
    assert judged(NAME, "processor", 7, by, ()).why == "all its messages failed, the last with: KeyError: 'x'"


def test_a_role_without_a_pulse_is_judged_by_others() -> None:
    assert judged("node1/webui1", "webui", 7, Heard(), ()).kind == "well"


def test_messages_that_a_broken_release_put_aside_go_back_in_their_order(server: RedisServer) -> None:
    client = server.client
    client.flushall()
    client.rpush(QUEUE, b"waiting")
    client.rpush(QUEUE + ":failed", b"long ago\nold\xff")
    kept = heard(lambda: dial(server), None, 0, [QUEUE]).lengths
    assert kept == {QUEUE: 1, QUEUE + ":failed": 1}
    messages = [b"%05d\n\xff" % number for number in range(MOST + 5)]
    client.rpush(QUEUE + ":failed", *(b"KeyError: 'x'\n" + one for one in messages))
    back = taken_back(lambda: dial(server), None, 0, {QUEUE: 1, "status_queue": 0})
    assert back == {QUEUE: MOST + 5}
    assert client.lrange(QUEUE, 0, -1) == [*messages, b"waiting"]
    assert client.lrange(QUEUE + ":failed", 0, -1) == [b"long ago\nold\xff"]
    assert taken_back(lambda: dial(server), None, 0, {QUEUE: 1}) == {}
    # Somebody has emptied the list meanwhile.
    client.delete(QUEUE + ":failed")
    assert taken_back(lambda: dial(server), None, 0, {QUEUE: 1}) == {}


def test_the_line_that_is_told_puts_all_back_in_order_and_says_how_many(server: RedisServer) -> None:
    client = server.client
    client.flushall()
    client.rpush(QUEUE, b"waiting")
    client.rpush(QUEUE + ":failed", b"KeyError: 'x'\n1\n\xff", b"2", b"1406 (22001): Data too long\n3")
    command = shlex.split(put_back(QUEUE))
    assert client.execute_command(*command) == 3
    assert client.lrange(QUEUE, 0, -1) == [b"1\n\xff", b"2", b"3", b"waiting"]
    assert not client.exists(QUEUE + ":failed")
    assert client.execute_command(*command) == 0


def test_pulses_are_heard_and_a_silent_redis_is_told(server: RedisServer) -> None:
    server.client.hset(KEY, NAME, '{"pid": 7, "role": "processor", "at": 9.5, "asked_at": 9, "began": 3, "done": 2}')
    found = heard(lambda: dial(server), None, 0, [])
    assert found.pulses[NAME].done == 2

    def nobody() -> socket.socket:
        raise Problem("no host of the cluster can be reached, so nothing can be said about it")

    assert "no host of the cluster" in heard(nobody, None, 0, []).problem


def dial(server: RedisServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 5)
