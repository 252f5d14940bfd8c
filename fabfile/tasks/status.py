"""`fab status`: every host, program, store and queue, at once, and whether it is well."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task

from ..options import Options
from .flags import CHOICE, JSON


@task(help=JSON | CHOICE)
def status(c: Any, json: bool = False, role: str = "", limit: str = "", exclude: str = "") -> None:
    """Show every host, program, store and queue, and whether all of it is well (exit status 0)."""
    from ..jobs import status as job

    job.status(c, Options(role, limit, exclude, json=json))
