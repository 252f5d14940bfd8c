"""The slowest pages of a cluster, and those that fail most: a walk over the tasks in MySQL, a bounded piece at a time.

pyspider 0.3.10 keeps a project's tasks in a table of its name (database/mysql/taskdb.py): its keys are hashes of
addresses, and its only other index is that of the status. So a piece of the walk is a stretch of keys: it reads rows
that lie together, and is a fair sample of a table that is too large to be read as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import Decoder

from ..inventory import TLS
from . import mysql
from .deadline import Open
from .words import SECONDS

if TYPE_CHECKING:
    from pymysql.connections import Connection

ROWS = 2000
"""Tasks that one piece of the walk reads, of all projects together."""
LEAST = 100
"""Those of one project at least."""
FAILED_ROWS = 200
"""Failed tasks of which as many are read beside them, of all projects together."""
KEPT = 10
"""The pages that are told, of each kind."""
PROJECTS = 50
FAILED = 3
"""The status of a task that was given up."""
NO_ANSWER = 599
SIGNS = 300
"""The most characters of an address, and of a reason."""


class _Fetch(Struct, frozen=True):
    ok: bool = True
    time: float | None = None
    status_code: int | None = None
    error: str | None = None


class _Process(Struct, frozen=True):
    ok: bool = True
    time: float | None = None
    exception: str | None = None


class _Track(Struct, frozen=True):
    fetch: _Fetch | None = None
    process: _Process | None = None


class _Schedule(Struct, frozen=True):
    retried: int | None = None


# Here, once: msgspec crashes where two threads examine a type at the same time.
_TRACK, _SCHEDULE = Decoder(_Track), Decoder(_Schedule)


@dataclass(frozen=True, slots=True)
class CrawledPage:
    """A page as its last crawl left it."""

    project: str
    id: str
    url: str
    at: float
    """Its last crawl, in seconds since 1970."""
    fetching: float = 0.0
    """Seconds."""
    processing: float = 0.0
    """Seconds."""
    tries: int = 0
    """How often it failed in a row; 0 where its last crawl went well."""
    given_up: bool = False
    why: str = ""
    """Its last error."""

    @property
    def seconds(self) -> float:
        return self.fetching + self.processing


@dataclass(frozen=True, slots=True)
class Walk:
    """What was seen so far. A walk that has come to the end of a table begins there anew."""

    places: Mapping[str, str] = field(default_factory=dict)
    """The last key that was read, by project."""
    slow: tuple[CrawledPage, ...] = ()
    """The slowest first."""
    failing: tuple[CrawledPage, ...] = ()
    """Those that failed most often first; of equal ones the newest."""
    errors: Mapping[str, CrawledPage] = field(default_factory=dict)
    """The newest failure of each project."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Tasks that were read, by project: since the walk's last beginning there."""
    whole: frozenset[str] = frozenset()
    """The projects that were read as a whole, once at least."""
    rows: int = 0
    """About so many tasks there are."""

    @property
    def read(self) -> int:
        return sum(self.seen.values())


