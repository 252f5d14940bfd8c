"""supervisord itself: by systemd where that runs, by itself elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, CannotLook, Found, Probe
from .shell import cmd, lines
from .sight import LiveDaemon, Sight, Unit
from .supervisor import Place, action, look, needed
from .watcher import start_words, user_words

START_SECONDS = 30
"""The time that supervisord may take until it answers; its programs have time of their own."""


@dataclass(frozen=True, slots=True)
class Supervisord:
    """Exactly one supervisord for this cluster, as its user, with its present configuration.

    Where systemd runs it is the main process of its unit, and is started and restarted by systemctl alone.
    """

    place: Place
    digest: str
    """The digest of supervisord.conf; the running daemon carries it in its environment."""
    stop_seconds: int = 90
    """The time that it may take to end with all its programs."""
    keep_running: bool = False
    """Leave a daemon alone that has an older supervisord.conf or is outside its unit (a deploy of some roles only)."""
    name: str = "supervisord"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = needed(self.place, found)
        unit = _unit(sight)
        live = _live(sight)
        silent = [item for item in sight.supervisords if item.pid not in (live, unit and unit.main)]
        actions = [self._end("end the supervisord that does not answer", silent)] if silent else []
        return [*actions, *(self._through_unit(sight) if unit else self._by_itself(sight))]

    def begins(self, found: Found) -> bool:
        """Whether supervisord starts, or starts again: all its programs with it."""
        sight = needed(self.place, found)
        return _live(sight) is None or bool(self._outside(sight) or self._outdated(sight))

    def _outdated(self, sight: Sight) -> list[LiveDaemon]:
        return [one for one in self._current(sight) if one.conf != self.digest]

    def _outside(self, sight: Sight) -> list[LiveDaemon]:
        unit = _unit(sight)
        return [one for one in self._current(sight) if unit and one.pid != unit.main]

    def _current(self, sight: Sight) -> list[LiveDaemon]:
        """The daemon that answers, where it may be ended."""
        return [one for one in sight.supervisords if one.pid == _live(sight) and not self.keep_running]

    def _by_itself(self, sight: Sight) -> list[Action]:
        outdated = self._outdated(sight)
        ended = [self._end("stop supervisord: its own configuration changed", outdated)] if outdated else []
        start = action("start supervisord", self._start(sight), START_SECONDS * 4 + self.stop_seconds * 2)
        return [*ended, start] if outdated or _live(sight) is None else []

    def _through_unit(self, sight: Sight) -> list[Action]:
        service, outside, outdated = f"{self.place.unit}.service", self._outside(sight), self._outdated(sight)
        start, limit = self._start(sight), START_SECONDS * 6 + self.stop_seconds * 3
        if outside:
            # It comes out of a login's session, another service, or an older version of this project.
            items = [one.as_data() for one in outside]
            script = lines(self.place.as_root("end", end=items, signals=self._signals()), start)
            return [action(f"move supervisord into {service}", script, limit)]
        if outdated:
            return [action(f"restart supervisord ({service}): its own configuration changed", start, limit)]
        return [action(f"start supervisord ({service})", start, limit)] if _live(sight) is None else []

    def _end(self, says: str, items: list[LiveDaemon]) -> Action:
        return action(
            says,
            self.place.as_root("end", end=[one.as_data() for one in items], signals=self._signals()),
            self.stop_seconds + 30,
        )

    def _signals(self) -> list[tuple[str, int]]:
        return [("SIGTERM", self.stop_seconds), ("SIGKILL", 5)]

    def _start(self, sight: Sight) -> str:
        """A script that starts supervisord; where it does not come up, the one that ran before."""
        restore = f"ln -sfn {cmd(sight.current or '')} .current.back && mv -fT .current.back current"
        return self.place.as_root(
            "start",
            seconds=START_SECONDS,
            stop_seconds=self.stop_seconds,
            words=start_words(self.place),
            # With another socket, it does not answer on the old one.
            before=next(({"conf": one.conf} for one in sight.supervisords), None),
            restore=[user_words(self.place, restore)] if sight.current else [],
        )


def _live(sight: Sight) -> int | None:
    return sight.supervisord.pid if sight.supervisord.answers else None


def _unit(sight: Sight) -> Unit | None:
    """systemd's word on the unit; None on a host without systemd. Raises CannotLook."""
    unit = sight.unit
    if unit is not None and unit.main is None:
        raise CannotLook("systemd does not answer there: see what `systemctl status` says on the host")
    return unit
