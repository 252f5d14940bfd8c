"""A fault of hosts.toml: where it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KeyPath = tuple[str, ...]
"""The names from the top of hosts.toml to one of its keys; () stands for the file as a whole."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line for the operator."""

    path: KeyPath
    text: str


def report(file: str, faults: Iterable[Fault]) -> str:
    """A line per fault, each once: `hosts.toml: hosts.node2.roles: unknown role 'fetchr'`."""
    lines = (_one_line(": ".join(filter(None, (file, ".".join(one.path), one.text)))) for one in faults)
    return "\n".join(dict.fromkeys(lines))


def _one_line(text: str) -> str:
    """The text with each character that would break the line, or hide in it, written out."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
