"""A port of this machine's loopback that leads to an address as a host sees it, over the link to that host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import Problem, WrongInput, reason

CHUNK = 1 << 16
_AWAY = b"""\
HTTP/1.1 503 Service Unavailable\r
Content-Type: text/html; charset=utf-8\r
Cache-Control: no-store\r
Connection: close\r
\r
<!doctype html><meta http-equiv="refresh" content="3"><title>away</title>
<p>The host can't be reached right now. This page looks again every three seconds.
"""


class Forward:
    """Takes connections at a port of 127.0.0.1, each with a tunnel of its own."""

    def __init__(self, open_tunnel: Callable[[], Any], port: int, exactly: bool = False) -> None:
        """`open_tunnel` raises Problem. Another port is taken where `port` is another's, unless `exactly`.

        Raises WrongInput where that port can't be had.
        """
        self._open_tunnel = open_tunnel
        self._listener = _listening(port, exactly)
        self._lock = threading.Lock()
        self._open: set[Any] = set()

    @property
    def port(self) -> int:
        """The port of 127.0.0.1."""
        number: int = self._listener.getsockname()[1]
        return number

    def begin(self) -> None:
        """Take connections from now on, in threads of its own."""
        threading.Thread(target=self._serve, daemon=True, name="forward").start()

    def close(self) -> None:
        """Take no more, and end those that are open."""
        # A thread that waits in accept hears of it.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End the connections that are open: what was behind them is gone."""
        with self._lock:
            every, self._open = self._open, set()
        for one in every:
            _end(one)

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(taken,), daemon=True, name="forwarded").start()

    def _carry(self, near: socket.socket) -> None:
        try:
            far = self._open_tunnel()
        except Problem:
            with suppress(OSError):
                near.settimeout(1.0)
                near.recv(CHUNK)
                near.sendall(_AWAY)
            _end(near)
            return
        with self._lock:
            self._open |= {near, far}
        # A tunnel has the limit of its opening; a browser may be silent for long.
        far.settimeout(None)
        threading.Thread(target=_pumped, args=(far, near), daemon=True, name="back").start()
        _pumped(near, far)
        with self._lock:
            self._open -= {near, far}


def _pumped(source: Any, target: Any) -> None:
    """Carry bytes one way until either side ends; then both have ended."""
    with suppress(OSError, EOFError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    _end(source)
    _end(target)


def _end(one: Any) -> None:
    with suppress(OSError, EOFError):
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, EOFError):
        one.close()


def _listening(port: int, exactly: bool) -> socket.socket:
    try:
        return _bound(port)
    except OSError as error:
        if exactly:
            raise WrongInput(f"--port {port}: it can't be used here: {reason(error)}") from error
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
