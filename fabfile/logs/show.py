"""Records and groups of errors as lines for people: host and program in front, each program in a colour of its own."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import printable, shown
from .records import Group, Record

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""SGR numbers that can be read on dark and on light."""
RED, DIM = 31, 2
EXAMPLE_LINES = 40


@dataclass
class Page:
    """Makes lines; the columns grow with the names."""

    coloured: bool = False
    _widths: tuple[int, int] = field(default=(0, 0))

    def lines(self, record: Record) -> list[str]:
        """The lines of a record, each with its host and program in front; the first has the time as well."""
        host, program = printable(record.host), printable(record.program)
        self._widths = (max(self._widths[0], len(host)), max(self._widths[1], len(program)))
        names = f"{host:<{self._widths[0]}} {program:<{self._widths[1]}}"
        front = self._in(colour(record.program), names)
        when = self._in(DIM, clock(record.when))
        first, *more = map(shown, record.lines or ("",))
        return [
            f"{when} {front} {self._words(record, first)}",
            *(f"{'':<{len(clock(record.when))}} {front} | {line}" for line in more),
        ]

    def _words(self, record: Record, first: str) -> str:
        level = self._in(RED, record.level) if record.level in ("E", "C") else printable(record.level)
        return " ".join(word for word in (level, shown(record.source), first) if word)

    def group(self, group: Group) -> list[str]:
        """The lines of a group of errors: how many, from when to when, where, and the last of them."""
        times = clock(group.first) if group.first == group.last else f"{clock(group.first)} to {clock(group.last)}"
        head = f"{group.count} x  {times}  {_where(group.where)}"
        one = group.example
        first, *more = map(shown, one.lines or ("",))
        body = [self._words(one, first), *(f"| {line}" for line in more[:EXAMPLE_LINES])]
        if len(more) > EXAMPLE_LINES:
            body.append(f"| ... ({len(more) - EXAMPLE_LINES} lines more)")
        return [self._in(RED, head), *(f"    {line}" for line in body)]

    def _in(self, number: int, text: str) -> str:
        return f"\x1b[{number}m{text}\x1b[0m" if self.coloured and text else text


def _where(where: Sequence[tuple[str, str]]) -> str:
    hosts: dict[str, list[str]] = {}
    for host, program in where:
        hosts.setdefault(host, []).append(program)
    return "; ".join(f"{printable(host)}: {printable(', '.join(sorted(names)))}" for host, names in hosts.items())


def colour(program: str) -> int:
    """The colour of a program: the same in each run."""
    return COLOURS[zlib.crc32(program.encode()) % len(COLOURS)]


def clock(when: float) -> str:
    """A moment by the clock of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def text(lines: Iterable[str]) -> str:
    """Lines as one piece of text."""
    return "".join(f"{line}\n" for line in lines)
