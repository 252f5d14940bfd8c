"""What a task's flags say, as one value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The flags that several tasks share; each has the meaning that its help text tells."""

    role: str = ""
    limit: str = ""
    exclude: str = ""
    dry_run: bool = False
    lock_wait: int = 0
    json: bool = False
