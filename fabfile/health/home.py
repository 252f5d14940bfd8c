"""The scheduler's place as Redis knows it: which host may have it, and who holds the lease (launcher/lease.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..inventory import TLS
from . import redis
from .deadline import Open
from .words import SECONDS, told

HOME = "pyspider:home"
LEASE = "pyspider:lease"
SECONDS_HELD = 15
"""The time after which a lease ends that nobody renews."""


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """The words of Redis on the scheduler."""

    home: str = ""
    """The only host whose scheduler may hold the lease; empty where none was named."""
    holder: str = ""
    """host/program/process; empty where nobody holds it."""


def lease(open: Open, password: str | None, db: int, *, tls: TLS | None = None, user: str | None = None) -> LeaseSeen:
    """Who holds the lease, and who may. Raises Problem."""
    with redis.connected(open, password, db, SECONDS, tls, user) as client:
        home: Any = client.get(HOME)
        holder: Any = client.get(LEASE)
        return LeaseSeen(told(home or ""), told(holder or ""))


def set_home(
    open: Open, password: str | None, db: int, host: str, *, tls: TLS | None = None, user: str | None = None
) -> None:
    """Let only this host's scheduler hold the lease; any host's, where it is empty. Raises Problem."""
    with redis.connected(open, password, db, SECONDS, tls, user) as client:
        if host:
            client.set(HOME, host)
        else:
            client.delete(HOME)
