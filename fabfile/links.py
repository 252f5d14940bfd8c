"""One connection per host for a whole run of `fab`, also across several tasks on one command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inventory import Fleet, Host
    from .transport import SSHLink


class Links:
    """The open links, by host name. Filled in the main thread, read by the workers."""

    def __init__(self) -> None:
        self._links: dict[str, SSHLink] = {}

    def __getitem__(self, host: Host) -> SSHLink:
        return self._links[host.name]

    def prepare(self, config: Any, fleet: Fleet, hosts: Iterable[Host]) -> Links:
        """A link for every host, not yet connected. Not thread-safe: it clones Fabric's configuration."""
        for host in hosts:
            self._prepare(config, fleet, host)
        return self

    def stop(self) -> None:
        """End everything at once, from another thread than the ones that use the links."""
        for link in self._links.values():
            link.stop()

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    def _prepare(self, config: Any, fleet: Fleet, host: Host) -> SSHLink:
        from .transport import link

        if host.name not in self._links:
            gateway = fleet.gateway(host)
            via = self._prepare(config, fleet, gateway) if gateway else None
            self._links[host.name] = link(host, config, via)
        return self._links[host.name]
