"""What to do after a bootstrap, in three lines at most; true for the hosts that were chosen."""

from __future__ import annotations

from collections.abc import Iterator

from ..inventory import Host
from ..inventory.roles import WEBUI
from ..runs.target import Target
from .status import way_in


def hints(chosen: Target) -> Iterator[str]:
    """The next command, and where the first project is made."""
    hosts = [host for host in chosen.hosts if host in chosen.fleet.hosts and chosen.fleet.programs(host)]
    if not hosts:
        return
    yield f"next: {_words(chosen, hosts)}"
    if any(host.has(WEBUI) for host in hosts) and (ways := list(way_in(chosen.fleet))):
        yield f"then the web UI: {ways[0]}"
        yield "first project: press Create there, save, set it to RUNNING on the first page, press Run"


def _words(chosen: Target, hosts: list[Host]) -> str:
    if len(chosen.hosts) == len(chosen.fleet.hosts):
        return "fab deploy"
    deploy = f"fab -H {','.join(host.name for host in hosts)} deploy"
    # The firewalls of the other hosts do not know a new one yet.
    return f"fab step.firewall, then {deploy}" if chosen.fleet.cluster.firewall else deploy
