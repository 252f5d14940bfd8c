"""A connection with one deadline for all of it, in the shape that the stores' client libraries expect."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

OVER = "its deadline is over"
"""The text of the TimeoutError at the deadline; libraries that wrap it keep the text."""
MOST = 64 << 20
"""Bytes that are taken from one connection; every answer that is asked for is far smaller."""


class SocketLike(Protocol):
    """The methods that a connection needs: a socket has them, and so has a channel of an SSH connection."""

    def sendall(self, data: bytes, /) -> Any: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


Open = Callable[[], SocketLike]
"""Makes a new connection. Raises Problem or OSError."""


class Stream:
    """The part of a socket that PyMySQL and redis-py use, over `sendall` and `recv`."""

    def sendall(self, data: bytes) -> None:
        raise NotImplementedError

    def recv(self, size: int) -> bytes:
        raise NotImplementedError

    def settimeout(self, seconds: float | None) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def recv_into(self, buffer: Any) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def shutdown(self, _how: int) -> None:
        """Does nothing: `close` does it."""


class _Reader(io.RawIOBase):
    """The file of a stream: the stream outlives it, as a socket does."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.recv_into(buffer)


class Timed(Stream):
    """A connection with one deadline for all of it: a server that trickles its answer does not stretch it.

    Nor does one that sends without end fill the memory.
    """

    def __init__(self, connection: SocketLike, seconds: float) -> None:
        self._connection, self._deadline = connection, time.monotonic() + seconds
        self._asked: float | None = None
        self._taken = 0

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - time.monotonic()

    def sendall(self, data: bytes) -> None:
        with self._in_time():
            self._connection.sendall(bytes(data))

    def recv(self, size: int) -> bytes:
        with self._in_time():
            data = self._connection.recv(size)
        self._taken += len(data)
        if self._taken > MOST:
            raise OSError("its answer has no end")
        return data

    def settimeout(self, seconds: float | None) -> None:
        """A library may shorten a call; the deadline stays as it is."""
        self._asked = seconds

    def close(self) -> None:
        with suppress(OSError, EOFError):
            self._connection.close()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        left = self.left
        if left <= 0:
            raise TimeoutError(OVER)
        self._connection.settimeout(left if self._asked is None else min(left, self._asked))
        try:
            yield
        except TimeoutError:
            raise TimeoutError(OVER) from None
