"""The server: the page, its stream of notes, and the orders that it gives. It is an ASGI application."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import uvicorn
from msgspec.json import encode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ..errors import Locked, Problem, WrongInput, reason
from .board import Board
from .chronicle import Chronicle
from .guard import Guard
from .jobs import Job

HERE = "127.0.0.1"
STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
LANGUAGES = ("en", "zh")
ORDER_BYTES = 4096
PLACES_BYTES = 65_536
"""A request for a log tells where each of them has been read to."""
DAY = 86400
GRACE_SECONDS = 3
STATUSES = {WrongInput: 400, Locked: 409}
"""Of errors by their kind; others are the server's own."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page asks for, beside the notes; `obey` and `interrupt` are None where it may only read."""

    board: Board
    chronicle: Chronicle
    examine: Callable[[], None]
    """Let doctor look now."""
    logs: Callable[[bytes], object]
    """The last records of a log, or those that have come since. Raises Problem."""
    pages: Callable[[], object]
    """The slowest and the most failing pages."""
    obey: Callable[[bytes], Job] | None = None
    """Start the command of an order. Raises Problem."""
    interrupt: Callable[[], None] | None = None


def application(desk: Desk, guard: Guard) -> ASGIApp:
    """The server of one desk, with its guard before it."""
    pages = _Pages(desk)
    home = guard.home
    routes = [
        Route(f"{home}/", pages.index),
        Route(f"{home}/events", pages.events),
        Route(f"{home}/series", pages.series),
        Route(f"{home}/pages", pages.crawled),
        Route(f"{home}/examine", pages.examine, methods=["POST"]),
        Route(f"{home}/logs", pages.logs, methods=["POST"]),
        Route(f"{home}/orders", pages.orders, methods=["POST"]),
        Route(f"{home}/interrupt", pages.interrupt, methods=["POST"]),
        Route(f"{home}/{{name}}", pages.file),
    ]
    return guard.before(Starlette(routes=routes))


class _Pages:
    """The answers. All files are read when the server starts: they belong to each other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in KINDS}

    async def index(self, request: Request) -> Response:
        mode = b"full" if self._desk.obey else b"read-only"
        speaks = language(request.headers.get("accept-language", "")).encode()
        text = self._files["index.html"].replace(b'lang="en"', b'lang="%b"' % speaks, 1)
        return Response(text.replace(b'data-mode="full"', b'data-mode="%b"' % mode, 1), media_type=KINDS[".html"])

    async def file(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        if name not in self._files:
            return PlainTextResponse("there is no such file\n", 404)
        return Response(self._files[name], media_type=KINDS[Path(name).suffix])

    async def events(self, _request: Request) -> Response:
        return StreamingResponse(self._desk.board.notes(), media_type="text/event-stream")

    async def series(self, request: Request) -> Response:
        given = request.query_params.get("seconds", "3600")
        seconds = min(int(given), 31 * DAY) if given.isdecimal() and len(given) < 9 else 3600
        return await _told(lambda: self._desk.chronicle.series(seconds, time.time()))

    async def crawled(self, _request: Request) -> Response:
        return await _told(self._desk.pages)

    async def examine(self, _request: Request) -> Response:
        self._desk.examine()
        return Response(status_code=202)

    async def orders(self, request: Request) -> Response:
        if not (obey := self._desk.obey):
            return _read_only()
        return await _answered(request, obey, ORDER_BYTES, 202)

    async def logs(self, request: Request) -> Response:
        return await _answered(request, self._desk.logs, PLACES_BYTES)

    async def interrupt(self, _request: Request) -> Response:
        if not self._desk.interrupt:
            return _read_only()
        self._desk.interrupt()
        return Response(status_code=202)


async def _told(ask: Callable[[], object], status: int = 200) -> Response:
    """The answer of a call that may take a moment, as JSON; a Problem is its sentence."""
    try:
        return Response(encode(await asyncio.to_thread(ask)), status, media_type="application/json")
    except Problem as error:
        return PlainTextResponse(f"{error}\n", STATUSES.get(type(error), 500))


async def _answered(request: Request, ask: Callable[[bytes], object], most: int, status: int = 200) -> Response:
    """The answer of a call that takes the request's body, which has so many bytes at most."""
    text = b""
    async for piece in request.stream():
        text += piece
        if len(text) > most:
            return PlainTextResponse("this is too long\n", 413)
    return await _told(lambda: ask(text), status)


def _read_only() -> Response:
    return PlainTextResponse("this page was started with --read-only\n", HTTPStatus.FORBIDDEN)


def language(accepted: str) -> str:
    """The one of our languages that a browser likes best (Accept-Language); English where it names none."""
    liked: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, weight = part.partition(";q=")
        try:
            value = float(weight or 1)
        except ValueError:
            continue
        short = name.strip().lower().partition("-")[0]
        liked[short] = max(value, liked.get(short, 0.0))
    return max(LANGUAGES, key=lambda one: (liked.get(one, 0.0), one == "en"))


def listening(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1 alone; port 0 is any free one. Raises WrongInput."""
    there = socket.socket()
    there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        there.bind((HERE, port))
        there.listen()
    except OSError as error:
        there.close()
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"can't be used: {reason(error)}"
        raise WrongInput(f"port {port} of {HERE} {why}; choose another one with --port") from error
    return there


class _Server(uvicorn.Server):
    """uvicorn without its own answer to signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: ASGIApp, there: socket.socket, board: Board) -> None:
    """Serve until a Ctrl-C or a SIGTERM; all streams are ended then."""
    asyncio.run(serving(app, there, board, (signal.SIGINT, signal.SIGTERM)))


async def serving(app: ASGIApp, there: socket.socket, board: Board, signals: Sequence[signal.Signals] = ()) -> None:
    """Serve until one of these signals comes, or the board is closed."""
    for number in signals:
        # Where a signal is ignored, it stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, board.close)
    server = _Server(_settings(app))
    async with asyncio.TaskGroup() as group:
        serves = group.create_task(server.serve(sockets=[there]))
        serves.add_done_callback(lambda _: board.close())
        await board.ended()
        server.should_exit = True


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        interface="asgi3",
        ws="none",
        http="h11",
        loop="asyncio",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
