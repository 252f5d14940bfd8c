"""The figures of the last hours, and what happened in them: in SQLite, in a 0600 file of the user's cache."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from ..errors import Problem, reason

POINTS = 360
"""The most points of a line: more than a chart has room for tell nothing."""
BUSY_SECONDS = 5.0
"""The wait for another process that writes into the same file."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS points (at INTEGER, name TEXT, value REAL, PRIMARY KEY (at, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS notes (at REAL, area TEXT, kind TEXT, text TEXT, lasted REAL)",
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
)


class Series(Struct, frozen=True):
    """Lines over one axis of time, in seconds since 1970; None where nothing is known."""

    at: list[int]
    lines: dict[str, list[float | None]]


class Note(Struct, frozen=True):
    """Something that happened; `at` is seconds since 1970."""

    at: float
    area: str
    kind: str
    text: str
    lasted: float = 0.0
    """Seconds."""


class Chronicle:
    """The past of one cluster, used by several threads. Every method raises Problem where the file can't be used."""

    def __init__(self, path: Path, seconds: float) -> None:
        """What is older than so many seconds is forgotten."""
        self._path, self._seconds = path, seconds
        self._lock = threading.Lock()
        with self._open() as there:
            for table in TABLES:
                there.execute(table)

    def add(self, at: float, values: Mapping[str, float]) -> None:
        """Keep the figures of one moment."""
        rows = [(int(at), name, value) for name, value in values.items()]
        with self._open() as there:
            there.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", rows)
            there.execute("DELETE FROM points WHERE at < ?", (int(at - self._seconds),))

    def note(self, notes: Sequence[Note]) -> None:
        """Keep what happened, for as long as the figures."""
        if not notes:
            return
        rows = [(one.at, one.area, one.kind, one.text, one.lasted) for one in notes]
        with self._open() as there:
            there.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", rows)
            there.execute("DELETE FROM notes WHERE at < ?", (notes[-1].at - self._seconds,))

    def notes(self, area: str, most: int) -> list[Note]:
        """What happened last in an area, the newest first."""
        query = "SELECT at, area, kind, text, lasted FROM notes WHERE area = ? ORDER BY at DESC, rowid DESC LIMIT ?"
        with self._open() as there:
            return [Note(*row) for row in there.execute(query, (area, most))]

    def keep(self, name: str, value: bytes) -> None:
        """Put a value in the place of the one of that name."""
        with self._open() as there:
            there.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))

    def kept(self, name: str) -> bytes | None:
        """The value of that name."""
        with self._open() as there:
            found = there.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def series(self, seconds: float, now: float) -> Series:
        """The lines of the last `seconds`; where there are too many points, each is an average."""
        step = max(1, int(seconds / POINTS))
        query = (
            "SELECT at / ? * ?, name, avg(value) FROM points WHERE at > ? AND at <= ? GROUP BY at / ?, name ORDER BY 1"
        )
        with self._open() as there:
            found = there.execute(query, (step, step, int(now - seconds), int(now), step)).fetchall()
        moments = sorted({at for at, _, _ in found})
        place = {at: number for number, at in enumerate(moments)}
        lines: dict[str, list[float | None]] = {
            name: [None] * len(moments) for name in sorted({row[1] for row in found})
        }
        for at, name, value in found:
            lines[name][place[at]] = round(value, 2)
        return Series(moments, lines)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            with self._lock, closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as there, there:
                yield there
        except sqlite3.DatabaseError as error:
            raise Problem(f"{self._path}: {error}; remove it: only the page's past is in it") from error
        except OSError as error:
            raise Problem(f"{self._path}: {reason(error)}; only the page's past is in it") from error
