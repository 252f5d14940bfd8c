"""`fab passwords.rotate`: new passwords for the stores and the web UI."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import DRY, JSON, LOCK, TIMINGS, sharing

NAME = "only these passwords (mysql, redis, webui); the same as words after the task"


@sharing(DRY, LOCK, TIMINGS, JSON, name=NAME)
def rotate(c: Any, options: Options, name: str = "") -> None:
    """Make new passwords for MySQL, Redis and the web UI, or for those named; the crawl goes on.

    The old ones are valid until every program has restarted with the new ones, in turns. A run that was stopped, or
    that could not reach every host, is finished by the next one.
    """
    from ..tasks import passwords as job

    job.rotate(c, options, words(name))
