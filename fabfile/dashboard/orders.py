"""What the page may start: an order in the fleet's own names, as the words of a `fab` command. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode

from ..errors import WrongInput, reason
from ..inventory import Fleet, Host
from ..inventory.fleet import hint


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """One order: a program of a host, or doctor's fixes."""

    do: Literal["start", "stop", "restart", "fix"]
    host: str = ""
    program: str = ""


def order(text: bytes) -> Order:
    """The order in a request. Raises WrongInput."""
    try:
        return decode(text, type=Order)
    except (DecodeError, ValidationError) as error:
        raise WrongInput(f"this is no order: {reason(error)}") from error


def words(fleet: Fleet, hosts: Sequence[Host], one: Order) -> list[str]:
    """The command's words; nothing of the order gets there that is not a name of hosts.toml. Raises WrongInput.

    `hosts` are those that the page shows.
    """
    if one.do == "fix":
        whole = set(fleet.hosts) <= set(hosts)
        return [*([] if whole else ["-H", ",".join(host.name for host in hosts)]), "doctor", "--fix"]
    shown = {host.name: host for host in hosts if host in fleet.hosts}
    if one.host not in shown:
        raise WrongInput(f"unknown host '{one.host}'{hint(one.host, shown)}")
    programs = [program.name for program in fleet.programs(shown[one.host])]
    if one.program not in programs:
        raise WrongInput(f"{one.host}: unknown program '{one.program}'{hint(one.program, programs)}")
    return ["-H", one.host, one.do, "--name", one.program]
