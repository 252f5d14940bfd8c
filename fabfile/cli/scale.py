"""`fab scale`: another number of programs of a role."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import CHOICE, DRY, JSON, LOCK, PACE, TIMINGS, sharing

CHOSEN = {name: text for name, text in CHOICE.items() if name != "role"}
ROLE = {"role": "of the hosts that have the role, only those that have one of these as well (comma-separated)"}
NAME = "a role and its number on each host, like processor=6; the same as words after the task"
CAREFUL = {name: text for name, text in PACE.items() if name != "retry_failed"}


@sharing(CHOSEN, ROLE, CAREFUL, DRY, LOCK, TIMINGS, JSON, name=NAME)
def scale(c: Any, options: Options, name: str = "") -> None:
    """Write another number of programs (processor=6) into hosts.toml, and deploy it; siblings run on.

    It is the number on each host that has the role, or of those that -H names. Nothing else in hosts.toml changes.
    """
    from ..tasks import scale as job

    job.scale(c, options, words(name))
