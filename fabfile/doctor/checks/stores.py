"""The stores as a cluster's hosts see them: the host that they run on, and the readers of their addresses."""

from __future__ import annotations

from ..findings import Patient, View
from .config import readers

BOOTSTRAP = "fab bootstrap, then fab deploy"
DEPENDENTS = frozenset({"backoff", "rpc-down", "port-closed", "failing", "restarting", "hung"})
STARTED = "; programs that have given up by then are told by fab doctor"
COPY = "copy the password of {} from {}'s {}: that store takes it{{restarted}}"


def readers_on(view: View, name: str) -> tuple[str, ...]:
    """The programs that have read a config.json that was changed by hand."""
    host = next(host for host in view.seen if host.name == name)
    return tuple(dict.fromkeys(one for asked in host.asked for one in readers(host, asked)))


def server(view: View, asker: Patient, where: str) -> str:
    """The host that the store runs on, if it is one of the cluster's."""
    address = where.partition(":")[0]
    return next((host.name for host in view.hosts if host.host.address == address), asker.name)
