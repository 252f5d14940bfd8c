"""`fab deploy` and `fab reload`: what runs on the hosts is what hosts.toml says."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, DRY, JSON, LOCK, PACE, TIMINGS, sharing

ROLE = {"role": "only programs of these roles (comma-separated); no other program is restarted"}


@sharing(
    CHOICE | ROLE,
    PACE,
    DRY,
    LOCK,
    TIMINGS,
    JSON,
    reload="restart supervisord and every program on the chosen hosts, also where nothing changed",
)
def deploy(c: Any, options: Options, reload: bool = False) -> None:
    """Bring configuration and programs to the state of hosts.toml; restart exactly what changed.

    Uploads a release (config.json, launcher, program sections), clears stale sockets as root,
    ends what a dead supervisord left running, starts supervisord as the cluster's user, and waits
    until every program is RUNNING. A second scheduler is refused. Before it changes a host it looks for what
    would make that fail or do harm there: a full disk, a store that can't be reached, a port that a stranger holds.
    """
    from ..tasks import deploy as job

    job.deploy(c, options, reload)


@sharing(CHOICE, PACE, LOCK, TIMINGS, JSON)
def reload(c: Any, options: Options) -> None:
    """Restart supervisord and all programs on the chosen hosts (supervisorctl reload)."""
    from ..tasks import deploy as job

    job.reload(c, options)
