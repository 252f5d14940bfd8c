"""`fab deploy` and `fab reload`: the hosts run as hosts.toml says."""

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

    It uploads a release (config.json, launcher, program sections), clears stale sockets as root,
    ends the leftovers of a dead supervisord, starts supervisord as the cluster's user, and waits
    until every program is RUNNING. At most half of a role's programs restart at a time; the next ones when those
    before take and finish messages. Where they fail, their hosts go back to the release before by themselves, and the
    others keep theirs. A second scheduler is refused. A host is left as it is where a change would fail or do
    harm: a full disk, a store that can't be reached, a port that a stranger holds.
    """
    from ..tasks import deploy as job

    job.deploy(c, options, reload)


@sharing(CHOICE, PACE, LOCK, TIMINGS, JSON)
def reload(c: Any, options: Options) -> None:
    """Restart supervisord and all programs on the chosen hosts (supervisorctl reload)."""
    from ..tasks import deploy as job

    job.reload(c, options)
