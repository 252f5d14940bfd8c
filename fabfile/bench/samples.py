"""What one look at a host tells, as values; and what was used between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from ..errors import Problem


class BenchProgram(msgspec.Struct, frozen=True):
    """A program of a bench, as its keeper sees it."""

    pid: int
    cpu: float
    """Seconds of CPU so far."""
    status: int | None
    """The exit status of one that has ended."""
    tail: str
    """The last words of one that has ended."""


class KeeperSight(msgspec.Struct, frozen=True):
    """What a keeper saw last; `at` is its host's clock."""

    at: float
    programs: dict[str, BenchProgram]


_decoder = msgspec.json.Decoder(KeeperSight)


@dataclass(frozen=True, slots=True)
class HostSample:
    """One look at a host. `at` is seconds of its clock since its boot; counters count from then as well."""

    at: float = 0.0
    cores: int = 1
    busy: float = 0.0
    """Seconds of CPU of all cores."""
    waiting: float = 0.0
    """Seconds in which a core had nothing to do but wait for a disk."""
    memory_mb: int = 0
    """Free for programs."""
    net: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """By interface: bytes received and sent, and its speed in Mbit/s (0: unknown)."""
    stores: Mapping[str, float] = field(default_factory=dict)
    """Seconds of CPU of MySQL and Redis, where they run there."""
    places: Mapping[str, bool] = field(default_factory=dict)
    """The places of benches that are there, and whether somebody keeps them."""
    ports: frozenset[int] = frozenset()
    """On which something listens; empty where it was not asked for."""
    keeper: KeeperSight | None = None


def sampled(text: str) -> HostSample:
    """The answer of a look. Raises Problem where it is none."""
    rows = [line.split(" ") for line in text.splitlines()]
    try:
        return _sample(rows, text)
    except (ValueError, LookupError, msgspec.DecodeError) as error:
        raise Problem(f"the look at the bench gave no answer that can be read: {text[-200:]!r}") from error


def _sample(rows: list[list[str]], text: str) -> HostSample:
    single = {row[0]: row[1:] for row in rows if row[0] in ("at", "cores", "ticks", "stat")}
    ticks = float(single["ticks"][0])
    stat = [int(word) for word in single["stat"] if word.isdigit()][:8]
    memory = {row[1]: int(row[2]) for row in rows if row[0] == "memory"}
    free = memory.get("MemAvailable") or memory.get("MemFree", 0) + memory.get("Cached", 0)
    stores: dict[str, float] = {}
    for row in rows:
        if row[0] == "store":
            used = " ".join(row[2:]).rpartition(")")[2].split()
            stores[row[1]] = stores.get(row[1], 0.0) + (int(used[11]) + int(used[12])) / ticks
    seen = next((line.removeprefix("seen ") for line in text.splitlines() if line.startswith("seen ")), "")
    return HostSample(
        at=float(single["at"][0]),
        cores=int(single["cores"][0]),
        busy=(sum(stat) - sum(stat[3:5])) / ticks,
        waiting=stat[4] / ticks,
        memory_mb=free // 1024,
        net={row[1]: (int(row[2]), int(row[3]), max(0, int(row[4]))) for row in rows if row[0] == "net"},
        stores=stores,
        places={row[1]: row[2] == "alive" for row in rows if row[0] == "place"},
        ports=frozenset(int(row[1], 16) for row in rows if row[0] == "port"),
        keeper=_decoder.decode(seen) if seen else None,
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """All that was seen at one moment."""

    at: float
    """Seconds of this machine's clock."""
    results: int
    queues: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, HostSample] = field(default_factory=dict)


class HostUse(msgspec.Struct, frozen=True):
    """What a host used in a window."""

    cores: int
    busy: float
    """Of all its cores, from 0 to 1."""
    waiting: float
    """Of all its cores' time, that in which one waited for a disk; from 0 to 1."""
    memory_mb: int
    net_mbit: float
    """Of its busiest interface, in its busier direction."""
    net_speed: int
    """Mbit/s of that interface; 0 where nobody knows."""
    programs: dict[str, float]
    """Cores that each of the bench's programs used."""
    stores: dict[str, float]
    """Cores that the stores used there, also for others."""


def used(before: HostSample, after: HostSample) -> HostUse:
    """What a host used between two looks."""
    seconds = max(0.001, after.at - before.at)
    name, rate = _busiest(before, after, seconds)
    return HostUse(
        cores=after.cores,
        busy=_part((after.busy - before.busy) / seconds / after.cores),
        waiting=_part((after.waiting - before.waiting) / seconds / after.cores),
        memory_mb=after.memory_mb,
        net_mbit=round(rate, 2),
        net_speed=after.net[name][2] if name else 0,
        programs=_programs(before.keeper, after.keeper),
        stores={one: _cores(now - before.stores.get(one, now), seconds) for one, now in after.stores.items()},
    )


def _busiest(before: HostSample, after: HostSample, seconds: float) -> tuple[str, float]:
    rates = {
        name: max(now[0] - before.net[name][0], now[1] - before.net[name][1]) * 8 / 1e6 / seconds
        for name, now in after.net.items()
        if name in before.net
    }
    name = max(rates, key=lambda one: rates[one], default="")
    return name, rates.get(name, 0.0)


def _programs(before: KeeperSight | None, after: KeeperSight | None) -> dict[str, float]:
    if before is None or after is None:
        return {}
    seconds = max(0.001, after.at - before.at)
    known = before.programs
    return {
        name: _cores(one.cpu - (known[name].cpu if name in known else 0.0), seconds)
        for name, one in after.programs.items()
    }


def _part(share: float) -> float:
    return round(min(1.0, max(0.0, share)), 3)


def _cores(used: float, seconds: float) -> float:
    return round(max(0.0, used / seconds), 3)
