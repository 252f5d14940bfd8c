"""The newest note of each kind, put there by any thread and sent to every browser that looks (server-sent events)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

BEAT_SECONDS = 10.0
"""A browser that is gone is noticed when something is sent to it."""
BEAT = b": beat\n\n"


class Board:
    """A slow browser skips notes that are no longer the newest of their kind; it never holds up others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._number = 0
        self._waking: list[Callable[[], object]] = []
        self._browsers = 0
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether a browser looks."""
        return self._browsers > 0

    def put(self, kind: str, data: bytes) -> None:
        """Replace the note of that kind; `data` is JSON on one line."""
        with self._lock:
            self._number += 1
            self._newest[kind] = (self._number, b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        self._wake()

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._wake()

    async def ended(self) -> None:
        """Wait until the board is closed."""
        with self._waked() as changed:
            while not self._closed:
                changed.clear()
                await changed.wait()

    async def notes(self, beat: float = BEAT_SECONDS) -> AsyncIterator[bytes]:
        """The newest notes, and each later one, until the board is closed."""
        seen, self._browsers = 0, self._browsers + 1
        try:
            with self._waked() as changed:
                yield BEAT
                while not self._closed:
                    changed.clear()
                    for number, note in self._since(seen):
                        seen = number
                        yield note
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), beat)
                    if not changed.is_set():
                        yield BEAT
        finally:
            self._browsers -= 1

    def _since(self, number: int) -> list[tuple[int, bytes]]:
        with self._lock:
            return sorted(one for one in self._newest.values() if one[0] > number)

    @contextmanager
    def _waked(self) -> Iterator[asyncio.Event]:
        """An event of this loop that is set by each change of the board."""
        changed = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        self._waking.append(wake)
        try:
            yield changed
        finally:
            self._waking.remove(wake)

    def _wake(self) -> None:
        for wake in list(self._waking):
            # A loop that has ended needs no waking.
            with suppress(RuntimeError):
                wake()
