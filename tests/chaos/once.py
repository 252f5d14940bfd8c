"""One event in the middle of one crawl, and what became of both."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from fabfile.errors import Problem

from ..e2e.conftest import Cluster
from .crawl import Crawl
from .faults import Event

RECOVERS_SECONDS = 60.0
"""The promise: from the end of the fault to the last result."""
UNDISTURBED_SECONDS = 60.0
EARLIEST, LATEST = 0.05, 0.7
"""Which part of the pages is stored when the event begins."""
LOOK_SECONDS = 5.0


@dataclass
class Told:
    """What was seen of one event."""

    event: str
    seed: str
    what: str = ""
    at: int = 0
    """The results that were stored when it began."""
    lasted: float = 0.0
    recovered: float = 0.0
    """Seconds from its end to the last page's result."""
    healthy: float = 0.0
    """Seconds from its end to a healthy status."""
    noticed: float | None = None
    """Seconds from its begin to an unhealthy status."""
    faults: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        noticed = "" if self.noticed is None else f", noticed after {self.noticed:.0f} s"
        end = "; ".join(self.faults) or "well"
        return (
            f"{self.event} ({self.what}) at {self.at} results: lasted {self.lasted:.0f} s{noticed}, "
            f"last result {self.recovered:.0f} s and healthy {self.healthy:.0f} s after its end: {end}"
        )


def well(cluster: Cluster) -> bool:
    return cluster.fab("status", status=None).returncode == 0


def told_by_status(cluster: Cluster) -> str:
    return cluster.fab("status", status=None).stdout.strip()[-900:]


def let_happen(cluster: Cluster, event: Event, rng: random.Random, told: Told, lasts: float) -> float:
    """The event from its begin to its end; returns when it ended."""
    begun = time.monotonic()
    with event.causing(cluster, rng) as told.what:
        while (left := begun + lasts - time.monotonic()) > 0 and event.lasts:
            if event.seen and told.noticed is None and not well(cluster):
                told.noticed = time.monotonic() - begun
            time.sleep(min(LOOK_SECONDS, max(left, 0)))
    told.lasted = time.monotonic() - begun
    return time.monotonic()


def judged(crawl: Crawl, ended: float, told: Told) -> Iterator[str]:
    """What the crawl and the cluster owe after the event's end, and did not give."""
    if crawl.results() < crawl.pages:
        try:
            crawl.reach(crawl.pages, ended + RECOVERS_SECONDS - time.monotonic())
        except AssertionError as fault:
            yield str(fault)
        told.recovered = time.monotonic() - ended
    if (rows := crawl.rows()) != crawl.pages:
        yield f"{rows} rows of {crawl.pages} pages"
    while not well(crawl.cluster):
        if time.monotonic() > ended + RECOVERS_SECONDS:
            yield f"not healthy again: {told_by_status(crawl.cluster)}"
            break
        time.sleep(1)
    told.healthy = time.monotonic() - ended


def once(cluster: Cluster, site: str, event: Event, seed: str, pages: int, lasts: float) -> Told:
    """One crawl of so many pages with one event in it, at a moment that the seed chooses."""
    rng = random.Random(f"{seed}/{event.name}")
    told = Told(event.name, seed)
    crawl = Crawl(cluster, f"p{int(time.time() * 100):x}", pages)
    if event.before:
        event.before(cluster)
    crawl.begin(site)
    crawl.reach(rng.randrange(int(pages * EARLIEST), int(pages * LATEST)), UNDISTURBED_SECONDS)
    told.at = crawl.results()
    try:
        ended = let_happen(cluster, event, rng, told, lasts)
    except (AssertionError, Problem) as fault:
        told.faults.append(str(fault).strip()[-600:])
        ended = time.monotonic()
    told.faults += judged(crawl, ended, told)
    if event.seen and told.noticed is None:
        told.faults.append("status called it healthy while it lasted")
    if event.after:
        event.after(cluster)
    return told
