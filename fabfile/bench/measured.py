"""What a step of a bench has measured: the pages a second, and what was used meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..inventory.order import role_of
from .samples import HostUse, Moment, used

EDGE = 0.1
"""The part of the pages at the beginning and at the end of a step that does not count."""
DIGITS = 1


class StepMeasured(msgspec.Struct, frozen=True):
    """One step: so many pages, at most `rate` a second."""

    rate: int
    pages: int
    seconds: float
    """From the first result to the last."""
    pages_s: float
    """Pages a second, in the middle of the step."""
    queues: dict[str, float]
    """How many messages waited in each, on average."""
    hosts: dict[str, HostUse]
    window_s: float = 0.0
    """The seconds of which the figures tell."""

    def roles(self) -> dict[str, list[float]]:
        """The cores that each program of a role used."""
        found: dict[str, list[float]] = {}
        for host in self.hosts.values():
            for name, cores in host.programs.items():
                found.setdefault(role_of(name), []).append(cores)
        return found

    def store(self, name: str) -> float:
        """The cores that a store used."""
        return sum(host.stores.get(name, 0.0) for host in self.hosts.values())


def measured(rate: int, pages: int, samples: Sequence[Moment]) -> StepMeasured:
    """The step as its samples tell it; the last of them has all the pages."""
    first, last = _window(pages, samples)
    begun, ended = _begun(samples), samples[-1]
    seconds = max(0.001, last.at - first.at)
    inside = [one for one in samples if first.at <= one.at <= last.at]
    names = {name for one in inside for name in one.queues}
    return StepMeasured(
        rate=rate,
        pages=pages,
        seconds=round(max(0.001, ended.at - begun.at), DIGITS),
        pages_s=round((last.results - first.results) / seconds, DIGITS),
        queues={name: round(_mean([one.queues.get(name, 0) for one in inside]), DIGITS) for name in sorted(names)},
        hosts={name: used(first.hosts[name], now) for name, now in last.hosts.items() if name in first.hosts},
        window_s=round(seconds, DIGITS),
    )


def _begun(samples: Sequence[Moment]) -> Moment:
    """The last sample without a result."""
    without = [one for one in samples if not one.results]
    return without[-1] if without else samples[0]


def _window(pages: int, samples: Sequence[Moment]) -> tuple[Moment, Moment]:
    """The samples between which the step is measured: its middle, or all of it where that is too short."""
    middle = [one for one in samples if EDGE * pages <= one.results <= (1 - EDGE) * pages]
    if len(middle) >= 3:
        return middle[0], middle[-1]
    begun = _begun(samples)
    return begun, next(one for one in samples if one.results >= samples[-1].results)


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def total(shares: Mapping[str, float]) -> float:
    """All cores together."""
    return sum(shares.values())
