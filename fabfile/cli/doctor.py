"""`fab doctor`: each fault, its cause, and the command that fixes it."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, JSON, sharing


@sharing(JSON, CHOICE, fix="fix the faults that need no decision, then look again")
def doctor(c: Any, options: Options, fix: bool = False) -> None:
    """Name each fault on the hosts, its cause, and the command that fixes it (exit status 0: there is none).

    Changes nothing without --fix.
    """
    from ..tasks import doctor as job

    job.doctor(c, options, fix)
