"""`fab lock.…`: the holder of the cluster's lock."""

from __future__ import annotations

import json
import sys
from typing import Any

from invoke.exceptions import Exit

from ..errors import Locked, printable
from ..inventory import Fleet, load
from ..runs.lock import Owner, cluster_lock
from ..runs.options import Options


def status(c: Any, options: Options) -> None:
    """Name the holder of the lock; with one, the exit status is that of Locked."""
    fleet = load()
    owner = cluster_lock(c.config, fleet).owner()
    if options.json:
        print(_as_json(fleet, owner))
    elif owner:
        raise Locked(f"{fleet.cluster.name} is being changed by {owner}")
    else:
        print(f"nobody is changing {fleet.cluster.name}")
    if owner:
        sys.stdout.flush()
        raise Exit(code=Locked.exit_status)


def release(c: Any, options: Options) -> None:
    """Take the lock away from its holder."""
    fleet = load()
    owner = cluster_lock(c.config, fleet).release()
    if options.json:
        print(_as_json(fleet, owner))
    else:
        print(f"taken away from {printable(str(owner))}" if owner else f"nobody was changing {fleet.cluster.name}")


def _as_json(fleet: Fleet, owner: Owner | None) -> str:
    """The cluster's name, and the holder of its lock (or the last one); null for nobody."""
    holder = owner and {"user": owner.user, "machine": owner.host, "pid": owner.pid, "since": owner.since}
    return json.dumps({"cluster": fleet.cluster.name, "owner": holder}, indent=2)
