"""`fab lock.…`: the holder of the cluster's lock."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import sharing

JSON = {"json": "print one JSON object: the cluster, and the owner or null"}


@sharing(JSON)
def status(c: Any, options: Options) -> None:
    """Show the user who is changing the cluster right now; exit status 4 if there is one."""
    from ..tasks import lock as job

    job.status(c, options)


@sharing(JSON)
def release(c: Any, options: Options) -> None:
    """Take the lock away from its holder, for example when that machine is gone for good."""
    from ..tasks import lock as job

    job.release(c, options)
