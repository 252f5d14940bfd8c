"""What `fab watch` knows, kept from one look to the next and over its own end, in a 0600 file of the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode, encode

from ..errors import Locked, Problem, reason
from ..inventory import Fleet
from ..local import cache_dir, cached, write_whole
from .changes import Known, pending
from .outbox import Outbox
from .seen import DOCTOR
from .speed import Speed

FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""The kernel's number for the one that it starts with (PROC_PID_INIT_INO)."""


class Remembered(Struct, frozen=True):
    """The faults that are known, the speed of the crawl, and the messages that wait."""

    known: dict[str, Known] = {}
    speed: Speed | None = None
    outboxes: dict[str, Outbox] = {}
    """By the names of the sinks."""
    doctor_at: float = 0.0
    """Doctor looked last then."""

    def doctor_due(self, now: float, every: float, patience: float) -> bool:
        """Whether doctor looks now: seldom, but soon again while one of its findings is still to be told."""
        waits = pending(self.known, DOCTOR, self.doctor_at)
        return not 0 <= now - self.doctor_at < (min(every, patience) if waits else every)


def place(fleet: Fleet) -> Path:
    """The file for this cluster of this hosts.toml. Raises NoCache."""
    digest = hashlib.sha256(os.fsencode(fleet.path.resolve())).hexdigest()[:16]
    return cache_dir("watch") / f"{fleet.cluster.name}-{digest}.json"


def recalled(path: Path) -> Remembered:
    """What was kept; nothing where there is nothing yet. Raises Problem where it can't be read."""
    try:
        return decode(path.read_bytes(), type=Remembered)
    except FileNotFoundError:
        return Remembered()
    except OSError as error:
        raise Problem(f"{path}: can't be read: {reason(error)}") from error
    except (DecodeError, ValidationError) as error:
        raise Problem(f"{path}: is damaged ({reason(error)}); remove it: each fault is then told anew") from error


def keep(path: Path, kept: Remembered) -> None:
    """Put it in place of what was kept before. Raises Problem."""
    try:
        write_whole(path, encode(kept).decode())
    except OSError as error:
        raise Problem(f"{path}: can't be written: {reason(error)}") from error


def runs(path: Path) -> bool | None:
    """Whether a process of this user watches the cluster from here; it is not disturbed by the question.

    None where that can't be seen: without /proc/locks (macOS), or where the process may be outside this container.
    """
    lock = path.with_suffix(".lock")
    try:
        inode = str(lock.stat().st_ino)
    except FileNotFoundError:
        # It is made before the first look.
        return False
    except OSError:
        return None
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return None
    # Some file systems tell another device there than in a stat: the number of the file alone may be another's.
    pids = {words[4] for words in lines if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode}
    found = {_holds(pid, lock) for pid in pids}
    if True in found:
        return True
    return None if None in found or not _sees_all() else False


def _holds(pid: str, path: Path) -> bool | None:
    try:
        return any(fd.samefile(path) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.exists())
    except FileNotFoundError:
        return False
    except OSError:
        return None


def _sees_all() -> bool:
    """Whether /proc/locks tells of all processes of this machine; in a PID namespace it leaves out those outside."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == FIRST_PID_NAMESPACE
    except OSError:
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Only one process watches a cluster from here. Raises Locked where another one does, and NoCache."""
    with cached(path.with_suffix(".lock")):
        lock = path.with_suffix(".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked("another `fab watch` watches this cluster from here already") from None
        yield
