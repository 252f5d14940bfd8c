"""Hosts without facts."""

from __future__ import annotations

from collections.abc import Iterator

from ... import plan
from ...steps.supervisor import claimed
from ..findings import Check, Hit, View
from .strangers import SUPERVISORDS
from .supervisor import FOLLOWS

BOOTSTRAP = "fab -H {host} bootstrap, then fab step.firewall, then fab -H {host} deploy"
"""The firewalls of the other hosts do not know a new one: it could not reach the stores."""
WITHOUT_RULES = "fab -H {host} bootstrap, then fab -H {host} deploy"


def unreachable(view: View) -> Iterator[Hit]:
    return (Hit(host.name, host.why) for host in view.unseen if not host.reachable)


def unseen(view: View) -> Iterator[Hit]:
    return (Hit(host.name, host.why) for host in view.unseen if host.reachable and host.why)


def bare(view: View) -> Iterator[Hit]:
    for host in view.unseen:
        listed = host.host in view.fleet.hosts
        if host.reachable and not host.why and (view.fleet.programs(host.host) or not listed):
            seen = "no Python 2.7 or 3 starts here, so nothing could be looked at"
            unlisted = "fab -H {host} bootstrap, or list it in hosts.toml first"
            yield Hit(host.name, seen, fix=_way(view) if listed else unlisted)


def _way(view: View) -> str:
    return BOOTSTRAP if view.fleet.cluster.firewall else WITHOUT_RULES


def fresh(view: View) -> Iterator[Hit]:
    """Hosts with a Python, and nothing of pyspider."""
    place = plan.place(view.fleet)
    for host in view.seen:
        there = host.ours or host.configured or host.components
        if not there and view.fleet.programs(host.host):
            why = claimed(place, host.facts.sight)
            fix = f"{why[1]}; then {_way(view)}" if why else _way(view)
            yield Hit(host.name, f"nothing of pyspider is set up here yet{f'; {why[0]}' if why else ''}", fix=fix)


CHECKS = (
    Check(
        id="unreachable",
        title="No route to host; Connection timed out; Host key verification failed",
        cause="there is no SSH connection to the host: it is off, cut off, hung, or refuses the login",
        fix="ssh to it by hand; the evidence names the reason",
        find=unreachable,
    ),
    Check(
        id="unseen",
        title="doctor can't tell",
        cause="the host answers over SSH, but the look at it failed",
        fix="the evidence names the reason",
        find=unseen,
    ),
    Check(
        id="bare",
        title="pyspider: command not found; bad interpreter: No such file or directory",
        cause="the host has never been set up, or its Python is gone",
        fix=BOOTSTRAP,
        find=bare,
    ),
    Check(
        id="not-set-up",
        title="nothing of pyspider runs on a host of hosts.toml",
        cause="the host is in hosts.toml, and nobody has set it up: neither this project nor somebody by hand",
        fix=BOOTSTRAP,
        find=fresh,
        hides=FOLLOWS | SUPERVISORDS | {"two-supervisords", "supervisor-mismatch", "no-boot-unit", "supervisord-hung"},
    ),
)
