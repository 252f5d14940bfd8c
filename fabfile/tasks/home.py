"""The one host that may have the scheduler, as Redis knows it: looked up, set, and waited for."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from ..errors import Problem, printable
from ..health import home
from ..health.home import SECONDS_HELD, LeaseSeen
from ..inventory.roles import SCHEDULER
from ..runs.run import Run
from .trying import redis_of

POLL_SECONDS = 0.5
SPARE_SECONDS = 10


def lease(run: Run) -> LeaseSeen:
    """Who holds the lease, and who may. Raises Problem."""
    opener, password, redis = redis_of(run)
    return home.lease(opener, password, redis.db, tls=redis.tls, user=redis.user)


def set_home(run: Run, host: str) -> None:
    """Let only this host's scheduler work. Raises Problem."""
    opener, password, redis = redis_of(run)
    home.set_home(opener, password, redis.db, host, tls=redis.tls, user=redis.user)


def fence(run: Run, host: str) -> str:
    """Let only this host's scheduler work, and wait until no other one holds the lease. The home before.

    Raises Problem. Where another one goes on to hold it, all is as it was before.
    """
    before = lease(run)
    set_home(run, host)
    deadline = time.monotonic() + SECONDS_HELD + SPARE_SECONDS
    while (holder := lease(run).holder) and not holder.startswith(f"{host}/"):
        if time.monotonic() > deadline:
            set_home(run, before.home)
            raise Problem(f"a scheduler goes on to hold the lease: {holder} (host/program/process); end it there first")
        time.sleep(POLL_SECONDS)
    return before.home


def follow(run: Run) -> None:
    """A home that was set before is the host that has the scheduler now: its own would wait for ever elsewhere."""
    new = run.target.fleet.scheduler_host
    concerned = new in run.target.hosts and (not run.target.roles or SCHEDULER.name in run.target.roles)
    if run.dry or not concerned:
        return
    # Where Redis can't be asked, the scheduler's trial tells it.
    with suppress(Problem):
        seen = lease(run)
        if seen.home not in ("", new.name):
            set_home(run, new.name)
            print(f"fab: the scheduler's place is {new.name} now; it was {printable(seen.home)}", file=sys.stderr)
