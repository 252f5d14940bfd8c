"""The questions to RPC servers and to supervisord: whatever listens there may answer anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fabfile.remote import daemons, questions, rpc


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
        monkeypatch.setattr(rpc, "supervisor", lambda _: questions.xmlrpclib.ServerProxy(url).supervisor)
        found, programs = daemons.asked({"socket": "/none"})
        assert found["answers"] is False and found["why"] and programs == []
