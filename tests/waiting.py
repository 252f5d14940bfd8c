"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 3
"""How many times longer anything may take here than by itself: four tests at a time share the cores."""


def eventually(claim: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the claim comes true in time; asked again and again, quickly."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def until(claim: Callable[[], bool], seconds: float) -> None:
    """Waits for a claim to come true; fails when it does not in the seconds that it takes on a machine at rest."""
    deadline = time.monotonic() + BUSY * seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {BUSY} times {seconds:.0f} s"
        time.sleep(0.5)
