"""The numbers of programs that an operator asks for, and the hosts that they are for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import WrongInput
from .fleet import Fleet, Host, hint
from .order import role_of
from .roles import PROGRAMS, ROLES, STORES

SCALABLE = tuple(role.name for role in PROGRAMS if role.count != "one")
Counts = Mapping[str, Mapping[str, int]]
"""The number of programs by role and host."""


def wanted(words: Sequence[str]) -> dict[str, int]:
    """The number by role, of words like `processor=6`. Raises WrongInput."""
    if not words:
        raise WrongInput("scale: give a role and its number on each host, like processor=6")
    found: dict[str, int] = {}
    for word in words:
        name, sign, number = word.partition("=")
        if not sign or not re.fullmatch(r"[0-9]{1,3}", number):
            raise WrongInput(f"scale: '{word}' is no role with a number from 0 to 999; write it like processor=6")
        _refuse(name)
        if name in found:
            raise WrongInput(f"scale: {name} is given twice")
        found[name] = int(number)
    return found


def _refuse(name: str) -> None:
    role = ROLES.get(name)
    if role is None:
        near = f" (did you mean '{role_of(name)}'?)" if role_of(name) in SCALABLE else hint(name, SCALABLE)
        raise WrongInput(f"scale: unknown role '{name}'{near}; roles are {', '.join(SCALABLE)}")
    if role in STORES:
        raise WrongInput(f"scale: a cluster has one {name}, which `fab bootstrap` sets up; only programs are scaled")
    if name not in SCALABLE:
        raise WrongInput(f"scale: a cluster has exactly one {name}; two would steal each other's tasks")


def placed(fleet: Fleet, numbers: Mapping[str, int], hosts: Sequence[Host], by_name: bool) -> Counts:
    """The numbers on those of the hosts that have the role; on all of them where they were chosen by name.

    Raises WrongInput where no host is left for a role, or where hosts.toml does not list one.
    """
    if strangers := ", ".join(host.name for host in hosts if host not in fleet.hosts):
        raise WrongInput(f"{fleet.file} says nothing of {strangers}; add a table [hosts.NAME] first")
    found = {}
    for role, number in numbers.items():
        own = [host.name for host in hosts if by_name or host.has(ROLES[role])]
        if not own:
            raise WrongInput(
                f"scale: none of the chosen hosts has {role}; name the one that is to have it: "
                f"fab -H {fleet.hosts[0].name} scale {role}={number}"
            )
        found[role] = dict.fromkeys(own, number)
    return found
