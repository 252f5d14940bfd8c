"""The words of a store: how answers and faults are told."""

from __future__ import annotations

from ..errors import reason as why

SECONDS = 10.0
TOLD = 200
"""Characters of a server's own words that are told."""


def told(words: object) -> str:
    """A server's own words: on one line, without signs that would steer a terminal, and not too many of them."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= TOLD else f"{line[:TOLD]}…"


def reason(error: BaseException) -> str:
    """Why a connection failed, in the system's words, as they may be told."""
    return told(why(error))
