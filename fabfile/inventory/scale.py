"""Other numbers of programs in a hosts.toml: comments, order and everything else in it stay. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Problem, WrongInput
from .fleet import Fleet, Host, hint
from .order import role_of
from .roles import PROGRAMS, ROLES, STORES

SCALABLE = tuple(role.name for role in PROGRAMS if role.count != "one")
CANT = "hosts.toml can't be changed safely in the way it is written; change the number there, and deploy"
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
        raise WrongInput(f"{fleet.path.name} says nothing of {strangers}; add a table [hosts.NAME] first")
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


def scaled(text: str, counts: Counts) -> str:
    """The text of a hosts.toml with these numbers, and no other change. Raises Problem where that can't be done."""
    made = _line_ends_of(text, _changed(text, counts))
    if _meaning(made) != _with(_meaning(text), counts):
        raise Problem(CANT)
    return made


def _changed(text: str, counts: Counts) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        for role, numbers in counts.items():
            for host, number in numbers.items():
                _set(document["hosts"][host], role, number)
    except TOMLKitError as error:
        raise Problem(CANT) from error
    return tomlkit.dumps(document)


def _set(table: Any, role: str, number: int) -> None:
    import tomlkit

    # An equal number may be written in another way, which stays.
    if int(table.get("roles", {}).get(role, 0)) == number:
        return
    if "roles" not in table:
        table["roles"] = tomlkit.inline_table()
    table["roles"][role] = number


def _line_ends_of(text: str, made: str) -> str:
    return made.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else made


def _meaning(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _with(meaning: dict[str, Any], counts: Counts) -> dict[str, Any]:
    for role, numbers in counts.items():
        for host, number in numbers.items():
            if meaning["hosts"][host].get("roles", {}).get(role, 0) != number:
                meaning["hosts"][host].setdefault("roles", {})[role] = number
    return meaning
