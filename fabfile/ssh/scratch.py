"""Folders of one run in the system's temporary directory; the next run removes those of runs that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

PREFIX = "fab-ssh-"
LOCK = "lock"
YOUNG_SECONDS = 60.0
"""A folder that is younger may not be locked yet."""


class Scratch:
    """A folder that nobody else can read; it is there until `cleanup`, or as long as this object."""

    def __init__(self) -> None:
        _sweep()
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._folder.name)
        # The system gives it up with the process, however that ends.
        self._lock = (self.path / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def cleanup(self) -> None:
        self._folder.cleanup()
        self._lock.close()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.cleanup()


@cache
def _sweep() -> None:
    """Once in a process, as it takes a look at all of the directory."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with suppress(OSError):
                _remove_left(folder)


def _remove_left(folder: Path) -> None:
    """Remove a folder of this user's whose run is gone."""
    about = folder.lstat()
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) == 0o700
    if not mine or time.time() - about.st_mtime < YOUNG_SECONDS:
        return
    with (folder / LOCK).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
