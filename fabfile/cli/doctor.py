"""`fab doctor`: what is wrong, why, and the command that mends it."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task


@task(help={"fix": "mend what is fixable, then look again", "json": "print one JSON object"})
def doctor(c: Any, fix: bool = False, json: bool = False) -> None:
    """Name what is wrong on the hosts, why, and the command that mends it (exit status 0: nothing is wrong).

    Changes nothing without --fix.
    """
    from ..tasks import doctor as job

    job.doctor(c, fix, json)
