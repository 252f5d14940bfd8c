"""The journal of changes: those made with `fab`, by the hosts' own journals, and those that were seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from ..errors import printable
from ..steps.journal import JournalEntry

TOGETHER_SECONDS = 120.0
"""Changes of one person by one task with no longer pause between them are one."""
MADE, LINES, NAMES = 30, 6, 8
"""The most that are told: changes, of each its lines, and the hosts that a line names."""
SIGNS = 240
SEEN = 100


class MadeLine(Struct, frozen=True, omit_defaults=True):
    """The same work on one or more hosts."""

    text: str
    hosts: list[str]
    more: int = 0
    """Hosts that are not named."""
    status: int = 0


class MadeRow(Struct, frozen=True, omit_defaults=True):
    """A change that a person has made; `at` is seconds since 1970."""

    at: int
    who: str
    task: str = ""
    hosts: int = 0
    """How many it has changed."""
    failed: bool = False
    lines: list[MadeLine] = []
    more: int = 0
    """Lines that are left out."""


class SeenRow(Struct, frozen=True, omit_defaults=True):
    """A change that was seen; `at` is seconds since 1970."""

    at: int
    text: str
    good: bool = False
    """Whether it is the end of a fault."""


class JournalTold(Struct, frozen=True, omit_defaults=True):
    """Both, the newest first."""

    made: list[MadeRow] = []
    seen: list[SeenRow] = []
    unread: list[str] = []
    """Hosts whose own journal could not be read now."""
    note: str = ""
    """Why what is seen can't be kept."""


@dataclass
class _Made:
    """The entries of one change, by host."""

    first: float
    last: float
    who: str
    task: str
    entries: list[tuple[str, JournalEntry]] = field(default_factory=list)


def made(journals: Mapping[str, Iterable[JournalEntry]]) -> list[MadeRow]:
    """The changes that the journals of the hosts tell of, by host: the newest first."""
    every = sorted(((host, one) for host, journal in journals.items() for one in journal), key=lambda pair: pair[1].at)
    return [_row(one) for one in sorted(_runs(every), key=lambda run: -run.last)[:MADE]]


def _runs(every: Iterable[tuple[str, JournalEntry]]) -> Iterator[_Made]:
    open_runs: dict[tuple[str, str], _Made] = {}
    for host, one in every:
        key = (one.who, one.task)
        run = open_runs.get(key)
        if run is None or one.at - run.last > TOGETHER_SECONDS:
            if run:
                yield run
            run = open_runs[key] = _Made(one.at, one.at, *key)
        run.last = one.at
        run.entries.append((host, one))
    yield from open_runs.values()


def _row(run: _Made) -> MadeRow:
    works: dict[tuple[str, int], list[str]] = {}
    for host, one in run.entries:
        names = works.setdefault((one.text, one.status), [])
        if host not in names:
            names.append(host)
    # What failed is never left out.
    ordered = sorted(works.items(), key=lambda work: work[0][1] == 0)
    told = [_line(text, status, names) for (text, status), names in ordered[:LINES]]
    hosts = {host for host, _ in run.entries}
    failed = any(one.status for _, one in run.entries)
    return MadeRow(
        int(run.last), printable(run.who), printable(run.task), len(hosts), failed, told, len(works) - len(told)
    )


def _line(text: str, status: int, names: Sequence[str]) -> MadeLine:
    short = text if len(text) <= SIGNS else f"{text[:SIGNS]} ..."
    return MadeLine(printable(short), [printable(name) for name in names[:NAMES]], max(0, len(names) - NAMES), status)
