"""Records that come from many hosts at once, given on in the order of their time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterable

from .records import Record, ordered

HOLD_SECONDS = 1.5
"""So long a record is held back for older ones of other hosts: stamps are whole seconds, logs are looked at often."""


class Merge:
    """Holds records until nothing older is to be expected. Filled by many threads, emptied by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._held: list[tuple[tuple[float, str, str], int, float, Record]] = []

    def put(self, records: Iterable[Record], now: float) -> None:
        """Take records that have come at `now`; those of one log in their order."""
        with self._lock:
            for one in records:
                heapq.heappush(self._held, (ordered(one), next(self._numbers), now, one))

    def due(self, now: float) -> list[Record]:
        """The records that are old enough, in their order. One with a stamp of the future waits as long as others."""
        found = []
        with self._lock:
            while self._held and (
                self._held[0][3].when <= now - HOLD_SECONDS or self._held[0][2] <= now - HOLD_SECONDS
            ):
                found.append(heapq.heappop(self._held)[3])
        return found

    def rest(self) -> list[Record]:
        """All that is held, in its order."""
        return self.due(float("inf"))
