"""`fab doctor`: each fault, its cause, and the command that fixes it."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task


@task(help={"fix": "fix the faults that need no decision, then look again", "json": "print one JSON object"})
def doctor(c: Any, fix: bool = False, json: bool = False) -> None:
    """Name each fault on the hosts, its cause, and the command that fixes it (exit status 0: there is none).

    Changes nothing without --fix.
    """
    from ..tasks import doctor as job

    job.doctor(c, fix, json)
