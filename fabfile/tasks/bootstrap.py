"""`fab bootstrap`: from a bare host to one that can run pyspider."""

from __future__ import annotations

from typing import Any

from invoke.tasks import task

from ..options import Options
from .flags import CHANGE, CHOICE, JSON


@task(help=CHOICE | CHANGE | JSON)
def bootstrap(
    c: Any,
    role: str = "",
    limit: str = "",
    exclude: str = "",
    dry_run: bool = False,
    lock_wait: int = 0,
    json: bool = False,
) -> None:
    """Bring bare hosts to where pyspider can run: packages, user, directories, Python 2.7, stores.

    Python and the pinned packages are built from source on one host per platform and shipped to
    the others. A second run changes nothing; one that was stopped goes on where it was.
    """
    from ..jobs import bootstrap as job

    job.bootstrap(c, Options(role, limit, exclude, dry_run, lock_wait, json))
