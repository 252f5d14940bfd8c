"""Scrapy with scrapy-redis: one process of this machine's Python, in the network of a host of the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...waiting import until
from .contenders import SCRAPY, Crawl, Stored
from .pages import Shape
from .place import Place
from .spent import SCRAPY as PROCESS

HOST = "node2"
DB = 2
SPIDER = Path(__file__).parent.parent / "peers" / "spider.py"
KEY = "pages"
"""The spider's name: its keys begin with it."""


@dataclass
class ScrapyRedis:
    """It stores its results where scrapy-redis does, in Redis."""

    place: Place
    name: str = SCRAPY
    process: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def programs(self) -> Mapping[str, int]:
        return {PROCESS: 1}

    @property
    def log(self) -> Path:
        return self.place.cluster.folder / "scrapy.log"

    def takes(self, shape: Shape | None, milliseconds: float) -> bool:
        # It waits for Redis' answer to every single link: the mix would take it minutes.
        return shape is not None and not (shape.kind == "mix" and milliseconds)

    def begin(self) -> None:
        self.place.redis(DB, "FLUSHDB")
        words = ["nsenter", f"--net={self.place.namespace(HOST)}", "--", sys.executable]
        url = f"redis://:{self.place.redis_password()}@{self.place.stores}:6379/{DB}"
        with self.log.open("wb") as log:
            self.process.append(
                subprocess.Popen(
                    [*words, "-m", "scrapy", "runspider", str(SPIDER)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Its password is no argument, which everybody could read.
                    env=dict(os.environ, BENCH_REDIS=url),
                    cwd=self.place.cluster.folder,
                    start_new_session=True,
                )
            )
        until(lambda: b"Spider opened" in self.log.read_bytes(), 60)

    def end(self) -> None:
        while self.process:
            one = self.process.pop()
            one.kill()
            one.wait()

    def start(self, crawl: Crawl) -> None:
        first = json.dumps({"url": self.place.site.url(crawl.shape, crawl.name)})
        self.place.redis(DB, f'RPUSH {KEY}:start_urls "{first.replace(chr(34), chr(92) + chr(34))}"')

    def stored(self, crawl: Crawl) -> Stored:
        waits = int(self.place.redis(DB, f"LLEN {KEY}:start_urls")[0])
        waits += int(self.place.redis(DB, f"ZCARD {KEY}:requests")[0])
        items = [json.loads(line) for line in self.place.redis(DB, f"LRANGE {KEY}:items 0 -1") if line]
        mine = [one for one in items if f"/{crawl.name}/" in one["url"]]
        last = max((one["at"] for one in mine), default=0.0)
        return Stored(len(mine), len({one["url"] for one in mine}), last, waits)

    def forget(self, crawl: Crawl) -> None:
        self.place.redis(DB, f"DEL {KEY}:items {KEY}:dupefilter {KEY}:requests")
