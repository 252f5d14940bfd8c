"""Waiting for handles, and for ssh's word that it is logged in."""

from __future__ import annotations

import os
import select
import shlex
from pathlib import Path


class Signal:
    """A FIFO into which ssh lets a word be written when it is logged in (LocalCommand)."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)

    @property
    def options(self) -> tuple[str, ...]:
        """ssh's options for it."""
        path = shlex.quote(str(self._path)).replace("%", "%%")
        return ("PermitLocalCommand=yes", f"LocalCommand=echo >{path}")

    @property
    def handle(self) -> int:
        return self._file.fileno()

    def given(self) -> bool:
        """Whether it has come; once it has, it is not taken away."""
        return bool(ready(0, (self.handle, select.POLLIN)))

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def ready(seconds: float, *handles: tuple[int, int]) -> list[tuple[int, int]]:
    """The handles that are ready, or have ended, within that time."""
    poll = select.poll()
    for handle, event in handles:
        poll.register(handle, event)
    return poll.poll(max(0.0, seconds) * 1000)
