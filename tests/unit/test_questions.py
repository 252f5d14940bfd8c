"""The questions to RPC servers and to supervisord: whatever listens there may answer anything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from fabfile.remote import answers, daemons, questions, rpc


@contextmanager
def answering(status: str, body: bytes) -> Iterator[str]:
    """The address of a server that answers everything so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(f"HTTP/1.0 {status}\r\nContent-Type: text/xml\r\n\r\n".encode() + body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


FAULT = b"<?xml version='1.0'?><methodResponse><fault><value><int>1</int></value></fault></methodResponse>"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        ("200 OK", b"<html><body>hello", "its answer is no XML-RPC"),
        ("200 OK", b"\x00\xff", "its answer is no XML-RPC"),
        ("200 OK", b"", ""),
        ("200 OK", FAULT, ""),
        ("500 no", b"", "500"),
    ],
)
def test_a_server_that_is_none_of_ours_is_told_and_ends_no_look(
    status: str, body: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(status, body) as url:
        told = questions.rpc_answer(url)
        assert told["ok"] is False and why in told["why"] and told["why"]
        assert questions.projects(url) == {}
        monkeypatch.setattr(rpc, "supervisor", lambda *_, **__: questions.xmlrpclib.ServerProxy(url).supervisor)
        found, programs = daemons.asked({"socket": "/none"})
        assert found["answers"] is False and found["why"] and programs == []


@contextmanager
def dripping(pieces: Iterator[bytes], family: int, place: Any) -> Iterator[socket.socket]:
    """A server that says these pieces to whoever connects, for as long as somebody listens."""
    server = socket.socket(family)
    server.bind(place)
    server.listen(8)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with suppress(OSError), connection:
                    for piece in pieces:
                        connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def drops() -> Iterator[bytes]:
    """A byte of a body every tenth of a second, for ever."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
    while True:
        time.sleep(0.1)
        yield b" "


def flood() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
    yield from repeat(b" " * 65536)


@pytest.mark.parametrize("answer", [drops, flood, lambda: repeat(b"x")])
def test_an_answer_that_never_ends_ends_the_question(
    answer: Callable[[], Iterator[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "RPC_SECONDS", 1)
    monkeypatch.setattr(answers, "SECONDS", 1)
    monkeypatch.setattr(daemons, "ASKED_SECONDS", 1)
    with dripping(answer(), socket.AF_INET, ("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert questions.rpc_answer(f"http://127.0.0.1:{port}/")["ok"] is False
        assert answers.rpc(f"http://127.0.0.1:{port}/")["error"]
        assert questions.webui_answer({"host": "127.0.0.1", "port": port})["ok"] is False
    with dripping(answer(), socket.AF_UNIX, str(tmp_path / "s")):
        begun = time.monotonic()
        found, programs = daemons.asked({"socket": str(tmp_path / "s")})
        assert found["answers"] is False and found["why"] and programs == []
        # Bytes that come in time are read to the end of it, and no longer.
        assert time.monotonic() - begun < 10


def test_all_questions_of_a_look_share_their_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "ASKED_SECONDS", 1)
    state = questions.xmlrpclib.dumps(({"statename": "RUNNING"},), methodresponse=True).encode()

    def slowly() -> Iterator[bytes]:
        time.sleep(0.7)
        yield b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(state), state)

    class Slow:
        def __iter__(self) -> Iterator[bytes]:
            return slowly()

    with dripping(Slow(), socket.AF_UNIX, str(tmp_path / "s")):  # type: ignore[arg-type]
        found, _ = daemons.asked({"socket": str(tmp_path / "s")})
    assert found["answers"] is False and "timed out" in found["why"]
