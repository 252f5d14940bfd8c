"""`fab logs --follow`: a connection to each host stays open, and a host that comes back goes on where it was."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence

from invoke.exceptions import Exit

from ..errors import Problem, Unreachable, printable
from ..inventory import Host
from ..logs.merge import Merge
from ..logs.records import Hearing, Place, Record, ordered
from ..runs.target import Target
from .telling import Wanted, hear, printer, question, within

TICK_SECONDS = 0.25
FIRST_SECONDS = 5.0
"""So long the first records wait for hosts that are slow to answer; those of a later one come when they come."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between two tries to reach a host."""
END_SECONDS = 3.0


class Following:
    """All hosts, each in a thread of its own, and the one that prints."""

    def __init__(
        self, chosen: Target, hosts: Sequence[Host], programs: Mapping[str, tuple[str, ...]], wanted: Wanted
    ) -> None:
        self._chosen, self._hosts, self._programs, self._wanted = chosen, hosts, programs, wanted
        self._merge = Merge()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._first: dict[str, list[Record]] = {}
        """The records of hosts that have told those that were there; None of them is printed before all of them."""
        self._waited_for = {host.name for host in hosts}
        self._tell = printer(wanted)

    def go_on(self) -> None:
        """Print records as they come, until Ctrl-C, or until no host is left that could tell any."""
        threads = [threading.Thread(target=self._follow, args=(host,), daemon=True) for host in self._hosts]
        for thread in threads:
            thread.start()
        try:
            self._begin()
            while any(thread.is_alive() for thread in threads):
                time.sleep(TICK_SECONDS)
                self._tell(self._merge.due(time.time()))
            self._tell(self._merge.rest())
        finally:
            self._stopped.set()
            self._chosen.links.stop()
            deadline = time.monotonic() + END_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        sys.stdout.flush()
        raise Exit(code=1)

    def _begin(self) -> None:
        """Print the records that were there, of all hosts that have answered by then."""
        deadline = time.monotonic() + FIRST_SECONDS
        while time.monotonic() < deadline and self._waited_for:
            time.sleep(TICK_SECONDS / 5)
        with self._lock:
            self._waited_for.clear()
            records = [one for each in self._first.values() for one in each]
            self._first.clear()
        self._tell(within(sorted(records, key=ordered), self._wanted))

    def _follow(self, host: Host) -> None:
        places: dict[str, Place] | None = None
        tries, lost = 0, False
        while not self._stopped.is_set():
            ear = _Ear(self, host.name, places, lost)
            why = self._heard(host, ear, places)
            self._waited_for.discard(host.name)
            if self._stopped.is_set():
                return
            if not isinstance(why, Unreachable):
                self._say(str(why))
                return
            if ear.live or places is not None:
                places = ear.hearing.places
            if ear.live or not lost:
                tries, lost = 0, True
                self._say(f"{why}; trying again")
            self._stopped.wait(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def _heard(self, host: Host, ear: _Ear, places: dict[str, Place] | None) -> Problem:
        """The reason for which a host tells nothing more."""
        try:
            probe = question(self._chosen.fleet, self._wanted, self._programs[host.name], places)
            hear(self._chosen.links[host], probe, ear.hearing)
        except Problem as error:
            return error
        except Exception as error:  # noqa: BLE001  the boundary of one host: the others are followed on
            return Problem(f"{host.name}: this is a bug, please report it: {type(error).__name__}: {error}")
        return Problem(f"{host.name}: it has no Python, and so no log of a program of pyspider's")

    def first(self, name: str, records: list[Record]) -> None:
        """The records that were there on a host before it was followed."""
        with self._lock:
            if name in self._waited_for:
                self._first[name] = records
                self._waited_for.discard(name)
                return
        self.put(within(sorted(records, key=ordered), self._wanted))

    def put(self, records: Sequence[Record]) -> None:
        self._merge.put(records, time.time())

    def back(self, name: str) -> None:
        self._say(f"{name}: here again")

    @staticmethod
    def _say(words: str) -> None:
        print(f"fab: {printable(words)}", file=sys.stderr, flush=True)


class _Ear:
    """Hears one answer of one host: first the records that were there, then those that come."""

    def __init__(self, following: Following, name: str, places: dict[str, Place] | None, again: bool) -> None:
        self._following, self._name, self._again = following, name, again
        self.live = False
        self._first: list[Record] | None = None if places is not None else []
        self.hearing = Hearing(name, self._record, self._begins_to_follow, dict(places or {}))

    def _record(self, record: Record) -> None:
        if self._first is not None:
            self._first.append(record)
        else:
            self._following.put([record])

    def _begins_to_follow(self) -> None:
        if self._again:
            self._following.back(self._name)
        if self._first is not None:
            self._following.first(self._name, self._first)
        self.live, self._first = True, None
