"""`fab bootstrap`: from a bare host to one that can run pyspider."""

from __future__ import annotations

from typing import Any

from ..runs.options import Options
from .flags import CHOICE, DRY, JSON, LOCK, PACE, TIMINGS, sharing


@sharing(
    CHOICE,
    PACE,
    DRY,
    LOCK,
    TIMINGS,
    JSON,
    set_passwords="give the stores the passwords that this machine has, also where the cluster has others",
)
def bootstrap(c: Any, options: Options, set_passwords: bool = False) -> None:
    """Bring bare hosts to where pyspider can run: packages, user, directories, Python 2.7, stores.

    Python and the pinned packages are built from source on one host per platform and shipped to
    the others. A second run changes nothing; one that was stopped goes on where it was.
    """
    from ..tasks import bootstrap as job

    job.bootstrap(c, options, set_passwords)
