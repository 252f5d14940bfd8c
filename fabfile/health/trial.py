"""The trial of programs that have just started: do they take and finish messages? Judged by their pulses, purely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import Problem
from ..inventory import TLS, Fleet
from ..inventory.ends import stop_seconds
from ..inventory.roles import ROLES, SCHEDULER
from . import pulse, redis
from .deadline import Open
from .pulse import Pulse
from .words import SECONDS

HOPELESS = 5
"""Failed tries without a message done: a component tries one message as often."""
SPARE_SECONDS = 20
"""Seconds of a trial beside those in which a role ends what it has in hand."""
READ_SECONDS = 180
"""A scheduler's, which reads all tasks of a crawl before it asks for more."""
FIRST_ASKED = 0.01
"""Seconds; a new pulse dates the first question for work at its own beginning."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The words of Redis on all programs' work."""

    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    """By host/program."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Of queues, and of the lists of messages that were put aside."""
    problem: str = ""
    """Why nothing was heard."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of one program: `open` becomes `failed` when the time is over, `unknown` does not."""

    kind: Literal["well", "open", "failed", "unknown"]
    why: str = ""


def heard(
    open: Open,
    password: str | None,
    db: int,
    queues: Sequence[str],
    *,
    tls: TLS | None = None,
    user: str | None = None,
) -> Heard:
    """All pulses, and the lengths of these queues and of their lists of messages put aside. Never raises."""
    names = [*queues, *(queue + pulse.FAILED for queue in queues)]
    try:
        with redis.connected(open, password, db, SECONDS, tls, user) as client:
            told: Any = client.hgetall(pulse.KEY)
            lengths = {name: int(str(client.llen(name))) for name in names}
            return Heard(pulse.pulses(told), lengths)
    except Problem as error:
        return Heard(problem=str(error))


def tells(role: str) -> bool:
    """Whether programs of this role have a pulse."""
    return bool(ROLES[role].launcher)


def seconds(fleet: Fleet, role: str) -> float:
    """The time that programs of this role have until they have done something."""
    if role == SCHEDULER.name:
        return READ_SECONDS
    return max(ROLES[role].stop_seconds, stop_seconds(fleet, ROLES[role])) + SPARE_SECONDS


def judged(program: str, role: str, pid: int, by: Heard, others: Iterable[Pulse]) -> Judged:
    """The judgement of a program, `host/program`, whose process is `pid`.

    `others` are the pulses of programs that were not restarted: a store for which these wait as well is away.
    """
    if not tells(role):
        return Judged("well")
    if by.problem:
        return Judged("unknown", by.problem)
    found = by.pulses.get(program)
    if found is None or found.pid != pid:
        return Judged("open", "it tells nothing of its work (no pulse in Redis)")
    if found.away:
        missed = {store for other in others for store in other.away}
        shared = set(found.away) <= missed
        return Judged("unknown" if shared else "open", f"it waits for {' and '.join(found.away)}")
    return _of_its_work(found, sum(by.lengths.get(queue, 0) for queue in ROLES[role].takes_from))


def _of_its_work(found: Pulse, waiting: int) -> Judged:
    last = f", the last with: {found.last_error}" if found.last_error else ""
    if found.failed >= HOPELESS and not found.done:
        return Judged("failed", f"all its messages failed{last}")
    asked = found.state == "works" and found.asked_at - found.began >= FIRST_ASKED
    faults = {
        f"a store refuses it: {' '.join(found.refused)}": bool(found.refused),
        f"it has not asked for work yet ({found.state or 'no word'})": not asked,
        f"more of its messages failed ({found.failed}) than were done ({found.done}){last}": found.failed > found.done,
        f"it has finished none of the {found.taken} messages that it took": found.taken and not found.done,
        f"it takes none of the {waiting} messages that wait for it": waiting and not found.taken,
    }
    why = next((text for text, holds in faults.items() if holds), "")
    return Judged("open" if why else "well", why)
