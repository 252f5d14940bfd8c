"""Ctrl-C in a run: the first one ends it in good order, the second at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from ..errors import INTERRUPTED

AGAIN = "\nfab: interrupted again; the work on the hosts ends within ten seconds\n"
SHOW_CURSOR = "\033[?25h"


def arm() -> None:
    """Let the first Ctrl-C raise KeyboardInterrupt and the second one end this process, until `early.at_once`.

    Nothing is done where Ctrl-C is ignored, belongs to somebody else, or has come already.
    """
    before = signal.getsignal(signal.SIGINT)
    idle = before is signal.default_int_handler or (getattr(before, "of_fab", False) and before is not _second)
    if idle and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _first)


def _first(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _second)
    raise KeyboardInterrupt


def _second(_number: int, _frame: FrameType | None) -> NoReturn:
    # An unfinished print may hold a lock: so this goes straight to the file.
    cursor = SHOW_CURSOR if os.isatty(2) else ""
    try:
        os.write(2, f"{cursor}{AGAIN}".encode())
    finally:
        os._exit(INTERRUPTED)


for _handler in (_first, _second):
    _handler.of_fab = True  # type: ignore[attr-defined]


def leave(status: int, text: str | None) -> NoReturn:
    """Say the last word and end this process; Python itself would wait for a thread that a hung host holds."""
    from ..runs.streams import ending

    if text:
        sys.stderr.write(f"{text}\n")
    status = ending(status)
    sys.stderr.flush()
    # Temporary files go.
    atexit._run_exitfuncs()
    os._exit(status)
