"""The flags of a task, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import WrongInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags that several tasks share; each has the meaning that its help text tells."""

    role: str = ""
    limit: str = ""
    exclude: str = ""
    retry_failed: bool = False
    batch: str = ""
    max_fail: str = ""
    dry_run: bool = False
    lock_wait: str = "0"
    timings: bool = False
    json: bool = False


def whole_number(flag: str, text: str, least: int) -> int:
    """The value of a flag that takes a number; Invoke's own conversion ends in a traceback. Raises WrongInput."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise WrongInput(f"{flag} {text}: give a whole number from {least} on")
    return int(text)


def words(text: str) -> tuple[str, ...]:
    """The words of a flag that takes several, by comma."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
