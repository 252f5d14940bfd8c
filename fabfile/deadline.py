"""A connection with one deadline for all of it, in the shape that the stores' client libraries expect."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

OVER = "its deadline is over"
"""The text of the TimeoutError at the deadline; libraries that wrap it keep the text."""


class SocketLike(Protocol):
    """What is asked of a connection: a socket has it, and so has a channel of an SSH connection."""

    def sendall(self, data: bytes, /) -> Any: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


Open = Callable[[], SocketLike]
"""Makes a new connection. Raises Problem or OSError."""


class Timed(io.RawIOBase):
    """A connection with one deadline for all of it: a server that trickles its answer does not stretch it."""

    def __init__(self, connection: SocketLike, seconds: float) -> None:
        self._connection, self._deadline = connection, time.monotonic() + seconds
        self._asked: float | None = None

    def sendall(self, data: bytes) -> None:
        with self._in_time():
            self._connection.sendall(bytes(data))

    def recv(self, size: int) -> bytes:
        with self._in_time():
            return self._connection.recv(size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def recv_into(self, buffer: Any) -> int:
        return self.readinto(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def settimeout(self, seconds: float | None) -> None:
        """A library may shorten a call; the deadline stays what it is."""
        self._asked = seconds

    def shutdown(self, _how: int) -> None:
        """Comes with `close`."""

    def close(self) -> None:
        if not self.closed:
            with suppress(OSError, EOFError):
                self._connection.close()
        super().close()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(OVER)
        self._connection.settimeout(left if self._asked is None else min(left, self._asked))
        try:
            yield
        except TimeoutError:
            raise TimeoutError(OVER) from None
