"""`fab releases` and `fab rollback`: what was deployed before, and the way back to it."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, DRY, JSON, LOCK, TIMINGS, sharing

ROLE = {"role": "only programs of these roles (comma-separated); no other program is restarted"}


@sharing(CHOICE, JSON, diff="show what each release changed, as unified diffs without passwords")
def releases(c: Any, options: Options, diff: bool = False) -> None:
    """Show the releases that each host keeps, which one is current, and what each has changed."""
    from ..tasks import releases as job

    job.releases(c, options, diff)


@sharing(CHOICE | ROLE, DRY, LOCK, TIMINGS, JSON, to="a release or a deploy, as `fab releases` names it")
def rollback(c: Any, options: Options, to: str = "") -> None:
    """Go back to what ran before the last deploy, or to a release that is still there; the next deploy goes forward.

    Configuration, launcher and Python go back, and the programs that differ restart, in the order of the crawl.
    Hosts of which the last deploy changed nothing stay as they are. A host where the release is not there is
    left as it is.
    """
    from ..tasks import releases as job

    job.rollback(c, options, to)
