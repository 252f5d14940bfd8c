"""One connection per host for a whole run of `fab`, also across several tasks on one command line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inventory import Fleet, Host
    from .link import SSHLink

FILES_EACH = 4
"""An ssh process has so many; a connection of paramiko's has one."""
SPARE_FILES = 256
"""Open files beside the connections."""


class Links:
    """The open links, by host name. Filled in the main thread, read by the workers."""

    def __init__(self, begun: Callable[[], None] = lambda: None) -> None:
        """`begun` is called once, before the first link is made."""
        self._begun = begun
        self.task = ""
        """The tasks that were typed: hosts keep it in their journals."""
        self._links: dict[str, SSHLink] = {}
        self._shared: Any = None
        self._closed = threading.Event()

    def __getitem__(self, host: Host) -> SSHLink:
        return self._links[host.name]

    def prepare(self, config: Any, fleet: Fleet, hosts: Iterable[Host]) -> Links:
        """A link for every host, not yet connected. Not thread-safe: it reads Fabric's configuration."""
        from . import link  # noqa: F401  an import that Ctrl-C breaks off shows a traceback
        from .keys import Keys
        from .way import flags

        if self._shared is None:
            self._begun()
            self._shared = flags(config), Keys()
            threading.Thread(target=self._beat, daemon=True, name="beat").start()
        for host in hosts:
            self._prepare(fleet, host)
        _allow_open_files(FILES_EACH * len(self._links) + SPARE_FILES)
        return self

    def refuse_logins(self, fleet: Fleet, hosts: Sequence[Host]) -> None:
        """Raises WrongInput where the cluster's own user would log in to a host, or a key of hosts.toml can't be used.

        Whoever runs as that user can change what its login shell does, and so what root would do there. A locked key
        may be in the SSH agent: that is seen at the login.
        """
        from ..errors import WrongInput

        own = fleet.cluster.user
        if names := ", ".join(host.name for host in hosts if self[host].host.user == own):
            raise WrongInput(
                f"{names}: the login is {own}, the cluster's own user, by whose sudo crawled pages' scripts could "
                "become root; log in as root or as another user with sudo "
                f"(`user` in {fleet.path.name}, or User in ssh_config)"
            )
        self._refuse_keys(fleet, hosts)

    def _refuse_keys(self, fleet: Fleet, hosts: Iterable[Host]) -> None:
        """With a line for each key."""
        from ..errors import WrongInput
        from ..inventory.faults import Fault, report
        from .keyfile import LockedKey, SecurityKey, UnusableKey

        flags, keys = self._shared
        faults = []
        for host in _with_gateways(fleet, hosts):
            try:
                if host.key:
                    keys.private(host.key, flags.passphrase)
            except LockedKey:
                continue
            except SecurityKey as error:
                if host.ssh == "paramiko":
                    faults.append(Fault(_table(fleet, host), str(error)))
            except UnusableKey as error:
                faults.append(Fault(_table(fleet, host), str(error)))
        if faults:
            raise WrongInput(report(fleet.file, faults))

    def stop(self) -> None:
        """End everything at once, from another thread than the ones that use the links."""
        for link in self._links.values():
            link.stop()

    def close(self) -> None:
        self._closed.set()
        for link in self._links.values():
            link.close()

    def _prepare(self, fleet: Fleet, host: Host, hops: tuple[str, ...] = (), before: tuple[str, ...] = ()) -> SSHLink:
        """`hops` leads to the host where ssh_config's ProxyJump names several machines.

        `before` are the addresses that are reached through this host. Raises WrongInput where the way is a circle.
        """
        from ..errors import WrongInput
        from .link import SSHLink
        from .way import hop, login

        if host.name in self._links:
            return self._links[host.name]
        flags, keys = self._shared
        way = login(host, flags)
        jumps = hops or way.settings.proxy_jump
        gateway = fleet.gateway(host)
        if gateway:
            via = self._prepare(fleet, gateway)
        elif jumps and (nearest := hop(jumps[-1], flags, host)).address != host.address:
            way_here = (*before, host.address)
            if nearest.address in way_here:
                raise WrongInput(
                    f"ssh_config: ProxyJump goes round in a circle: {', '.join([*way_here, nearest.name])}"
                )
            via = self._prepare(fleet, nearest, jumps[:-1], way_here)
        else:
            via = None
        return self._links.setdefault(host.name, SSHLink(way, keys, via, task=self.task))

    def _beat(self) -> None:
        from .protocol import BEAT_SECONDS

        while not self._closed.wait(BEAT_SECONDS):
            for link in list(self._links.values()):
                link.beat()


def _with_gateways(fleet: Fleet, hosts: Iterable[Host]) -> Iterator[Host]:
    """The hosts, and the machines that lead to them."""
    for host in hosts:
        here: Host | None = host
        while here:
            yield here
            here = fleet.gateway(here)


def _table(fleet: Fleet, host: Host) -> tuple[str, ...]:
    return (*(("defaults",) if host.key == fleet.defaults.key else ("hosts", host.name)), "key")


def _allow_open_files(wanted: int) -> None:
    """Every connection is open files; many systems allow 1024 until one asks for more."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
