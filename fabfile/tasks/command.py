"""`fab -H node1,node2 run uptime`: one command on all chosen hosts at once."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task

from ..options import Options
from .flags import CHOICE


@task(positional=["words"], help={"words": "the command, as one argument; the host's sh runs it as root", **CHOICE})
def run(c: Any, words: str, role: str = "", limit: str = "", exclude: str = "") -> None:
    """Run one shell command on all chosen hosts at once, each with its own outcome."""
    from ..jobs import command as job

    job.run(c, words, Options(role, limit, exclude))
