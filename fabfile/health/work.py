"""Does a program work? RUNNING is supervisord's word for a process that has not ended. Pure.

Judged is what was seen; where nothing was seen (a log of another kind, a Redis that keeps its clients to itself),
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Literal

from ..inventory import Fleet
from ..inventory.roles import FETCHER, PROCESSOR, QUEUES, RESULT_WORKER, SCHEDULER
from ..steps.sight import Handled, KnownProgram, Work
from .pulse import Pulse

Kind = Literal["halted", "restarting", "failing", "rpc-mute", "hung"]
STATES = {
    "T": "is stopped (SIGSTOP)",
    "t": "is held by a debugger",
    "D": "waits for a disk or a network file system (state D)",
    "Z": "is dead, and supervisord has not noticed it",
    "X": "is dead, and supervisord has not noticed it",
}
SETTLED = 10.0
"""Seconds that a program has to open its port."""
ENDS = 3
QUICKLY = 90.0
"""Seconds within which a program that can't live ends that often."""
MANY_ENDS = 5
"""The same within half an hour."""
FAILURES = 3
"""Failed messages in a row of a program that has handled none well; a crawl's few bad pages are no more."""
MANY_FAILURES = 30
"""The same of one that has handled others well before."""
LATELY = 600.0
"""Seconds; a crawl that rests has failed at its last pages longer ago."""
JUST_NOW = 15.0
PATIENCE: Mapping[str, float] = {
    FETCHER.name: 60.0,
    PROCESSOR.name: 60.0,
    RESULT_WORKER.name: 60.0,
    SCHEDULER.name: 300.0,
}
"""Seconds for which these may leave Redis alone; a scheduler loads the tasks of large projects meanwhile.

Each asks for work some times a second, whatever the crawl does (pyspider's message_queue/redis_queue.py).
"""
QUIET: Mapping[str, float] = {**PATIENCE, FETCHER.name: 150.0, SCHEDULER.name: 60.0}
"""Seconds without a message, while some wait, after which nobody takes them. A page may take a fetcher 120 s."""
AWAY = 30.0
"""Seconds without an answer after which a store is away for a program; the restart of a MySQL takes less."""
STALLED = 330.0
"""Seconds in which a scheduler with a due task does something: it tries a project that it has paused after 300."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A program that is RUNNING and does not work."""

    kind: Kind
    program: str
    text: str
    """Without the program's name, which it begins with."""

    def __str__(self) -> str:
        return f"{self.program} is RUNNING, but {self.text}"


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures for programs of one cluster."""

    idle: Mapping[str, float] = field(default_factory=dict)
    """Seconds since Redis last heard of a client, by its `address:port`; empty where Redis does not say."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """The ports that programs should listen on, by their names; empty where nobody knows them."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Seconds that one message may take, by role."""
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    """What the programs tell of themselves, by their names; empty where nothing was told."""
    down: frozenset[str] = frozenset()
    """The stores, by their names in sentences, that answer nobody: no fault of the programs that wait for them."""


def measures(
    fleet: Fleet,
    ports: Mapping[str, int],
    idle: Mapping[str, float],
    pulses: Mapping[str, Pulse] | None = None,
    down: Iterable[str] = (),
) -> Measures:
    """The measures for the programs of a host."""
    limit = fleet.pyspider.processor.process_time_limit or 0
    return Measures(idle, ports, {PROCESSOR.name: 30.0 + 2.0 * limit}, pulses or {}, frozenset(down))


def trouble(program: KnownProgram, by: Measures) -> Trouble | None:
    """The reason why a RUNNING program does not work; None where none was seen."""
    seen = program.work
    if program.state != "RUNNING" or seen is None:
        return None
    found: tuple[tuple[Kind, str], ...] = (
        ("halted", _halted(program, seen)),
        ("failing", _failing(seen.log) if seen.log else ""),
        ("failing", _refused(program, by)),
        ("failing", _cut_off(program, by)),
        ("restarting", _restarting(seen)),
        ("rpc-mute", _mute(program, seen, by)),
        ("hung", _hung(program, seen, by)),
        ("hung", _silent(program, seen, by)),
    )
    return next((Trouble(kind, program.name, text) for kind, text in found if text), None)


def _halted(program: KnownProgram, seen: Work) -> str:
    return f"its process (pid {seen.halted or program.pid}) {STATES[seen.state]}" if seen.state in STATES else ""


def _restarting(seen: Work) -> str:
    """It has ended again and again, and has not lived for longer since then."""
    ages = sorted(seen.exits)
    quickly = len(ages) >= ENDS and ages[ENDS - 1] < QUICKLY and ages[0] < QUICKLY / ENDS
    # The usual time between two: that between two outages of a store tells nothing of a program.
    apart = median([older - newer for newer, older in pairwise(ages)] or [0.0])
    if not quickly and (len(ages) < MANY_ENDS or ages[0] > apart + SETTLED):
        return ""
    says = f"; its log says: {seen.log.error}" if seen.log and seen.log.error else ""
    return f"it has ended {len(ages)} times in the last {ages[-1]:.0f} s and was started again each time{says}"


