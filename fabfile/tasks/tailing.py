"""The logs behind a click on the page of `fab dashboard`: the last records of a program, then what has come since."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..dashboard.tail import RECORDS, LogTail, asked_host, log_tail, log_wish
from ..errors import Problem
from ..logs.records import Hearing, Record, ordered
from ..runs.target import Target
from .telling import Wanted, hear, question

SECONDS = 180.0
"""A host that takes longer to read its logs is given up; one that is silent is sooner (ssh/silence.py)."""
TURN_SECONDS = 5.0


class Tails:
    """Reads logs of hosts; used by many threads, of which one at a time asks a host."""

    def __init__(self, chosen: Target, turn_seconds: float = TURN_SECONDS) -> None:
        """A reader waits so long for one that reads of the same host."""
        self._chosen, self._seconds = chosen, turn_seconds
        self._turns = {host.name: threading.Lock() for host in chosen.hosts}

    def read(self, text: bytes) -> LogTail:
        """The answer to a request of the page. Raises WrongInput; a host that does not answer is told in it."""
        wish = log_wish(text)
        host = asked_host(self._chosen.hosts, wish)
        words = (wish.program,) if wish.program else ()
        wanted = Wanted(words, count=RECORDS, errors=wish.errors, each=True)
        probe = replace(question(self._chosen.fleet, wanted, words, wish.known), limit=SECONDS)
        records: list[Record] = []
        hearing = Hearing(host.name, records.append, places=wish.known or {})
        try:
            with self._turn(host.name):
                hear(self._chosen.links[host], probe, hearing)
        except Problem as error:
            return LogTail(places=wish.places or {}, note=str(error))
        return log_tail(sorted(records, key=ordered), hearing.places)

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Raises Problem where another reader is at work for long: readers that wait would hold up other requests."""
        if not self._turns[name].acquire(timeout=self._seconds):
            raise Problem(f"{name}: its logs are being read for another window; wait until that has ended")
        try:
            yield
        finally:
            self._turns[name].release()
