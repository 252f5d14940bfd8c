"""`fab -H node1,node2 run uptime`: one command on all chosen hosts at once."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, JSON, PACE, TIMINGS, sharing


@sharing(
    CHOICE,
    PACE,
    TIMINGS,
    JSON,
    positional=["words"],
    words="the command, as one argument; the host's sh runs it as root",
)
def run(c: Any, options: Options, words: str) -> None:
    """Run one shell command on all chosen hosts at once, each with its own outcome."""
    from ..tasks import command as job

    job.run(c, words, options)
