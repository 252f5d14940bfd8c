"""The cluster as the page shows it, small enough to be sent after every look. Pure.

Fields that say nothing are left out of the JSON: 128 hosts are sent every two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from ..errors import printable
from ..health.host import HostStatus
from ..health.pulse import Pulse
from ..steps.sight import KnownProgram
from ..watch.history import History, Project

ERROR_SIGNS = 200
"""The most characters of a program's last error."""
LINES = 50
"""The most problems, warnings and projects, each."""


class ProgramRow(Struct, frozen=True, omit_defaults=True):
    """One program; what is not known of it is None."""

    name: str
    state: str
    """In a word, as `fab status` says it."""
    ours: bool = False
    """Whether hosts.toml names it: only then can it be started and stopped from here."""
    pid: int | None = None
    uptime: int | None = None
    """Seconds."""
    cpu: float | None = None
    """The share of one core."""
    memory: int | None = None
    """Bytes."""
    rate: float | None = None
    """Messages a second."""
    failed: int = 0
    """Messages that failed since it began."""
    error: str = ""
    """The last error that it tells of."""


class HostCard(Struct, frozen=True, omit_defaults=True):
    """One host with its programs."""

    name: str
    why: str = ""
    """Why it could not be looked at; empty where it could."""
    away: bool = False
    """Whether it can't be reached."""
    cpu: float | None = None
    """The share of all cores."""
    cores: int = 0
    memory: int | None = None
    """Bytes in use."""
    memory_all: int = 0
    disk: float | None = None
    """The share of the fullest disk that is in use."""
    programs: list[ProgramRow] = []


class ProjectRow(Struct, frozen=True, omit_defaults=True):
    """One project as its scheduler counts."""

    name: str
    active: int = 0
    success: int = 0
    failed: int = 0
    rate: float | None = None


class Picture(Struct, frozen=True, omit_defaults=True):
    """What is sent after every look; findings, the journal and alarms are when they change."""

    cluster: str
    at: float
    """Seconds since 1970."""
    note: str = ""
    """Why the last look failed, or its figures could not be kept."""
    changed: bool = False
    """Whether hosts.toml is another one than that of this page."""
    seen: bool = False
    """Whether there was a look yet."""
    took: float = 0.0
    """Seconds of the last look."""
    well: bool = False
    verdict: str = ""
    problems: list[str] = []
    warnings: list[str] = []
    more: int = 0
    """Problems that are not named."""
    hosts: list[HostCard] = []
    queues: Mapping[str, int] = {}
    rates: Mapping[str, float] = {}
    """Messages a second by role."""
    results: float | None = None
    """Results a minute."""
    projects: list[ProjectRow] = []


def picture(history: History, at: float, note: str = "", took: float = 0.0, changed: bool = False) -> Picture:
    """The page after a look. `at` is seconds since 1970."""
    view = history.view
    if view is None:
        return Picture("", at, note, changed, took=took)
    problems = view.problems()
    return Picture(
        printable(view.fleet.cluster.name),
        # Rounded down: a point of the future would not be in a chart that ends now.
        int(at * 10) / 10,
        note,
        changed,
        True,
        round(took, 2),
        not problems,
        view.verdict(),
        problems[:LINES],
        view.warnings()[:LINES],
        max(0, len(problems) - LINES),
        list(_hosts(history)),
        {name: sizes[-1] for name in view.redis.queues if (sizes := history.queue(name))} if view.redis else {},
        {role: round(rate, 2) for role, rate in history.by_role().items()},
        None if (results := history.results()) is None else round(results, 1),
        [_project(one) for one in history.projects()[:LINES]],
    )


def measures(one: Picture) -> dict[str, float]:
    """What the charts keep of it: the queues' lengths, and messages a second."""
    queues = {f"queue/{name}": float(size) for name, size in one.queues.items()}
    return queues | {f"rate/{role}": rate for role, rate in one.rates.items()}


def _hosts(history: History) -> Iterator[HostCard]:
    busy, cpu, rates = history.busy(), history.cpu(), history.done()
    pulses: Mapping[str, Pulse] = history.view.motion.pulses if history.view else {}
    for host in history.view.hosts if history.view else ():
        name = host.host.name
        rows = [
            _program(host, one, cpu.get(key), rates.get(key), pulses.get(key))
            for one in host.programs
            for key in (f"{name}/{one.name}",)
        ]
        yield _card(host, busy.get(name), rows)


def _card(host: HostStatus, busy: float | None, rows: list[ProgramRow]) -> HostCard:
    used = host.sight.spent if host.sight else None
    room = used.memory if used else None
    fullest = max((1 - one.free / one.bytes for one in used.disks if one.bytes), default=None) if used else None
    return HostCard(
        printable(host.host.name),
        printable(host.why),
        not host.reachable,
        _rounded(busy, 3),
        used.cores if used else 0,
        room.bytes - room.free if room else None,
        room.bytes if room else 0,
        _rounded(fullest, 3),
        rows,
    )


def _program(
    host: HostStatus, one: KnownProgram, cpu: float | None, rate: float | None, pulse: Pulse | None
) -> ProgramRow:
    return ProgramRow(
        printable(one.name),
        host.said(one),
        host.listed and one.name in host.wanted,
        one.pid,
        None if one.uptime_s is None else int(one.uptime_s),
        _rounded(cpu, 3),
        one.spent.memory if one.spent else None,
        _rounded(rate, 2),
        pulse.failed if pulse else 0,
        printable(pulse.last_error[:ERROR_SIGNS]) if pulse else "",
    )


def _project(one: Project) -> ProjectRow:
    return ProjectRow(printable(one.name), one.active, one.success, one.failed, _rounded(one.rate, 2))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
