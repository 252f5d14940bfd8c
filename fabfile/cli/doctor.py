"""`fab doctor`: each fault, its cause, and the command that fixes it."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, JSON, LOCK, sharing


@sharing(
    JSON,
    CHOICE,
    LOCK,
    fix="fix the faults that need no decision, then look again",
    sudoers="only print the lines for sudo that the hosts' logins need; no host is asked",
)
def doctor(c: Any, options: Options, fix: bool = False, sudoers: bool = False) -> None:
    """Name each fault on the hosts, its cause, and the command that fixes it (exit status 0: there is none).

    Changes nothing without --fix.
    """
    from ..tasks import doctor as job
    from ..tasks import sudoers as lines

    if sudoers:
        lines.sudoers(c, options, fix)
    else:
        job.doctor(c, options, fix)
