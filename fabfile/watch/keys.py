"""Keyboard from a terminal, one by one, without echo; the terminal is as before afterwards."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import Any

SPECIAL = {"\x1b[A": "up", "\x1b[B": "down", "\x1b[5~": "page up", "\x1b[6~": "page down", "\x7f": "back", "\b": "back"}
SPECIAL |= {"\r": "enter", "\n": "enter", "\x1b": "escape"}
MOST_BYTES = 64
"""Of one read; several keys may have been typed since the last one."""


class Keyboard:
    """The keyboard while the block lasts."""

    def __init__(self) -> None:
        self._handle = sys.stdin.fileno()
        self._before: list[Any] = []
        self._typed = ""

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._handle)
        # Ctrl-C stays a signal.
        tty.setcbreak(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # One that is gone has nothing to be put back.
        with suppress(termios.error):
            termios.tcsetattr(self._handle, termios.TCSADRAIN, self._before)

    def read(self, seconds: float) -> str:
        """The next key: a character, or a word of SPECIAL; empty after `seconds`, `q` where the terminal is gone."""
        if not self._typed:
            ready, _, _ = select.select([self._handle], [], [], max(0.0, seconds))
            if not ready:
                return ""
            try:
                self._typed = os.read(self._handle, MOST_BYTES).decode(errors="replace")
            except OSError:
                self._typed = ""
            if not self._typed:
                return "q"
        return self._next()

    def _next(self) -> str:
        """The first of the keys that were typed; one that means nothing is empty."""
        # The longest first: an arrow begins as Escape does.
        key = next((one for one in sorted(SPECIAL, key=len, reverse=True) if self._typed.startswith(one)), "")
        taken = key or self._typed[0]
        self._typed = self._typed[len(taken) :]
        return SPECIAL[key] if key else taken if taken.isprintable() else ""
