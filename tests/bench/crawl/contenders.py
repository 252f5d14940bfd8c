"""The contenders: each one's programs on the same hosts, and what each has stored of a crawl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fabfile.demo.crawl import web_ui
from fabfile.demo.webui import WebUIClient
from fabfile.errors import Problem

from ...chaos.crawl import SCRIPT
from .pages import Shape
from .place import Place

OURS, HAND, SCRAPY = "this project", "pyspider by hand", "scrapy-redis"
START_SECONDS = 120.0
RATE = "5000/5000"


@dataclass(frozen=True, slots=True)
class Crawl:
    """One crawl of a site; its name is a project's name, and a part of its URLs."""

    shape: Shape
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a crawl."""

    rows: int = 0
    distinct: int = 0
    last: float = 0.0
    """When the last result was stored, by the machine's clock."""
    open: int = 0
    """Tasks that are not done yet."""


class Contender(Protocol):
    """Only one contender's programs run at a time."""

    @property
    def name(self) -> str: ...
    @property
    def programs(self) -> Mapping[str, int]:
        """How many processes of each component it has."""

    def takes(self, shape: Shape | None, milliseconds: float) -> bool:
        """Whether it takes part in a race, with the stores so far away; without a site, in the one of idleness."""

    def begin(self) -> None:
        """Starts its programs."""

    def end(self) -> None:
        """Ends them."""

    def start(self, crawl: Crawl) -> None:
        """Starts a crawl. Raises Problem."""

    def stored(self, crawl: Crawl) -> Stored: ...
    def forget(self, crawl: Crawl) -> None:
        """Sees to it that a crawl that has ended costs the next one nothing."""


@dataclass(frozen=True)
class Pyspider:
    """What both kinds of pyspider have in common: the web UI, and the databases."""

    place: Place

    @property
    def webui(self) -> WebUIClient:
        raise NotImplementedError

    @property
    def prefix(self) -> str:
        """What the names of the databases begin with."""
        raise NotImplementedError

    @property
    def programs(self) -> Mapping[str, int]:
        fleet = self.place.fleet
        return Counter(program.role for host in fleet.hosts for program in fleet.programs(host))

    def takes(self, shape: Shape | None, milliseconds: float) -> bool:
        return True

    def start(self, crawl: Crawl) -> None:
        webui = self.webui
        webui.save(crawl.name, SCRIPT.replace("@START@", self.place.site.url(crawl.shape, crawl.name)))
        webui.update(crawl.name, "rate", RATE)
        webui.update(crawl.name, "status", "RUNNING")
        webui.start(crawl.name, START_SECONDS)

    def stored(self, crawl: Crawl) -> Stored:
        results, tasks = (f"{self.prefix}{one}.{crawl.name}" for one in ("resultdb", "taskdb"))
        # The task that reads a project's settings is not done at any time.
        waiting = f"select count(*) from {tasks} where status <> 2 and taskid <> 'on_start'"
        wanted = f"select count(*), count(distinct url), ifnull(max(updatetime), 0), ({waiting}) from {results}"
        try:
            rows = self.place.sql(wanted)
        except Problem:
            # pyspider makes the tables with the first task, and with the first result.
            return Stored()
        count, distinct, last, waits = rows[0]
        return Stored(int(count), int(distinct), float(last), int(waits))

    def forget(self, crawl: Crawl) -> None:
        self.webui.update(crawl.name, "status", "STOP")


@dataclass(frozen=True)
class Ours(Pyspider):
    """The cluster as `fab deploy` made it."""

    name = OURS
    prefix = ""

    @property
    def webui(self) -> WebUIClient:
        return web_ui(self.place.fleet)

    def begin(self) -> None:
        self.place.cluster.fab("start")

    def end(self) -> None:
        self.place.cluster.fab("stop")
