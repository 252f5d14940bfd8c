"""How fast the crawl goes, by the pulses of its fetchers, and whether that has fallen. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from ..health.pulse import Pulse
from ..inventory.roles import FETCHER

LATELY = 120.0
"""Seconds over which the present rate is averaged."""
USUAL = 3600.0
"""The same of the usual one: after some hours at another rate, that is the usual one."""
GAP = 600.0
"""Seconds between two looks after which nothing is said about the time between."""
MEASURED = 600.0
"""Seconds of crawling before a rate is the usual one."""
LEAST = 0.1
"""Pages a second; a crawl that is slower anyway has no rate that could fall."""
FALLEN = 0.2


class Speed(Struct, frozen=True):
    """The pages that were fetched a second."""

    at: float
    counts: dict[str, int]
    """Pages that each process has fetched, by `host/program pid`."""
    usual: float = 0.0
    lately: float = 0.0
    measured: float = 0.0
    """Seconds of measuring."""

    def fallen(self, waiting: int) -> str:
        """The fault, where the crawl is far slower than usual while so many messages wait; empty where it is not."""
        slow = self.measured >= MEASURED and self.usual >= LEAST and self.lately < FALLEN * self.usual
        if not slow or not waiting:
            return ""
        rates = f"{self.lately:.2f} pages a second, usually {self.usual:.2f}"
        return f"the crawl is slow: {rates}, and {waiting} messages wait"


def speed_after(before: Speed | None, pulses: Mapping[str, Pulse], now: float) -> Speed | None:
    """The speed after another look; as before where no fetcher tells of itself."""
    counts = {f"{name} {one.pid}": one.done for name, one in pulses.items() if one.role == FETCHER.name}
    if not counts:
        return before
    if before is None or not 0 < now - before.at <= GAP:
        return Speed(now, counts, *((before.usual, before.lately, before.measured) if before else ()))
    seconds = now - before.at
    rate = _fetched(before.counts, counts) / seconds
    measured = before.measured + seconds
    usual = _averaged(before.usual, rate, seconds, USUAL, measured)
    return Speed(now, counts, usual, _averaged(before.lately, rate, seconds, LATELY, measured), measured)


def _fetched(before: Mapping[str, int], now: Mapping[str, int]) -> int:
    """The pages of those processes that were there before, and of those that took the place of one."""
    programs = {key.rpartition(" ")[0] for key in before}
    return sum(max(0, count - before.get(key, 0)) for key, count in now.items() if key.rpartition(" ")[0] in programs)


def _averaged(average: float, rate: float, seconds: float, over: float, measured: float) -> float:
    weight = max(1 - math.exp(-seconds / over), seconds / measured)
    return average + weight * (rate - average)
