"""Programs that an operator stops and starts by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Problem
from .base import Action, Found, Probe
from .programs import forgotten
from .shell import lines
from .sight import DOWN, Sight
from .supervisor import Place, action, look, needed

ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")
DEPLOY = "run `fab deploy` for this host first"


def answering(place: Place, found: Found) -> Sight:
    """The sight of a host whose supervisord can be told something. Raises Problem."""
    sight = needed(place, found)
    if not sight.supervisord.answers or sight.supervisord.state != "RUNNING":
        raise Problem(f"supervisord does not answer here, so nothing was changed; {DEPLOY}")
    return sight


@dataclass(frozen=True, slots=True)
class Ended:
    """These programs have ended; on purpose, so that they stay down whatever comes, or for a moment."""

    place: Place
    names: tuple[str, ...]
    on_purpose: bool = False
    seconds: float = 60
    """The time that they may take, all together."""
    name: str = "ended programs"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = answering(self.place, found)
        live = [one.name for one in sight.programs if one.name in self.names and one.state in ALIVE]
        told = [name for name in self.names if self.on_purpose and name not in sight.stopped]
        if not (live or told):
            return []
        # Told first: what ends between the two stays down as well.
        purpose = [self.place.as_root("purpose", stop=told)] if told else []
        ended = [self.place.as_work("stop", stop=live, seconds=self.seconds)] if live else []
        says = f"stop {', '.join(live)}" if live else f"keep {', '.join(told)} stopped"
        return [action(says, lines(*purpose, *ended), limit=self.seconds + 30)]


@dataclass(frozen=True, slots=True)
class Begun:
    """These programs run with the release that is there, and none of them is stopped on purpose."""

    place: Place
    names: tuple[str, ...]
    wait: bool = True
    """Until they have run for their first seconds; without, it is enough that they were started."""
    seconds: float = 60
    name: str = "begun programs"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = answering(self.place, found)
        states = {one.name: one.state for one in sight.programs}
        if unknown := [name for name in self.names if name not in states]:
            raise Problem(f"supervisord knows no {', '.join(unknown)} here, so nothing was changed; {DEPLOY}")
        down = [name for name in self.names if states[name] in DOWN]
        waiting = [name for name in self.names if states[name] == "STARTING" and self.wait]
        told = [name for name in self.names if name in sight.stopped]
        if not (down or waiting or told):
            return []
        purpose = [forgotten(self.place, told)] if told else []
        wait = self.names if self.wait else ()
        apply = self.place.as_work("apply", restart=down, wait=wait, reopen=[], remove=[], seconds=self.seconds)
        verb = "start" if down else "wait for" if waiting else "keep no longer stopped"
        return [action(f"{verb} {', '.join(down or waiting or told)}", lines(*purpose, apply), self.seconds * 2 + 30)]
