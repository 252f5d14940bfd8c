"""The prompt for sudo's password: it says on which hosts it will be used."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Problem
from ..inventory import Host, load

NAMED = 5
"""How many hosts of a user the prompt names; the rest is a number."""


def prompt(words: Sequence[str]) -> str:
    """The words before the cursor. `words` are the hosts of -H; without any it is for all that hosts.toml has."""
    try:
        fleet = load()
        hosts = fleet.select(tuple(words), (), (), ())
    except Problem:
        # What is wrong there is told when the task begins.
        hosts = ()
    users: dict[str, list[Host]] = {}
    for host in hosts:
        if host.user != "root":
            users.setdefault(host.user, []).append(host)
    told = "; ".join(f"{user} on {_named(several)}" for user, several in users.items())
    return f"sudo password of {told}: " if told else "sudo password: "


def _named(hosts: Sequence[Host]) -> str:
    names = [host.name for host in hosts]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
