"""`fab deploy` and `fab reload`: what runs on the hosts is what hosts.toml says."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task

from ..options import Options
from .flags import CHANGE, CHOICE, JSON

ROLE = {"role": "only programs of these roles (comma-separated); no other program is restarted"}
RELOAD = {"reload": "restart supervisord and every program on the chosen hosts, also where nothing changed"}


@task(help=CHOICE | ROLE | RELOAD | CHANGE | JSON)
def deploy(
    c: Any,
    role: str = "",
    limit: str = "",
    exclude: str = "",
    reload: bool = False,
    dry_run: bool = False,
    lock_wait: int = 0,
    json: bool = False,
) -> None:
    """Bring configuration and programs to the state of hosts.toml; restart exactly what changed.

    Uploads a release (config.json, launcher, program sections), clears stale sockets as root,
    ends what a dead supervisord left running, starts supervisord as the cluster's user, and waits
    until every program is RUNNING. A second scheduler is refused.
    """
    from ..jobs import deploy as job

    job.deploy(c, Options(role, limit, exclude, dry_run, lock_wait, json), reload)


@task(help=JSON)
def reload(c: Any, json: bool = False) -> None:
    """Restart supervisord and all programs on the chosen hosts (supervisorctl reload)."""
    from ..jobs import deploy as job

    job.reload(c, Options(json=json))
