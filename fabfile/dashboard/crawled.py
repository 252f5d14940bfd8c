"""The slowest and the most failing pages, as the page of `fab dashboard` is told them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..errors import printable
from ..health.pages import CrawledPage, Walk


class PageRow(Struct, frozen=True, omit_defaults=True):
    """One page; `at` is its last crawl, in seconds since 1970."""

    project: str
    url: str
    at: int
    fetching: float = 0.0
    """Seconds."""
    processing: float = 0.0
    """Seconds."""
    tries: int = 0
    """How often it failed in a row."""
    given_up: bool = False
    why: str = ""


class PagesTold(Struct, frozen=True, omit_defaults=True):
    """What the walk over the tasks has seen."""

    at: int
    """In seconds since 1970."""
    read: int = 0
    """Tasks that were read."""
    rows: int = 0
    """About so many there are."""
    whole: bool = False
    """Whether all of them were read, once at least."""
    slow: list[PageRow] = []
    failing: list[PageRow] = []
    errors: Mapping[str, PageRow] = {}
    """The newest failure of each project."""
    note: str = ""
    """Why the last look failed."""


def pages_told(walk: Walk, at: float, note: str = "") -> PagesTold:
    """The walk's pages; those of the last look that went well, where there is a note."""
    return PagesTold(
        int(at),
        walk.read,
        walk.rows,
        bool(walk.seen) and walk.whole >= set(walk.seen),
        [_row(one) for one in walk.slow],
        [_row(one) for one in walk.failing],
        {printable(name): _row(one) for name, one in walk.errors.items()},
        note,
    )


def _row(one: CrawledPage) -> PageRow:
    times = (round(one.fetching, 2), round(one.processing, 2))
    return PageRow(
        printable(one.project), printable(one.url), int(one.at), *times, one.tries, one.given_up, printable(one.why)
    )
