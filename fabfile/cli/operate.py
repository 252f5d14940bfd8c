"""`fab start`, `fab stop`, `fab restart`: programs by name."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options, words
from .flags import CHOICE, DRY, JSON, LOCK, PACE, TIMINGS, sharing

ROLE = {"role": "only programs of these roles (comma-separated), on the hosts that have one"}
NAME = "only these programs (processor1), or all of a role (processor); the same as words after the task"
DRAIN = "seconds to wait for each queue to become empty, where all that fill it have stopped (30)"


@sharing(CHOICE | ROLE, DRY, LOCK, TIMINGS, JSON, name=NAME)
def start(c: Any, options: Options, name: str = "") -> None:
    """Start programs, all or by name, also those that were stopped on purpose.

    Programs that empty a queue start before those that fill it, on all hosts. A second scheduler is refused.
    """
    from ..tasks import operate as job

    job.start(c, options, words(name))


@sharing(CHOICE | ROLE, DRY, LOCK, TIMINGS, JSON, name=NAME, drain=DRAIN)
def stop(c: Any, options: Options, name: str = "", drain: str = "30") -> None:
    """Stop programs, all or by name; they stay stopped until `fab start`.

    That holds over a deploy, a reboot and a crash of supervisord, and status shows it as no fault. Scheduler,
    fetchers, processors and result_workers stop in this order on all hosts, each when its queue is empty.
    """
    from ..tasks import operate as job

    job.stop(c, options, words(name), drain)


@sharing(CHOICE | ROLE, PACE, DRY, LOCK, TIMINGS, JSON, name=NAME, drain=DRAIN)
def restart(c: Any, options: Options, name: str = "", drain: str = "30") -> None:
    """Restart programs, all or by name, half of each role at a time; those that were stopped on purpose stay so.

    Where a role has at least two programs, one of them always runs. The next ones restart when those before ask for
    work, and take and finish messages where there are any; else nothing more is restarted.
    """
    from ..tasks import operate as job

    job.restart(c, options, words(name), drain)
