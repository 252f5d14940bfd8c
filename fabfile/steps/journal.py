"""The journal of changes that every host keeps: a line for each exchange that changed something there."""

from __future__ import annotations

import calendar
import posixpath
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .base import Action, Found, Probe
from .shell import cmd, lines

JOURNAL = "/var/log/pyspider-fabfile.log"
BYTES = 65_536
"""The end of it that is read: some hundred changes."""
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<who>\S+)(?: (?P<task>[\w. -]+))?: "
    r"exit status (?P<status>-?\d+): (?P<text>.*)"
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of it."""

    at: float
    """In seconds since 1970, by the clock of the machine that made the change."""
    who: str
    """user@machine."""
    task: str
    """The tasks that were typed; empty in lines of older versions."""
    status: int
    text: str
    """The changes."""


@dataclass(frozen=True, slots=True)
class JournalRead:
    """A look at the end of a host's journal, of which nothing is wanted."""

    known: int = -1
    """Its bytes at the look before: one that has as many is not told again."""
    path: str = JOURNAL
    name: str = "journal"

    def probe(self) -> Probe:
        folder, file = posixpath.split(self.path)
        # In some systems others than root can write in /var/log: no link is followed there, and no pipe waited for.
        script = lines(
            f"{cmd('cd', '-P', folder)} 2>/dev/null && [ -f {cmd('./' + file)} ] || exit 0",
            f'size=$({cmd("stat", "-c", "%s", "./" + file)}) && echo "size $size" || exit 0',
            f'[ "$size" != {self.known} ] || exit 0',
            f"skip=$((size > {BYTES} ? (size - {BYTES}) / 1024 : 0))",
            f"{cmd('dd', f'if=./{file}', 'iflag=nofollow,nonblock', 'bs=1024')} skip=$skip 2>/dev/null",
        )
        return Probe(script)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


def journal_bytes(found: Found) -> int:
    """How long a host's journal is by its answer; 0 where it has none."""
    size = found.text.partition("\n")[0].removeprefix("size ")
    return int(size) if size.isdecimal() else 0


def entries(found: Found) -> Iterator[JournalEntry]:
    """The entries in a host's answer, in their order; what is no line of a journal is left out."""
    for line in found.text.split("\n"):
        if one := _LINE.fullmatch(line):
            try:
                at = calendar.timegm(time.strptime(one["at"], "%Y-%m-%dT%H:%M:%SZ"))
            except ValueError:
                continue
            yield JournalEntry(at, one["who"], one["task"] or "", int(one["status"]), one["text"])
