"""Hosts as they are named on a command line: user@address:port."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ..errors import WrongInput

_WORD = re.compile(
    r"(?:([A-Za-z_][A-Za-z0-9_.-]{0,31})@)?([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([0-9]{1,5}))?"
)
_IPV6 = re.compile(r"(?:[^@]*@)?(?:\[[0-9A-Fa-f.]*:[^\]]*\](?::.*)?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)")
_EVERYBODY = ipaddress.IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Address:
    """A machine and its login; None stands for a part that the word leaves open."""

    address: str
    user: str | None
    port: int | None


def parsed(word: str) -> Address | None:
    """The address that the word says; None for a bare name, without user, port and dot. Raises WrongInput."""
    if not set(word) & set("@:."):
        return None
    if _IPV6.fullmatch(word):
        raise WrongInput(f"'{word}' is an IPv6 address; name the host by its IPv4 address or by its name")
    found = _WORD.fullmatch(word)
    if not found or not possible(found[2]) or not 0 < int(found[3] or 22) < 65536:
        raise WrongInput(f"'{word}' is neither a host's name nor of the form user@address:port")
    return Address(found[2], found[1], int(found[3]) if found[3] else None)


def possible(address: str) -> bool:
    """Whether it is the IPv4 address of one host, or may be the name of one."""
    # No name of a host ends in a number behind a dot.
    if not address.rpartition(".")[2].isdigit():
        return True
    try:
        number = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return not (number.is_unspecified or number.is_multicast or number == _EVERYBODY)
