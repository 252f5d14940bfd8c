"""How many processors a host has: by that a build takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Action, Found, Probe


@dataclass(frozen=True, slots=True)
class Cores:
    """Only looked at."""

    name: str = "cores"

    def probe(self) -> Probe:
        return Probe("getconf _NPROCESSORS_ONLN")

    def diff(self, _found: Found) -> Sequence[Action]:
        return []

    @staticmethod
    def counted(found: Found) -> int:
        """The number; 1 where the host does not tell."""
        word = found.text.strip()
        return max(1, int(word)) if found.status == 0 and word.isascii() and word.isdigit() else 1
