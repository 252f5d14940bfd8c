"""Ctrl-C: the first one ends a run in good order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
AGAIN = "\nfab: interrupted again; what had been begun on the hosts ends there within ten seconds\n"
SHOW_CURSOR = "\033[?25h"


def arm() -> None:
    """From now on the first Ctrl-C raises KeyboardInterrupt and a second one ends this process; nothing where Ctrl-C is
    ignored, or belongs to somebody else."""
    mine = threading.current_thread() is threading.main_thread()
    if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


def _first(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _second)
    raise KeyboardInterrupt


def _second(_number: int, _frame: FrameType | None) -> NoReturn:
    # Whatever is being printed may hold a lock: so straight to the file.
    cursor = SHOW_CURSOR if os.isatty(2) else ""
    os.write(2, f"{cursor}{AGAIN}".encode())
    os._exit(INTERRUPTED)


def leave(status: int, text: str | None) -> NoReturn:
    """Say the last word and end this process; Python itself would wait for a thread that a hung host holds."""
    if text:
        sys.stderr.write(f"{text}\n")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
