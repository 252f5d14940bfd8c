"""`fab status`: every host, program, store and queue, at once, and whether it is well."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, JSON, TIMINGS, sharing


@sharing(JSON, CHOICE, TIMINGS, watch="show it on one screen, anew every two seconds, with rates and trends; q ends it")
def status(c: Any, options: Options, watch: bool = False) -> None:
    """Show every host, program, store and queue, and whether all of it is well (exit status 0)."""
    if watch:
        from ..tasks import live

        live.watch(c, options)
        return
    from ..tasks import status as job

    job.status(c, options)
