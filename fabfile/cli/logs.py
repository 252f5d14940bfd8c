"""`fab logs`: the logs of all hosts as one."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import CHOICE, JSON, sharing
from .operate import NAME, ROLE

LOGS_JSON = JSON | {"json": "print a JSON object for each record, one a line"}


@sharing(
    LOGS_JSON,
    CHOICE | ROLE,
    name=f"{NAME}; supervisord is one",
    follow="go on with what comes, until Ctrl-C; a host that was away goes on where it was",
    since="no older ones: a length (90s, 10m, 2h, 3d, 1w), or a time of this machine (2026-11-25T10:00)",
    grep="only records in which a line matches this regular expression",
    errors="only errors, equal ones once: how many, the first, the last, and one as an example",
    lines="only the last so many records (100; all with --since or --errors)",
)
def logs(
    c: Any,
    options: Options,
    name: str = "",
    follow: bool = False,
    since: str = "",
    grep: str = "",
    errors: bool = False,
    lines: str = "",
) -> None:
    """Show the logs of all hosts as one, in the order of time; each line with its host and program in front.

    Rotated files are read as well. A record is a line with a stamp and all that follows it, as a traceback does.
    Times are this machine's: other zones, and clocks that are wrong, are put right.
    """
    from ..tasks import logs as job

    job.logs(c, options, job.asked(words(name), since, lines, grep, errors, follow, options.json))
