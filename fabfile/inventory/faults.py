"""A fault of hosts.toml: where it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One line for the operator. `path` is the key's path; () stands for the file as a whole."""

    path: Path
    text: str
    relies_on: tuple[Path, ...] = ()
    """The keys whose values it follows from, beside `path` itself; `*` stands for any one key."""

    def follows_from(self, doubtful: Iterable[Path]) -> bool:
        """Whether it may be nothing but the consequence of a fault that is reported already."""
        return any(self._depends_on(key) for key in doubtful)

    def _depends_on(self, key: Path) -> bool:
        inside = len(key) <= len(self.path) and _related(self.path, key)
        return inside or any(_related(one, key) for one in self.relies_on)


def _related(one: Path, other: Path) -> bool:
    return all(mine == theirs or "*" in (mine, theirs) for mine, theirs in zip(one, other, strict=False))


def report(file: str, faults: Iterable[Fault]) -> str:
    """A line per fault, each once: `hosts.toml: hosts.node2.roles: unknown role 'fetchr'`."""
    lines = (_one_line(": ".join(filter(None, (file, ".".join(one.path), one.text)))) for one in faults)
    return "\n".join(dict.fromkeys(lines))


def _one_line(text: str) -> str:
    """The text with whatever would break the line, or hide in it, written out."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