def _failing(log: Handled) -> str:
    if log.loop_s is not None and log.loop_s < JUST_NOW and log.loops >= FAILURES:
        return f"it does nothing but fail: {log.loops} errors in a minute, the last of them: {log.error}"
    least = MANY_FAILURES if log.done else FAILURES
    if log.fault_s is not None and log.fault_s < LATELY and log.failed >= least:
        return f"it fails at every message, {log.failed} in a row, the last with: {log.error}"
    return ""


def _refused(program: KnownProgram, by: Measures) -> str:
    """It keeps its messages, and tries again and again: the store answers, and refuses."""
    told = by.pulses.get(program.name)
    if told is None or told.pid != program.pid or not told.refused:
        return ""
    return f"it fails at every message, and tries again: {told.refused[0]}"


def _cut_off(program: KnownProgram, by: Measures) -> str:
    """It waits for a store that answers others."""
    told = by.pulses.get(program.name)
    if told is None or told.pid != program.pid:
        return ""
    one = next((one for one in told.waits if one.seconds > AWAY and one.store not in by.down), None)
    return (
        f"it has waited for {one.store} for {one.seconds:.0f} s, and does nothing meanwhile: {one.error}" if one else ""
    )


def _mute(program: KnownProgram, seen: Work, by: Measures) -> str:
    if (program.uptime_s or 0) < SETTLED or seen.role not in (SCHEDULER.name, FETCHER.name):
        return ""
    port = by.ports.get(program.name)
    if seen.rpc and not seen.rpc.ok:
        return f"its RPC server on port {', '.join(map(str, seen.listens))} does not answer: {seen.rpc.why}"
    if port and port not in seen.listens:
        return f"its RPC server has ended: it does not listen on port {port}"
    return ""


def _hung(program: KnownProgram, seen: Work, by: Measures) -> str:
    role = seen.role or ""
    ages = [by.idle[end] for end in seen.ends if end in by.idle]
    age = min(ages, default=0.0)
    # Another thread of the same process shows that it lives: its own word for its work counts more.
    told = by.pulses.get(program.name)
    if told and told.pid == program.pid:
        age = max(age, told.silent)
    patience = max(PATIENCE.get(role, 0.0), by.limits.get(role, 0.0))
    return f"it hangs: it has not asked Redis for work for {age:.0f} s" if patience and age > patience else ""


def _silent(program: KnownProgram, seen: Work, by: Measures) -> str:
    """Its last word in Redis is old, by its own host's clock: it is cut off from Redis, or not let in."""
    told, role = by.pulses.get(program.name), seen.role or ""
    patience = max(PATIENCE.get(role, 0.0), by.limits.get(role, 0.0))
    heard = any(by.idle[end] <= patience for end in seen.ends if end in by.idle)
    if told is None or heard or role not in PATIENCE:
        return ""
    # A pulse of another process is older than this one.
    age = (program.uptime_s or 0) - (told.at - told.began if told.pid == program.pid else 0.0)
    return f"it has told nothing in Redis for {age:.0f} s: it can't get there (its log says why)" * (age > patience)


def waiting(queues: Mapping[str, int], still: Iterable[str], programs: Iterable[KnownProgram]) -> dict[str, list[str]]:
    """The queues whose entries nobody takes, each with the names of its consumers that run.

    Told of a queue of which the first entry did not change, while none of its consumers has handled a message for
    long; one whose log tells nothing may just be busy.
    """
    live = [one for one in programs if one.state == "RUNNING" and one.work]
    found = {}
    for queue in still:
        role = QUEUES.get(queue, "")
        own = [one for one in live if one.work and one.work.role == role]
        if queues.get(queue) and own and all(_quiet(one, QUIET[role]) for one in own):
            found[queue] = [one.name for one in own]
    return found


def _quiet(program: KnownProgram, seconds: float) -> bool:
    log = program.work.log if program.work else None
    return log is not None and min(log.quiet, program.uptime_s or 0) > seconds


def stalled(overdue: Mapping[str, int], queues: Mapping[str, int], programs: Iterable[KnownProgram]) -> str:
    """Tasks that are due while queues are empty and the scheduler does nothing; empty where there are none.

    `overdue` is how many tasks of a project that runs should have been done long ago.
    """
    own = [one for one in programs if one.work and one.work.role == SCHEDULER.name and one.state == "RUNNING"]
    if not overdue or any(queues.values()) or not own or not all(_quiet(one, STALLED) for one in own):
        return ""
    rest = min((one.work.log.quiet for one in own if one.work and one.work.log), default=0.0)
    names = ", ".join(f"{count} of {name}" for name, count in sorted(overdue.items()))
    return (
        f"tasks are ACTIVE and due ({names}), all queues are empty, and the scheduler has done nothing for "
        f"{rest / 60:.0f} min: these tasks are lost, or were never loaded"
    )
