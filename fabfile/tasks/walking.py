"""The slowest and the most failing pages behind the page of `fab dashboard`: a walk over MySQL's tasks, on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..dashboard.crawled import PagesTold, pages_told
from ..errors import Problem
from ..health.pages import Walk, walked
from ..inventory import Host
from ..runs.target import Target, route

GAP_SECONDS = 5.0
"""From one piece of the walk to the next, however many browsers ask."""


class Pages:
    """The walk; asked by many threads, of which one at a time goes on."""

    def __init__(self, chosen: Target, reachable: Callable[[], list[Host]]) -> None:
        """`reachable` tells the hosts through which MySQL can be asked."""
        self._chosen, self._reachable = chosen, reachable
        self._lock = threading.Lock()
        self._walk, self._told = Walk(), PagesTold(0)
        self._walked_at = -GAP_SECONDS

    def look(self) -> PagesTold:
        """The pages, after another piece of the walk where it is time for one. A store that refuses is told in it."""
        with self._lock:
            if time.monotonic() - self._walked_at >= GAP_SECONDS:
                self._told = self._further()
                self._walked_at = time.monotonic()
            return self._told

    def _further(self) -> PagesTold:
        where, fleet = self._chosen.fleet.stores.mysql, self._chosen.fleet
        opener = route(self._chosen, self._reachable(), fleet.mysql_address(), where.port)
        login = (where.user, where.password.reveal(), where.databases.taskdb)
        try:
            self._walk = walked(opener, *login, self._walk, tls=where.tls)
        except Problem as error:
            return pages_told(self._walk, time.time(), str(error))
        return pages_told(self._walk, time.time())
