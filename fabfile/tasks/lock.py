"""`fab lock.…`: who is changing the cluster right now."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task


@task
def status(c: Any) -> None:
    """Show who is changing the cluster right now; exit status 4 if somebody is."""
    from ..jobs import lock as job

    job.status(c)


@task
def release(c: Any) -> None:
    """Take the lock away from whoever holds it, for example when that machine is gone for good."""
    from ..jobs import lock as job

    job.release(c)
