"""`fab move-scheduler` and `fab decommission`: hosts change their part in the cluster."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import DRY, JSON, LOCK, TIMINGS, sharing


@sharing(
    DRY,
    LOCK,
    TIMINGS,
    JSON,
    old_host_is_gone="the scheduler's host, where it is lost: its scheduler does nothing when it comes back",
    to="the host that gets the scheduler",
)
def move_scheduler(c: Any, options: Options, old_host_is_gone: str = "", to: str = "") -> None:
    """Move the scheduler to another host: stop it, prove it dead, change hosts.toml, start it there.

    Web UIs and firewalls follow. Refused where its host can't be reached, unless --old-host-is-gone names it. From
    then on Redis gives the scheduler's lease to the new host alone.
    """
    from ..tasks import move as job

    job.move_scheduler(c, options, to, old_host_is_gone)


@sharing(DRY, LOCK, TIMINGS, JSON, yes="do not ask", drain="seconds to wait for a queue that nobody else empties (30)")
def decommission(c: Any, options: Options, yes: bool = False, drain: str = "30") -> None:
    """Take hosts (-H) out of the cluster: stop their programs, remove what was installed, forget them elsewhere.

    Programs finish what they hold, and hand back the rest. hosts.toml loses the hosts, and the others let them in no
    more. Accounts, packages and the files of others stay. Refused for the scheduler's host and for hosts of stores.
    """
    from ..tasks import decommission as job

    job.decommission(c, options, yes, drain)
