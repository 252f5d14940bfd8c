"""The last records of a log, as the page asks for them and is told them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import decode

from ..errors import WrongInput, printable, reason, shown
from ..inventory import Host
from ..inventory.fleet import hint
from ..logs.records import Place, Record

RECORDS = 200
"""The most that are told at once: the last ones."""
SIGNS = 400_000
"""The most characters that are told at once; of a longer record, its first ones."""

PagePlace = tuple[Annotated[str, Meta(pattern="^[0-9]{1,20}$")], int, int]
"""A place as the page keeps it: the file's number is text, since JavaScript rounds numbers above 2^53."""


class LogWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose log is wanted: a program of a host, or all of them where none is named."""

    host: str
    program: str = ""
    errors: bool = False
    places: dict[str, PagePlace] | None = None
    """Only what has come since: the places of the answer before. None: the last records that are there."""

    @property
    def known(self) -> dict[str, Place] | None:
        """The places as hosts tell them."""
        if self.places is None:
            return None
        return {path: (int(number), byte, mark) for path, (number, byte, mark) in self.places.items()}


class LogRow(Struct, frozen=True, omit_defaults=True):
    """One record; `at` is seconds since 1970 by the clock of this machine."""

    at: float
    program: str
    text: str
    level: str = ""
    source: str = ""


class LogTail(Struct, frozen=True, omit_defaults=True):
    """The answer: records in the order of their time."""

    records: list[LogRow] = []
    places: Mapping[str, PagePlace] = {}
    more: int = 0
    """Records that are left out: the oldest ones."""
    note: str = ""
    """Why there is no answer of the host's."""


def log_wish(text: bytes) -> LogWish:
    """The wish in a request. Raises WrongInput."""
    try:
        return decode(text, type=LogWish)
    except (DecodeError, ValidationError) as error:
        raise WrongInput(f"this names no log: {reason(error)}") from error


def asked_host(hosts: Sequence[Host], wish: LogWish) -> Host:
    """The host of a wish, among those that the page shows. Raises WrongInput."""
    known = {host.name: host for host in hosts}
    if wish.host not in known:
        raise WrongInput(f"unknown host '{wish.host}'{hint(wish.host, known)}")
    return known[wish.host]


def log_tail(records: Iterable[Record], places: Mapping[str, Place]) -> LogTail:
    """The newest of the records that fit in."""
    every, room = list(records), SIGNS
    rows: list[LogRow] = []
    for one in reversed(every[-RECORDS:]):
        row = _row(one)
        if rows and len(row.text) > room:
            break
        room -= len(row.text)
        rows.append(row)
    told = {path: (str(number), byte, mark) for path, (number, byte, mark) in places.items()}
    return LogTail(rows[::-1], told, len(every) - len(rows))


def _row(one: Record) -> LogRow:
    text = "\n".join(map(shown, one.lines))
    cut = f"{text[:SIGNS]} ..." if len(text) > SIGNS else text
    return LogRow(round(one.when, 3), printable(one.program), cut, one.level, shown(one.source))
