"""Many events in one long crawl, one after the other."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from fabfile.errors import Problem

from ..e2e.conftest import Cluster
from .crawl import Crawl
from .faults import Event
from .once import Told, judged, let_happen

PACE = 15
"""Pages per second: slow enough that events meet the crawl, and not its rest."""
FULL_PACE = 400
SHORTEST, LONGEST = 5.0, 20.0
"""Seconds that an event lasts, where it does not end by itself."""
SLOT_SECONDS = 180.0


def long_crawl(cluster: Cluster, site: str, events: Sequence[Event], seed: str, pages: int, count: int) -> Told:
    """`count` of the events, chosen and timed by the seed, in one crawl of so many pages."""
    rng = random.Random(f"{seed}/schedule")
    told = Told(f"{count} events in one crawl", seed)
    crawl = Crawl(cluster, f"s{int(time.time() * 100):x}", pages)
    crawl.begin(site, PACE)
    begun = time.monotonic()
    for number in range(count):
        event = rng.choice(events)
        crawl.reach(min(pages, rng.randrange(number * pages // count, (number + 1) * pages // count) + 1), SLOT_SECONDS)
        one = Told(event.name, seed, at=crawl.results())
        try:
            let_happen(cluster, event, rng, one, rng.uniform(SHORTEST, LONGEST))
            if event.after:
                event.after(cluster)
        except (AssertionError, Problem) as fault:
            told.faults.append(f"{event.name}: {str(fault).strip()[-600:]}")
        print(f"  {number + 1}. {one.event} ({one.what}) at {one.at} results, {one.lasted:.0f} s", flush=True)
    ended = time.monotonic()
    crawl.pace(FULL_PACE)
    told.faults += judged(crawl, ended, told)
    told.what, told.lasted = "all of one seed", ended - begun
    return told
