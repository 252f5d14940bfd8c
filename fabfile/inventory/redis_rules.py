"""The rules for [stores.redis] alone: no Sentinel, and a user who can log in."""

from __future__ import annotations

from collections.abc import Iterator

from .faults import Fault
from .others import SENTINEL_PORT, refused
from .roles import REDIS
from .schema import HostsFile


def redis_faults(file: HostsFile) -> Iterator[Fault]:
    """The faults of its port and its user."""
    table, path = file.stores.redis, ("stores", REDIS.name)
    if table.port == SENTINEL_PORT:
        yield Fault((*path, "port"), f"{SENTINEL_PORT} is Sentinel's port; {refused('sentinel')}")
    managed = any(host.roles.count(REDIS) for host in file.hosts.values())
    if table.username and table.password is False:
        text = "a user logs in by a password; give that instead of `password = false`, or remove this key"
        yield Fault((*path, "username"), text)
    if table.username == "default" and managed:
        text = "bootstrap keeps the default user for itself; name another one, or remove this key"
        yield Fault((*path, "username"), text)
