"""Supervision as a whole: all that lets a host's programs run, in its order, from one look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, Found, Probe, Step
from .daemon import Supervisord
from .preflight import Preflight
from .programs import Programs
from .supervisor import Leftovers, Sockets, look
from .watcher import Watcher
from .writable import Writable


@dataclass(frozen=True, slots=True)
class Supervision:
    """From a stale socket to every program RUNNING; each part can be had by itself."""

    preflight: Preflight
    clear_sockets: Sockets
    end_leftovers: Leftovers
    start: Supervisord
    watch: Watcher
    programs: Programs
    take_files: Writable | None = None
    """The first part where a release is deployed; None elsewhere."""
    name: str = "supervision"

    @property
    def starting(self) -> tuple[Step, ...]:
        """The parts up to a supervisord that runs, and does so again when it has died."""
        return (self.clear_sockets, self.end_leftovers, self.start, self.watch)

    @property
    def parts(self) -> tuple[Step, ...]:
        """All parts, in the order of their work."""
        first = (self.take_files,) if self.take_files else ()
        return (*first, *self.starting, self.programs)

    def probe(self) -> Probe:
        return look(self.programs.place, preflight=self.preflight)

    def diff(self, found: Found) -> Sequence[Action]:
        return [action for part in self.parts for action in part.diff(found)]
