"""The groups of `fab --list` in the order of their work, where Invoke sorts by name.

The top level stays sorted: Invoke copies it into a collection of its own.
"""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection
from invoke.vendor.lexicon import Lexicon


class _Ranked(str):
    """A name that sorts by its place."""

    __slots__ = ("place",)
    place: int

    def __lt__(self, other: str) -> bool:
        return self.place < other.place if isinstance(other, _Ranked) else str.__lt__(self, other)


class _InOrder(Lexicon):
    def items(self) -> list[tuple[_Ranked, Any]]:  # type: ignore[override]
        """The pairs, in an order that sorting does not change."""
        pairs = []
        for place, (name, value) in enumerate(dict.items(self)):
            ranked = _Ranked(name)
            ranked.place = place
            pairs.append((ranked, value))
        return pairs


def _ordered() -> Any:
    make: Any = _InOrder
    return make()


def in_order(collection: Collection) -> Collection:
    """The collection, listed in the order in which its tasks and collections were added."""
    for attribute in ("tasks", "collections"):
        before: Any = getattr(collection, attribute)
        ordered: Any = _ordered()
        for name, value in dict.items(before):
            ordered[name] = value
        for alias, name in before.aliases.items():
            ordered.alias(alias, to=name)
        setattr(collection, attribute, ordered)
    return collection