def walked(
    open: Open,
    user: str,
    password: str,
    database: str,
    before: Walk,
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
) -> Walk:
    """The walk, a piece further; pages that are told are looked at anew. Raises Problem."""
    with mysql.connected(open, user, password, seconds, tls) as connection:
        tables = dict(_tables(connection, database))
        read = max(LEAST, ROWS // max(1, len(tables)))
        pieces = [_piece(connection, database, name, before, read) for name in tables]
        told = list(_again(connection, database, tables, (*before.slow, *before.failing)))
        failed = list(_failed(connection, database, tables))
    return after(before, tables, pieces, [*told, *failed])


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a project's tasks."""

    project: str
    pages: list[CrawledPage]
    read: int
    place: str
    """Its last key."""
    ended: bool
    """Whether no key follows."""


def _tables(connection: Connection[Any], database: str) -> Iterator[tuple[str, int]]:
    """The projects that have tasks, with about how many: the largest first."""
    query = (
        "SELECT table_name, table_rows FROM information_schema.tables "
        "WHERE table_schema = %s ORDER BY table_rows DESC LIMIT %s"
    )
    for name, count in mysql.rows(connection, query, (database, PROJECTS)):
        if re.fullmatch(r"\w+", _text(name)):
            yield _text(name), int(count or 0)


_COLUMNS = "taskid, url, status, schedule, track, lastcrawltime"


def _piece(connection: Connection[Any], database: str, project: str, before: Walk, count: int) -> Stretch:
    place = before.places.get(project, "")
    query = f"SELECT {_COLUMNS} FROM {mysql.table(database, project)} WHERE taskid > %s ORDER BY taskid LIMIT %s"
    found = mysql.rows(connection, query, (place, count), missing_ok=True)
    last = _text(found[-1][0]) if found else ""
    return Stretch(project, list(crawled(project, found)), len(found), last, len(found) < count)


def _again(
    connection: Connection[Any], database: str, tables: Iterable[str], told: Iterable[CrawledPage]
) -> Iterator[CrawledPage]:
    """The pages that are told already, as they are now."""
    for project in tables:
        if ids := sorted({one.id for one in told if one.project == project}):
            query = f"SELECT {_COLUMNS} FROM {mysql.table(database, project)} WHERE taskid IN %s"
            yield from crawled(project, mysql.rows(connection, query, (ids,), missing_ok=True))


def _failed(connection: Connection[Any], database: str, tables: Mapping[str, int]) -> Iterator[CrawledPage]:
    """Some that were given up, by the index of the status."""
    count = max(10, FAILED_ROWS // max(1, len(tables)))
    for project in tables:
        query = f"SELECT {_COLUMNS} FROM {mysql.table(database, project)} WHERE status = %s LIMIT %s"
        yield from crawled(project, mysql.rows(connection, query, (FAILED, count), missing_ok=True))


def crawled(project: str, found: Iterable[tuple[Any, ...]]) -> Iterator[CrawledPage]:
    """The pages among tasks: those that were crawled, and that can be read."""
    for key, url, status, schedule, track, at in found:
        if at:
            yield _page(
                project, _text(key), _text(url), int(status or 0), _schedule(schedule), _track(track), float(at)
            )


def _page(project: str, key: str, url: str, status: int, schedule: _Schedule, track: _Track, at: float) -> CrawledPage:
    fetch, process = track.fetch or _Fetch(), track.process or _Process()
    failed = status == FAILED or not (fetch.ok and process.ok)
    # The first try is none of the retries; a task that waits for its next one has that one counted already.
    tries = (schedule.retried or 0) + (status == FAILED) if failed else 0
    why = _why(fetch, process) if failed else ""
    times = (max(0.0, fetch.time or 0.0), max(0.0, process.time or 0.0))
    return CrawledPage(project, key, url[:SIGNS], at, *times, max(1, tries) if failed else 0, status == FAILED, why)


def _why(fetch: _Fetch, process: _Process) -> str:
    if process.exception and fetch.ok:
        return process.exception[:SIGNS]
    # 599 is tornado's word for no answer at all.
    code = f"HTTP {fetch.status_code}" if fetch.status_code and fetch.status_code < NO_ANSWER else ""
    return (code or fetch.error or process.exception or "")[:SIGNS]


def _track(text: Any) -> _Track:
    try:
        return _TRACK.decode(text or b"{}")
    except (DecodeError, ValidationError):
        return _Track()


def _schedule(text: Any) -> _Schedule:
    try:
        return _SCHEDULE.decode(text or b"{}")
    except (DecodeError, ValidationError):
        return _Schedule()


def after(before: Walk, tables: Mapping[str, int], pieces: Iterable[Stretch], others: Iterable[CrawledPage]) -> Walk:
    pieces = list(pieces)
    seen = {
        one.project: one.read + (before.seen.get(one.project, 0) if before.places.get(one.project) else 0)
        for one in pieces
    }
    known = {(one.project, one.id): one for piece in pieces for one in piece.pages}
    known |= {(one.project, one.id): one for one in others}
    every = list(known.values())
    failing = sorted((one for one in every if one.tries), key=lambda one: (-one.tries, -one.at))
    errors = {name: one for name, one in before.errors.items() if name in tables}
    for one in sorted(failing, key=lambda one: one.at):
        if one.project not in errors or errors[one.project].at <= one.at:
            errors[one.project] = one
    ended = {one.project for one in pieces if one.ended}
    return Walk(
        {one.project: "" if one.ended else one.place for one in pieces},
        tuple(sorted((one for one in every if one.seconds > 0), key=lambda one: -one.seconds)[:KEPT]),
        tuple(failing[:KEPT]),
        errors,
        seen,
        (before.whole | ended) & set(tables),
        max(sum(tables.values()), sum(seen.values())),
    )


def _text(raw: object) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
