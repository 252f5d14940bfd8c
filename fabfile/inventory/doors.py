"""The doors of a cluster: the ports that only its own hosts may reach, and the addresses that these come from. Pure."""

from __future__ import annotations

from .fleet import Fleet, Host
from .roles import STORES, WEBUI


def ports(fleet: Fleet, host: Host) -> tuple[int, ...]:
    """The host's ports that are for the cluster alone; its web UI's is not, which asks for a password."""
    stores = [fleet.stores.of(role).port for role in STORES if host.has(role)]
    programs = [one.port for one in fleet.programs(host) if one.port and one.role != WEBUI.name]
    return tuple(sorted({*stores, *programs}))


def named(fleet: Fleet, host: Host) -> dict[int, str]:
    """The names of these ports' servers."""
    stores = {fleet.stores.of(role).port: role.title for role in STORES if host.has(role)}
    programs = {one.port: one.role for one in fleet.programs(host) if one.port}
    rpc = {port: f"the {role}'s RPC" if role in WEBUI.calls else role for port, role in programs.items()}
    return {port: name for port, name in (rpc | stores).items() if port in ports(fleet, host)}


def pages(fleet: Fleet, host: Host) -> tuple[int, ...]:
    """The ports of the host's web UIs."""
    return tuple(one.port for one in fleet.programs(host) if one.port and one.role == WEBUI.name)


def sources(fleet: Fleet) -> tuple[str, ...]:
    """The addresses, names and networks that may reach these ports, without repetition."""
    return tuple(dict.fromkeys((*(host.address for host in fleet.hosts), *fleet.cluster.trusted)))


def all_ports(fleet: Fleet) -> tuple[int, ...]:
    """The ports of all hosts that are for the cluster alone, also those of stores that existed before it."""
    stores = {fleet.stores.of(role).port for role in STORES}
    return tuple(sorted(stores.union(*(ports(fleet, host) for host in fleet.hosts))))


def all_pages(fleet: Fleet) -> tuple[int, ...]:
    """The ports of all web UIs."""
    return tuple(sorted({port for host in fleet.hosts for port in pages(fleet, host)}))
