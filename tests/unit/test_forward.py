"""A port of this machine that leads somewhere else: what goes through, and what is told where nothing does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.ssh.forward import Forward


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends back what it gets, until it gets nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    def answer(one: socket.socket) -> None:
        with one:
            while data := one.recv(1 << 16):
                one.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def forwarded(opener: Any, port: int = 0, exactly: bool = False) -> Iterator[Forward]:
    one = Forward(opener, port, exactly)
    one.begin()
    try:
        yield one
    finally:
        one.close()


def received(one: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := one.recv(1 << 16)):
        data += more
    return data


def test_bytes_go_both_ways_over_many_connections_at_once() -> None:
    with echo() as port, forwarded(lambda: socket.create_connection(("127.0.0.1", port))) as forward:
        every = [socket.create_connection(("127.0.0.1", forward.port), 10) for _ in range(20)]
        for number, one in enumerate(every):
            one.sendall(bytes([number]) * 100_000)
        for number, one in enumerate(every):
            assert received(one, 100_000) == bytes([number]) * 100_000
            one.close()


def test_nobody_else_than_this_machine_can_come_in() -> None:
    with forwarded(lambda: None) as forward:
        assert forward._listener.getsockname()[0] == "127.0.0.1"


def test_a_host_that_is_away_is_told_in_the_browser() -> None:
    def away() -> Any:
        raise Problem("node1 is away")

    with forwarded(away) as forward, closing(socket.create_connection(("127.0.0.1", forward.port), 10)) as one:
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert received(one, 1 << 20).startswith(b"HTTP/1.1 503 ")


def test_what_was_cut_ends_here_as_well_and_a_new_connection_goes_through() -> None:
    with echo() as port, forwarded(lambda: socket.create_connection(("127.0.0.1", port))) as forward:
        with closing(socket.create_connection(("127.0.0.1", forward.port), 10)) as one:
            one.sendall(b"a")
            assert received(one, 1) == b"a"
            forward.cut()
            assert received(one, 1) == b""
        with closing(socket.create_connection(("127.0.0.1", forward.port), 10)) as one:
            one.sendall(b"b")
            assert received(one, 1) == b"b"


def test_another_port_is_taken_where_none_was_asked_for() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        with forwarded(lambda: None, taken) as forward:
            assert forward.port != taken
        with pytest.raises(WrongInput, match=f"--port {taken}: it can't be used here"):
            Forward(lambda: None, taken, exactly=True)
