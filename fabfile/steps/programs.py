"""The programs of a host's supervisord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from .base import Action, Found, Probe
from .sight import DOWN, KnownProgram, Sight
from .supervisor import Place, action, look, needed


class Daemon(Protocol):
    """The step that starts the supervisord of programs."""

    def begins(self, found: Found) -> bool:
        """Whether supervisord starts, or starts again: all its programs with it."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Every program RUNNING with the release it should have, with its log file; none that should not be there."""

    place: Place
    wanted: tuple[tuple[str, str], ...]
    """Name and release fingerprint, in start order."""
    all_names: frozenset[str]
    """Every program that this host has; any other is removed."""
    roles: frozenset[str] = frozenset()
    """The roles whose programs are touched; all, where it is empty."""
    daemon: Daemon | None = None
    """The step that starts their supervisord just before."""
    seconds: float = 60
    stop_seconds: float = 60
    """The time that all of them may take to end, one after the other."""
    moves: bool = True
    """Whether those that run on another Python than the current one begin anew; a way back leaves them alone."""
    name: str = "programs"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = needed(self.place, found)
        server = sight.supervisord
        begins = self.daemon is not None and self.daemon.begins(found)
        if begins or not server.answers or server.state != "RUNNING":
            names = [name for name, _ in self.wanted if name not in sight.stopped]
            since = sight.log_sizes
            return [self._apply(f"wait for {', '.join(names)}", wait=names, since=since)] if names else []
        live = {item.name: item for item in sight.programs}
        wanted = [(name, release) for name, release in self.wanted if not sight.rests(name)]
        restart = [name for name, release in wanted if _outdated(live.get(name), release, self.moves)]
        waiting = [name for name, _ in wanted if name not in restart and live[name].state == "STARTING"]
        reopen = [name for name, _ in wanted if name in live and not live[name].log and name not in restart]
        remove = [name for name in live if name not in self.all_names and self._touches(name)]
        gone = [name for name in sight.stopped if name not in self.all_names and self._touches(name)]
        forget = [action(f"forget that {', '.join(gone)} was stopped", forgotten(self.place, gone))] if gone else []
        if not (restart or waiting or reopen or remove):
            return forget
        return [*forget, self._apply(_says(live, restart, waiting, reopen, remove), restart, waiting, reopen, remove)]

    def restarts(self, found: Found) -> list[str]:
        """The programs that end and start again, in start order, where something is to be done."""
        sight = needed(self.place, found)
        live = {item.name for item in sight.programs if item.state not in DOWN}
        if not sight.supervisord.answers:
            return []
        if self.daemon is not None and self.daemon.begins(found):
            return [name for name, _ in self.wanted if name in live]
        return [
            one for one, release in self.wanted if one in live and _outdated(_named(sight, one), release, self.moves)
        ]

    def _touches(self, name: str) -> bool:
        return not self.roles or name.rstrip("0123456789") in self.roles

    def _apply(
        self,
        says: str,
        restart: Sequence[str] = (),
        wait: Sequence[str] = (),
        reopen: Sequence[str] = (),
        remove: Sequence[str] = (),
        since: Mapping[str, int] = MappingProxyType({}),
    ) -> Action:
        script = self.place.as_work(
            "apply",
            restart=restart,
            wait=[*restart, *wait],
            reopen=reopen,
            remove=remove,
            seconds=self.seconds,
            stop_seconds=self.stop_seconds,
            since=dict(since),
        )
        ends = self.stop_seconds if restart or remove else 0
        return action(says, script, limit=self.seconds * 2 + ends + 30)

    def reload(self) -> Action:
        """The full `supervisorctl reload`: supervisord and every program start again."""
        names = sorted(self.all_names)
        seconds = self.seconds + self.stop_seconds
        return action(
            "reload supervisord and all its programs",
            self.place.as_work("reload", wait=names, seconds=seconds),
            seconds * 2 + 30,
        )


def _named(sight: Sight, name: str) -> KnownProgram | None:
    return next((one for one in sight.programs if one.name == name), None)


def forgotten(place: Place, names: Sequence[str]) -> str:
    """A script by which these programs are no longer stopped on purpose."""
    return place.as_root("purpose", start=list(names))


def _outdated(live: KnownProgram | None, release: str, moves: bool) -> bool:
    # Between two starts (BACKOFF) there is no process that could tell its release, and nothing to lose.
    return live is None or live.state in DOWN or live.release != release or (moves and live.apart)


def _says(
    live: Mapping[str, KnownProgram], restart: list[str], waiting: list[str], reopen: list[str], remove: list[str]
) -> str:
    begun = [name for name in restart if name not in live or live[name].state in DOWN]
    again = [name for name in restart if name not in begun]
    parts = {"start": begun, "restart": again, "wait for": waiting, "reopen the log of": reopen, "remove": remove}
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names)
