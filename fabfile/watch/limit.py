"""A time limit for a whole conversation: a server that trickles its answer does not stretch it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any


class Limit:
    """Shuts the sockets that it knows when the time is over: a read in another thread ends then."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over = seconds, False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Limit:
        self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def know(self, one: Any) -> None:
        """Let this socket end in time."""
        self._sockets.append(one)
        if self.over:
            self._end()

    def _end(self) -> None:
        self.over = True
        for one in self._sockets:
            with suppress(OSError):
                # Not TLS's own: that one would take the state away from the thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)


def handlers(limit: Limit) -> list[Any]:
    """urllib's handlers of http and https, with connections that end in time."""
    import http.client
    import urllib.request

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            limit.know(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            limit.know(self.sock)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, request)

    return [PlainHandler(), SecureHandler()]
