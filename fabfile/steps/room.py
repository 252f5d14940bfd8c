"""Free space on a host, known before anything is sent there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .base import Action, Found, Probe
from .shell import cmd

SCRATCH = "/tmp"  # noqa: S108  where the exchange itself keeps what it was sent
UNPACKED_MB, BUILD_MB, SOURCES_MB, PACKED_MB = 85, 260, 36, 24
"""Megabytes of a runtime, of the folder in which it is built and packed, of what it is made from, and of it packed."""
PROGRAMS, PACKAGES, CACHE = "/opt/pyspider", "/usr", "/var"


@dataclass(frozen=True, slots=True)
class Need:
    """Room for one thing below a directory (one of those above)."""

    path: str
    megabytes: int
    what: str


@dataclass(frozen=True, slots=True)
class Room:
    """Looks how much room there is where bootstrap writes. It changes nothing by itself."""

    name: str = "room"

    def probe(self) -> Probe:
        return Probe(
            _LOOK.format(paths=cmd(PROGRAMS, PACKAGES, CACHE, SCRATCH), scratch=SCRATCH, build=f"{PROGRAMS}/build")
        )

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


# TMPDIR is that of the exchange.
_LOOK = """\
for path in {paths}; do
  where=$path
  [ "$path" != {scratch} ] || where=${{TMPDIR:-{scratch}}}
  until [ -d "$where" ]; do where=${{where%/*}}; where=${{where:-/}}; done
  echo "room $path $(df -Pk "$where" 2>/dev/null | tail -n 1)"
done
[ ! -d {build} ] || echo "begun $(du -sk {build} 2>/dev/null)"
"""


def room_to_ship(archive: Path | None) -> list[Need]:
    """The room that a runtime takes on a host that gets it packed."""
    packed = archive.stat().st_size >> 20 if archive else PACKED_MB
    return [Need(PROGRAMS, UNPACKED_MB, "Python"), Need(SCRATCH, packed, "its archive")]


def room_to_build() -> list[Need]:
    """The same on the host that makes it; its compiler comes on top."""
    return [Need(PROGRAMS, UNPACKED_MB + BUILD_MB, "Python and its build"), Need(SCRATCH, SOURCES_MB, "its sources")]


def short(found: Found, needs: Iterable[Need]) -> str:
    """The file systems that have too little room, each with what is free and what is needed; empty without any.

    One that is not seen is not judged.
    """
    places = dict(filter(None, (_place(row) for row in found.rows("room"))))
    # A build that was stopped goes on with what it has there.
    begun = sum(int(row.split()[0]) >> 10 for row in found.rows("begun") if row.split()[0].isdigit())
    wanted: dict[tuple[str, int], list[Need]] = {}
    for one in needs:
        if one.path in places:
            wanted.setdefault(places[one.path], []).append(one)
    return "; ".join(
        _sentence(*place, several)
        for place, several in wanted.items()
        if _sum(several) - (begun if any(one.path == PROGRAMS for one in several) else 0) > place[1]
    )


def _place(row: str) -> tuple[str, tuple[str, int]] | None:
    """A directory, and the file system that it is in: where that is mounted, and its free megabytes."""
    words = row.split(None, 6)
    return (words[0], (words[6], int(words[4]) >> 10)) if len(words) == 7 and words[4].isdigit() else None


def _sum(needs: Iterable[Need]) -> int:
    return sum(one.megabytes for one in needs)


def _sentence(mount: str, free: int, needs: Sequence[Need]) -> str:
    each = ", ".join(f"{one.what} {one.megabytes}" for one in needs)
    return f"{mount} has {free} MB free, and about {_sum(needs)} are needed there ({each})"
