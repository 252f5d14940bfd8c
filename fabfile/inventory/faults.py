"""A fault of hosts.toml: where it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import printable

KeyPath = tuple[str, ...]
"""The names from the top of hosts.toml to one of its keys; () stands for the file as a whole."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line for the operator."""

    path: KeyPath
    text: str


def report(file: str, faults: Iterable[Fault]) -> str:
    """A line per fault, each once: `hosts.toml: hosts.node2.roles: unknown role 'fetchr'`."""
    lines = (printable(": ".join(filter(None, (file, ".".join(one.path), one.text)))) for one in faults)
    return "\n".join(dict.fromkeys(lines))
