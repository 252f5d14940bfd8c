"""The managed stores, MySQL and Redis, on the hosts that have their role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .mysql import MySQL
from .packages import Name
from .redis import Redis

__all__ = ["STORE_PACKAGES", "MySQL", "Redis"]

STORE_PACKAGES: Mapping[str, Mapping[str, Sequence[Name]]] = {
    "mysql": {
        "debian": (("mariadb-server", "default-mysql-server", "mysql-server"), ("mariadb-client", "mysql-client")),
        "redhat": (("mariadb-server", "mysql-server"), ("mariadb", "mysql")),
    },
    "redis": {"debian": (("redis-server", "valkey-server"),), "redhat": (("redis", "valkey"),)},
}
