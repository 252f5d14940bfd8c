"""Races: the contenders crawl the same sites in turn, and what each run has cost."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fabfile.errors import Problem

from .contenders import Contender, Crawl, Stored
from .distance import round_trip
from .pages import Shape
from .place import STORES, Place
from .site import Told
from .spent import ROLES, SCRAPY, Spent, between, spent

CRAWL_SECONDS = 900.0
SETTLE_SECONDS = 60.0
"""A site that nobody asks, and stores in which nothing changes for so long, stay like that."""
POLL_SECONDS = 0.25
IDLE = "idle for"
WARM_UP = Shape("flat", 21)
WHOLE = {*ROLES, SCRAPY} - {"phantomjs"}
"""The components that are counted; PhantomJS and what starts it are several processes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one crawl cost, or one time of idleness."""

    wall: float = 0.0
    """Seconds from the first request for a page to the last result."""
    pages: int = 0
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds by component."""
    commands: float = 0.0
    """Redis' commands per second."""
    fault: str = ""
    """Why it does not count."""

    @property
    def rate(self) -> float:
        """Pages per second."""
        return self.pages / self.wall

    @property
    def cpu_page(self) -> float:
        """Milliseconds of CPU per page, of all components together."""
        return 1000 * sum(self.cpu.values()) / self.pages

    @property
    def busy(self) -> float:
        """The programs' CPU in % of one core, the stores' not counted."""
        return 100 * sum(seconds for one, seconds in self.cpu.items() if one not in ("MySQL", "Redis")) / self.wall


@dataclass(frozen=True, slots=True)
class Race:
    """A site, and the distance of the stores; without a site, so many seconds of idleness."""

    shape: Shape | None
    milliseconds: float = 0.0
    idle_seconds: float = 0.0

    @property
    def name(self) -> str:
        if self.shape is None:
            return f"{IDLE} {self.idle_seconds:g} s"
        return self.shape.name + (f", stores {self.milliseconds:g} ms away" if self.milliseconds else "")


class Failed(Exception):
    """A crawl lost or doubled a page, or did not end."""


def judge(pages: int, told: Told, stored: Stored) -> None:
    """Raises Failed unless each page was asked for once, and has one result."""
    if (stored.distinct, stored.rows) != (pages, pages):
        raise Failed(f"{stored.distinct} pages of {pages} have a result, in {stored.rows} results")
    if (told.distinct, told.asked) != (pages, pages):
        raise Failed(f"{told.distinct} pages of {pages} were asked for, {told.asked} times")
    if stored.open:
        raise Failed(f"{stored.open} tasks were not done at the end")


def complete(wanted: Mapping[str, int], now: Spent) -> None:
    """Raises Failed unless exactly the contender's programs run, one process each."""
    found = Counter(one for one, _ in now.values() if one in WHOLE)
    if found != Counter({one: count for one, count in wanted.items() if one in WHOLE}):
        raise Failed(f"{dict(found)} run in place of {dict(wanted)}")


@dataclass(frozen=True)
class Course:
    """Where the runs are."""

    place: Place

    def begun(self, contender: Contender) -> str:
        """Starts its programs, and lets them crawl a little, which does not count. The fault, if there is one."""
        try:
            contender.begin()
            self.crawl(contender, WARM_UP)
        except (Failed, Problem, AssertionError) as fault:
            return f"after its start: {fault}"
        return ""

    def run(self, contender: Contender, race: Race) -> Run:
        """One run; its fault is told in it."""
        try:
            return self.crawl(contender, race.shape) if race.shape else self.idle(contender, race.idle_seconds)
        except (Failed, Problem) as fault:
            return Run(fault=str(fault))

    def crawl(self, contender: Contender, shape: Shape) -> Run:
        crawl = Crawl(shape, f"{shape.kind}{secrets.token_hex(4)}")
        before = spent(self.place.namespaces)
        contender.start(crawl)
        try:
            told, stored = self.followed(contender, crawl)
            after = spent(self.place.namespaces)
        finally:
            contender.forget(crawl)
        judge(shape.pages, told, stored)
        complete(contender.programs, after)
        return Run(stored.last - told.first, shape.pages, between(before, after))

    def followed(self, contender: Contender, crawl: Crawl) -> tuple[Told, Stored]:
        """The crawl at its end, or when nothing happens any more."""
        self._asked(crawl)
        changed, last = time.monotonic(), Stored()
        while True:
            stored = contender.stored(crawl)
            changed, last = (time.monotonic(), stored) if stored != last else (changed, last)
            if (stored.rows >= crawl.shape.pages and not stored.open) or time.monotonic() > changed + SETTLE_SECONDS:
                return self.place.site.told(crawl.name), stored
            time.sleep(POLL_SECONDS)

    def _asked(self, crawl: Crawl) -> None:
        """Waits until all pages were asked for, or nobody asks any more. The stores are left alone."""
        begun = changed = time.monotonic()
        last = 0
        while (told := self.place.site.told(crawl.name)).distinct < crawl.shape.pages:
            now = time.monotonic()
            changed, last = (now, told.asked) if told.asked != last else (changed, last)
            if now - changed > SETTLE_SECONDS or now - begun > CRAWL_SECONDS:
                break
            time.sleep(POLL_SECONDS)

    def idle(self, contender: Contender, seconds: float) -> Run:
        """The programs with nothing to do."""
        before, commands, begun = spent(self.place.namespaces), self._commands(), time.monotonic()
        time.sleep(seconds)
        after, wall = spent(self.place.namespaces), time.monotonic() - begun
        complete(contender.programs, after)
        return Run(wall, 0, between(before, after), (self._commands() - commands) / wall)

    def _commands(self) -> int:
        """How many commands Redis has done."""
        lines = self.place.redis(0, "INFO stats")
        return next(int(line.partition(":")[2]) for line in lines if line.startswith("total_commands_processed:"))


Samples = dict[str, dict[str, list[Run]]]
"""The runs by race and contender."""


def compete(
    course: Course,
    contenders: Sequence[Contender],
    races: Sequence[Race],
    turns: int,
    tell: Callable[[str], None],
) -> Samples:
    """The runs of each contender in each race: in every turn each contender crawls once, one after the other."""
    done: Samples = {race.name: {} for race in races}
    for turn in range(1, turns + 1):
        for contender in contenders:
            for race, run in _turn(course, contender, races):
                done[race.name].setdefault(contender.name, []).append(run)
                tell(f"  turn {turn}: {contender.name}, {race.name}: {run.fault or f'{run.wall:.2f} s'}")
    return done


def _turn(course: Course, contender: Contender, races: Sequence[Race]) -> Iterator[tuple[Race, Run]]:
    """One run in each race, by the same processes unless one of the runs fails."""
    able = [race for race in races if contender.takes(race.shape, race.milliseconds)]
    if not able:
        return
    fault = course.begun(contender)
    try:
        for race in able:
            run = Run(fault=fault) if fault else course.run(contender, race)
            yield race, run
            if run.fault and not fault:
                # The rest of a crawl that did not end would go on in the next.
                contender.end()
                fault = course.begun(contender)
    finally:
        contender.end()


def round_trips(place: Place) -> float:
    """Milliseconds to the stores and back, as measured from another host."""
    return 1000 * round_trip(place.namespace("node1"), place.cluster.sandbox.address(STORES))
