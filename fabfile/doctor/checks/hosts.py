"""Hosts without facts."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Check, Hit, View


def unreachable(view: View) -> Iterator[Hit]:
    return (Hit(host.name, host.why) for host in view.unseen if not host.reachable)


def unseen(view: View) -> Iterator[Hit]:
    return (Hit(host.name, host.why) for host in view.unseen if host.reachable and host.why)


def bare(view: View) -> Iterator[Hit]:
    for host in view.unseen:
        listed = host.host in view.fleet.hosts
        if host.reachable and not host.why and (view.fleet.programs(host.host) or not listed):
            seen = "no Python 2.7 or 3 starts here, so nothing could be looked at"
            yield Hit(
                host.name, seen, fix="" if listed else "install a Python 2.7 or 3 there, or list it in hosts.toml"
            )


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
        fix="fab -H {host} bootstrap, then fab -H {host} deploy",
        find=bare,
    ),
)
