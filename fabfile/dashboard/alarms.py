"""The alarms: faults that have lasted, as `fab watch` would tell them, and what has become of those before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..watch.changes import Known
from ..watch.outbox import Outbox

MOST = 50
"""The most that are told: raised ones, and those that are over."""


class AlarmRow(Struct, frozen=True, omit_defaults=True):
    """One alarm; times are seconds since 1970."""

    at: int
    """The fault was seen first then."""
    text: str
    until: int = 0
    """It was seen last then; 0 where it lasts."""


class WatchHere(Struct, frozen=True, omit_defaults=True):
    """The `fab watch` of this machine for this cluster."""

    runs: bool | None = False
    """None where that can't be seen."""
    sinks: list[str] = []
    """Those that hosts.toml names."""
    troubles: list[str] = []
    """Why sinks take nothing."""


class AlarmsTold(Struct, frozen=True, omit_defaults=True):
    """The newest first."""

    raised: list[AlarmRow] = []
    more: int = 0
    """Raised ones that are not named."""
    over: list[AlarmRow] = []
    patience: int = 0
    """Seconds for which a fault lasts before it is an alarm."""
    watch: WatchHere = WatchHere()


def alarms_told(known: Mapping[str, Known], over: Iterable[AlarmRow], patience: int, watch: WatchHere) -> AlarmsTold:
    """What is raised by now, with those that are over."""
    told = sorted((one for one in known.values() if one.told), key=lambda one: -one.first)
    raised = [AlarmRow(int(one.first), one.text) for one in told[:MOST]]
    return AlarmsTold(raised, max(0, len(told) - MOST), list(over)[:MOST], patience, watch)


def troubles(boxes: Mapping[str, Outbox]) -> list[str]:
    """The sinks that take nothing, with the reason."""
    return [f"{name}: {len(box.waiting)} wait: {box.why}" for name, box in sorted(boxes.items()) if box.failures]
