"""`fab lock.…`: who is changing the cluster right now."""

from __future__ import annotations

from typing import Any

from ..errors import Locked
from ..inventory import Fleet, load
from ..links import Links
from ..lock import Lock


def cluster_lock(config: Any, fleet: Fleet) -> Lock:
    """The lock of a cluster, on its scheduler's host."""
    links: Links = config["links"]
    home = fleet.with_role("scheduler")[0]
    return Lock(links.prepare(config, fleet, [home])[home], fleet.cluster.name)


def status(c: Any) -> None:
    """Show who is changing the cluster right now; exit status 4 if somebody is."""
    fleet = load()
    if owner := cluster_lock(c.config, fleet).owner():
        raise Locked(f"{fleet.cluster.name} is being changed by {owner}")
    print(f"nobody is changing {fleet.cluster.name}")


def release(c: Any) -> None:
    """Take the lock away from whoever holds it, for example when that machine is gone for good."""
    fleet = load()
    owner = cluster_lock(c.config, fleet).release()
    print(f"taken away from {owner}" if owner else f"nobody was changing {fleet.cluster.name}")
