"""The time that a run took, by host and phase, and its slowest actions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

SLOWEST = 5


@runtime_checkable
class Connecting(Protocol):
    """A link that knows its time to connect; the time of any other link is part of its first phase."""

    connect_seconds: float


def connect_seconds(link: object) -> float:
    """The seconds that it took to connect; 0 where the link does not know."""
    return link.connect_seconds if isinstance(link, Connecting) else 0.0


def connecting(link: object) -> bool:
    """Whether its connection is still to be made, or being made."""
    return isinstance(link, Connecting) and not link.connect_seconds


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work on a host, from its beginning to that of the next."""

    host: str
    says: str
    seconds: float


class Watch:
    """Follows one host's work; each piece lasts until the next one begins."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._begun: list[tuple[str, float]] = []

    def begins(self, says: str) -> None:
        self._begun.append((says, time.monotonic()))

    def ends(self) -> list[Span]:
        """All pieces of work with their times, the last until now."""
        ends = [*(start for _, start in self._begun[1:]), time.monotonic()]
        # Without a beginning there is one end too many.
        return [Span(self._host, says, end - start) for (says, start), end in zip(self._begun, ends, strict=False)]


class Timings:
    """Collects times across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: dict[str, dict[str, float]] = {}
        self._spans: list[Span] = []

    def add(self, host: str, phase: str, seconds: float, connected: float = 0, spans: Sequence[Span] = ()) -> None:
        """A phase of one host's work; `connected` are all seconds that connecting to it has taken so far."""
        with self._lock:
            phases = self._phases.setdefault(host, {})
            new = min(seconds, connected - phases.get("connect", 0))
            if connected:
                phases["connect"] = connected
            phases[phase] = phases.get(phase, 0) + seconds - new
            self._spans += spans

    @contextmanager
    def span(self, host: str, says: str) -> Iterator[None]:
        """Measure something besides the phases."""
        start = time.monotonic()
        yield
        with self._lock:
            self._spans.append(Span(host, says, time.monotonic() - start))

    @property
    def phases(self) -> Mapping[str, Mapping[str, float]]:
        """Seconds by host and phase, in the order of the hosts' names."""
        return dict(sorted(self._phases.items()))

    def names(self) -> list[str]:
        """The phases that there were, in their order."""
        return list(dict.fromkeys(name for phases in self._phases.values() for name in phases))

    def slowest(self) -> list[Span]:
        return sorted(self._spans, key=lambda span: span.seconds, reverse=True)[:SLOWEST]

    def as_data(self) -> dict[str, Any]:
        """The object behind `timings` in JSON."""
        hosts = {host: {name: round(one, 3) for name, one in found.items()} for host, found in self.phases.items()}
        slowest = [{"host": one.host, "action": one.says, "seconds": round(one.seconds, 3)} for one in self.slowest()]
        return {"hosts": hosts, "slowest": slowest}
