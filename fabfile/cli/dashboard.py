"""`fab dashboard`: one cluster as a page in the browser."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, sharing


@sharing(
    CHOICE,
    port="the port of 127.0.0.1 at which it listens; 0 takes any free one (8000)",
    keep="hours for which rates, queues and what happened are kept on this machine (24)",
    read_only="show only: no program is started or stopped from the page, and nothing is fixed",
)
def dashboard(c: Any, options: Options, port: str = "8000", keep: str = "24", read_only: bool = False) -> None:
    """Show the cluster as a page in the browser: hosts, programs, logs, queues, projects, findings, alarms, changes.

    The page is for the address that it prints, on this machine alone. It starts, stops and restarts programs, and
    fixes what `fab doctor --fix` would, by the same commands. Ctrl-C ends it, and nothing is left on the hosts.
    """
    from ..tasks import dashboard as job

    job.dashboard(c, options, port, keep, read_only)
