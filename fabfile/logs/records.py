"""The answer of a host to `fab logs`, line by line, as records whose time is put right."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import Problem

Place = tuple[int, int, int]
"""The end of a record in its file: the file's number, a byte, and a mark of the file's beginning."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line with a stamp, and all that follows it."""

    when: float
    """By the clock of this machine."""
    host: str
    program: str
    level: str
    """One of D I W E C; empty where the line has none."""
    source: str
    """The place in the program's code that wrote it; empty where the line names none."""
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Errors that differ in numbers, ids and addresses alone."""

    count: int
    first: float
    last: float
    where: tuple[tuple[str, str], ...]
    """(host, program) of each program that had one."""
    example: Record


class _Example(Struct, frozen=True):
    l: str  # noqa: E741
    m: str
    x: tuple[str, ...]


class _Line(Struct, frozen=True):
    """One line of the answer: each kind has some of these; see remote/logbook.py."""

    clock: float | None = None
    log: int | None = None
    program: str = ""
    path: str = ""
    s: float | None = None
    l: str = ""  # noqa: E741
    m: str = ""
    x: tuple[str, ...] = ()
    at: Place | None = None
    key: str = ""
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    programs: tuple[str, ...] = ()
    example: _Example | None = None
    left_out: int = 0
    live: bool = False
    problem: str = ""


# Here, once: msgspec crashes where two threads examine a type at the same time.
_DECODER = msgspec.json.Decoder(_Line)


@dataclass
class Hearing:
    """Takes the lines of one answer of one host."""

    host: str
    on_record: Callable[[Record], None]
    on_live: Callable[[], None] = lambda: None
    places: dict[str, Place] = field(default_factory=dict)
    """By the path of each log, where an answer that is cut short can be gone on with."""
    groups: dict[str, Group] = field(default_factory=dict)
    left_out: int = 0
    """Errors in none of the groups, of which there are too many."""
    off: float = 0.0
    """The seconds by which the host's clock is ahead of this machine's."""
    said: list[str] = field(default_factory=list)
    """The last lines that are no part of the answer."""
    _begun: float = 0.0
    _names: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def logs(self) -> int:
        """The number of logs that there are."""
        return len(self.places)

    def begins(self) -> None:
        """The question is sent now."""
        self._begun = time.time()

    def take(self, text: str) -> None:
        """The next line. Raises Problem where the host refuses."""
        try:
            line = _DECODER.decode(text)
        except msgspec.DecodeError:
            self.said = [*self.said[-2:], text[:300]]
            return
        if line.problem:
            raise Problem(f"{self.host}: {line.problem}")
        if line.clock is not None:
            self.off = clock_off(line.clock, self._begun, time.time())
        elif line.example is not None:
            self._group(line, line.example)
        elif line.s is not None and line.log is not None:
            self._record(line.log, line.s, line)
        elif line.log is not None:
            self._log(line.log, line)
        elif line.left_out:
            self.left_out += line.left_out
        elif line.live:
            self.on_live()

    def _log(self, number: int, line: _Line) -> None:
        self._names[number] = (line.program, line.path)
        if line.at is not None:
            self.places[line.path] = line.at

    def _record(self, number: int, seconds: float, line: _Line) -> None:
        program, path = self._names[number]
        self.on_record(Record(seconds - self.off, self.host, program, line.l, line.m, line.x))
        if line.at is not None:
            self.places[path] = line.at

    def _group(self, line: _Line, one: _Example) -> None:
        first, last = line.first - self.off, line.last - self.off
        where = tuple((self.host, program) for program in line.programs)
        example = Record(last, self.host, line.programs[0] if line.programs else "", one.l, one.m, one.x)
        self.groups[line.key] = Group(line.count, first, last, where, example)


def clock_off(clock: float, asked: float, answered: float) -> float:
    """The seconds by which a clock that was read between two moments is ahead; 0 where it may be right."""
    off = clock - (asked + answered) / 2
    return off if abs(off) > (answered - asked) / 2 else 0.0


def merged(answers: Mapping[str, Mapping[str, Group]]) -> list[Group]:
    """The groups of all hosts as one list, those of most errors first."""
    every: dict[str, Group] = {}
    for groups in answers.values():
        for key, group in groups.items():
            every[key] = _sum(every[key], group) if key in every else group
    return sorted(every.values(), key=lambda group: (-group.count, -group.last))


def _sum(one: Group, other: Group) -> Group:
    newer = max(one, other, key=lambda group: group.last)
    first, last = min(one.first, other.first), max(one.last, other.last)
    return Group(one.count + other.count, first, last, (*one.where, *other.where), newer.example)


def ordered(record: Record) -> tuple[float, str, str]:
    """The key by which records of all hosts are sorted; those of one log keep their order."""
    return record.when, record.host, record.program


def as_data(record: Record) -> dict[str, Any]:
    """The object that `fab logs --json` prints."""
    return {
        "time": iso(record.when),
        "host": record.host,
        "program": record.program,
        "level": record.level or None,
        "source": record.source or None,
        "text": "\n".join(record.lines),
    }


def group_as_data(group: Group) -> dict[str, Any]:
    """The object that `fab logs --errors --json` prints."""
    where = [{"host": host, "program": program} for host, program in group.where]
    times = {"first": iso(group.first), "last": iso(group.last)}
    return {"count": group.count, **times, "programs": where, "example": as_data(group.example)}


def iso(when: float) -> str:
    """A moment in UTC, as ISO 8601 with milliseconds."""
    seconds, part = divmod(int(when * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{part:03}Z"
