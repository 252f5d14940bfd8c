"""The faults that were known and those that are seen now, as messages about the changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal["new", "gone", "brief"]
SIGNS: Mapping[Kind, str] = {"new": "NEW", "gone": "OVER", "brief": "BRIEF"}


class Known(Struct, frozen=True):
    """A fault over time; times are seconds since 1970."""

    text: str
    first: float
    """It was seen first then."""
    last: float
    told: bool = False


class News(Struct, frozen=True):
    """One change, for every sink."""

    kind: Kind
    subject: str
    """Its fault's key."""
    text: str
    at: float
    """It was noticed then, in seconds since 1970."""
    lasted: float = 0.0
    """Seconds from the first sight of the fault to the last."""

    def __str__(self) -> str:
        after = f" (it lasted {span(self.lasted)})" if self.kind != "new" else ""
        return f"{SIGNS[self.kind]} {self.text}{after}"


@dataclass(frozen=True, slots=True)
class Observed:
    """The faults that one look has found, by key; a key is `area/name`."""

    faults: Mapping[str, str] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()
    """The areas of which this look can't say anything; `@kind` stands for all that end so."""

    def sees(self, key: str) -> bool:
        """Whether the fault would be among these if it were there."""
        area = key.partition("/")[0]
        return not self.blind & {area, f"@{area.partition('@')[2]}"}

    def __or__(self, other: Observed) -> Observed:
        return Observed({**self.faults, **other.faults}, self.blind | other.blind)


def changes(
    before: Mapping[str, Known], seen: Observed, now: float, patience: float
) -> tuple[dict[str, Known], list[News]]:
    """The faults that are known from now on, and the messages about those that began or ended.

    A fault is told when it has lasted for `patience` seconds, and its end when it is away for as long; in between,
    one that comes and goes is the same fault. One that ends sooner is told once, by its end. A fault that can't be
    seen stays as it is known.
    """
    known = {key: _seen_again(before.get(key), _on_one_line(text), now) for key, text in seen.faults.items()}
    messages = [_begun(key, one, now) for key, one in known.items() if not one.told and now - one.first >= patience]
    known |= {one.subject: replace(known[one.subject], told=True) for one in messages}
    for key, one in before.items():
        if key in known:
            continue
        if seen.sees(key) and now - one.last >= patience:
            messages.append(_ended(key, one, now))
        else:
            known[key] = one
    return known, messages


def pending(known: Mapping[str, Known], area: str, looked_at: float) -> bool:
    """Whether an area that ends so has a fault of which the beginning or the end is still to be told."""
    own = [one for key, one in known.items() if key.partition("/")[0].endswith(area)]
    return any(not one.told or one.last < looked_at for one in own)


def _seen_again(before: Known | None, text: str, now: float) -> Known:
    # A clock that was put back must not silence a fault for as long.
    return replace(before, text=text, last=now, first=min(before.first, now)) if before else Known(text, now, now)


def _on_one_line(text: str) -> str:
    # Pages that are crawled can shape what a log says: no sign of it steers a terminal, or begins a line of its own.
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _begun(key: str, one: Known, now: float) -> News:
    return News("new", key, one.text, now)


def _ended(key: str, one: Known, now: float) -> News:
    return News("gone" if one.told else "brief", key, one.text, now, max(0.0, one.last - one.first))


def span(seconds: float) -> str:
    """A length of time in words: `40 s`, `5 min`, `3 h`, `2 d`."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"
