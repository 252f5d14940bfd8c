"""What a host has, and what it and its programs use of it: parts of its answers."""

from __future__ import annotations

from .situation import Part


class Disk(Part, frozen=True):
    """A file system, by the path that led to it. `free` is bytes."""

    path: str
    bytes: int
    free: int
    inodes: int
    inodes_free: int


class Memory(Part, frozen=True):
    """Bytes of memory: all of it, and how much programs can still get."""

    bytes: int
    free: int


class Spent(Part, frozen=True):
    """What a program's processes use."""

    cpu: float
    """Seconds of CPU since they began."""
    memory: int
    """Bytes; what several processes share counts in each."""


class HostSpent(Part, frozen=True):
    """What a host uses: seconds of all its cores since its boot, and its room."""

    at: float
    """Its own clock, in seconds since 1970."""
    cores: int
    load: float
    """Processes that wanted to run, on average over a minute."""
    busy: float
    all: float
    memory: Memory | None
    disks: tuple[Disk, ...]
