"""Serves the pages, and counts who asked: `python -m tests.bench.crawl.site ADDRESS PORT`, until its stdin ends.

GET /KIND/PAGES/CRAWL/NUMBER is a page, /told/CRAWL tells of a crawl. Pages are made once and kept.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Sandbox
from fabfile.sandbox.services import SITE

from ..carried import carried
from .pages import Kind, Shape

PORT = 8000


@dataclass(frozen=True, slots=True)
class Told:
    """What the site saw of a crawl."""

    first: float
    """When its first page was asked for, by the machine's clock; 0 before that."""
    asked: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Site:
    """The running server."""

    address: str

    def url(self, shape: Shape, crawl: str) -> str:
        """The first page; a crawl of another name has URLs of its own."""
        return f"{self.address}/{shape.kind}/{shape.pages}/{crawl}/0"

    def told(self, crawl: str) -> Told:
        with _opener().open(f"{self.address}/told/{crawl}", timeout=15) as answer:
            return Told(**json.load(answer))


@cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def serving(sandbox: Sandbox) -> Iterator[Site]:
    """The server, in a namespace of its own on the hosts' network."""
    place = Port(sandbox.network, "site", SITE)
    place.connect()
    with carried(__name__, place.namespace, place.address, str(PORT), what="the site"):
        yield Site(f"http://{place.address}:{PORT}")


class Seen:
    """Who asked for what."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.asked: dict[str, Counter[str]] = {}

    def page(self, kind: str, pages: str, crawl: str, number: str) -> bytes:
        self.first.setdefault(crawl, time.time())
        self.asked.setdefault(crawl, Counter())[number] += 1
        return _page(cast(Kind, kind), int(pages), int(number))

    def told(self, crawl: str) -> bytes:
        asked = self.asked.get(crawl, Counter())
        told = {"first": self.first.get(crawl, 0.0), "asked": asked.total(), "distinct": len(asked)}
        return json.dumps(told).encode()

    def answer(self, path: str) -> bytes:
        words = path.strip("/").split("/")
        try:
            body = self.told(words[1]) if words[0] == "told" else self.page(*words)
        except (IndexError, TypeError, ValueError, KeyError):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


@cache
def _page(kind: Kind, pages: int, number: int) -> bytes:
    return Shape(kind, pages).html(number)


class Connection(asyncio.Protocol):
    """One client, whose connection stays open."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.read = seen, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.read += data
        while b"\r\n\r\n" in self.read:
            head, _, self.read = self.read.partition(b"\r\n\r\n")
            self.transport.write(self.seen.answer(head.split(b" ", 2)[1].decode()))


async def serve(address: str, port: int) -> None:
    """Serve until stdin ends."""
    loop, ended, seen = asyncio.get_running_loop(), asyncio.Event(), Seen()
    server = await loop.create_server(lambda: Connection(seen), address, port, backlog=1024)
    loop.add_reader(0, ended.set)
    print("ready", flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
