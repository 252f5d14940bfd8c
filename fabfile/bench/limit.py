"""The limit of a bench, named from what was measured; and what one more program of each role would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from ..inventory.roles import MYSQL, PROGRAMS, QUEUES, REDIS, RESULT_WORKER, SCHEDULER
from .measured import StepMeasured, total
from .programs import MANY, SITE
from .ramp import at_limit
from .samples import HostUse

Kind = Literal["rate", "site", "role", "cpu", "network", "store", "disk", "queue", "unknown"]
FULL_CORE = 0.85
"""A program of Python does one thing at a time: with so much of a core it does nothing else any more."""
FULL_HOST = 0.90
FULL_NET = 0.80
FULL_DISK = 0.30
"""The part of a host's time in which nothing was to do but wait for a disk."""
LONG_QUEUE = 50
"""Messages that wait, on average; pyspider's queues hold 100 unless hosts.toml says otherwise."""
FREE_CORES = 0.8
"""The cores that have to be free where one more program is tried."""
FREE_MB = 150
SITE_TITLE = "the bench's own site"
TITLES = {MYSQL.name: MYSQL.title, REDIS.name: REDIS.title, SITE: SITE_TITLE}


class BenchLimit(msgspec.Struct, frozen=True):
    """What holds the cluster at its pages a second."""

    kind: Kind
    name: str
    """Of the role, host or store; empty where there is none."""
    sentence: str


class Gain(msgspec.Struct, frozen=True):
    """What one more program of a role brings."""

    role: str
    host: str = ""
    """Where it was added; empty where it was not."""
    pages_s: float | None = None
    """With it."""
    before: float | None = None
    why_not: str = ""

    @property
    def ratio(self) -> float | None:
        """Times as many pages a second."""
        return self.pages_s / self.before if self.pages_s is not None and self.before else None


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A host that has room for one more program, or the reason why none has."""

    host: str = ""
    why_not: str = ""


def limit(steps: Sequence[StepMeasured], at: StepMeasured) -> BenchLimit:
    """The limit of the step `at`, the one that counts of all `steps`."""
    if not at_limit(steps):
        told = f"rate and burst: at {at.rate}/{at.rate} it kept up, with {at.pages_s:g} pages/s; the ramp ended there"
        return BenchLimit("rate", "", told)
    found = next(_reasons(at), None)
    return found or BenchLimit(
        "unknown", "", "nothing that was measured is at its limit: no program, host, network or store"
    )


def _reasons(at: StepMeasured) -> Iterator[BenchLimit]:
    roles = at.roles()
    if (share := max(roles.get(SITE, [0.0]))) >= FULL_CORE:
        yield BenchLimit(
            "site", SITE, f"{SITE_TITLE} takes {_percent(share)} of a core: the cluster may well be faster"
        )
    for role, shares in sorted(roles.items(), key=lambda pair: -_mean(pair[1])):
        if role != SITE and _mean(shares) >= FULL_CORE:
            yield BenchLimit("role", role, f"{_title(role, shares)} {_takes(shares)} of a core{_in_front(at, role)}")
    if (one := at.store(REDIS.name)) >= FULL_CORE:
        yield BenchLimit("store", REDIS.name, f"Redis takes {_percent(one)} of a core, and uses no more than one")
    for name, host in sorted(at.hosts.items(), key=lambda pair: -pair[1].busy):
        if host.busy >= FULL_HOST:
            yield BenchLimit("cpu", name, f"the CPU of {name}: {_cores(host)} to {_percent(host.busy)}{_most(host)}")
    for name, host in at.hosts.items():
        if host.net_speed and host.net_mbit >= FULL_NET * host.net_speed:
            yield BenchLimit("network", name, f"the network of {name}: {host.net_mbit:.0f} of {host.net_speed} Mbit/s")
    for name, host in at.hosts.items():
        if MYSQL.name in host.stores and host.waiting >= FULL_DISK:
            yield BenchLimit(
                "disk", name, f"the disk of {name}, for which MySQL waits {_percent(host.waiting)} of the time"
            )
    yield from _waiting(at)


def _waiting(at: StepMeasured) -> Iterator[BenchLimit]:
    """A role behind a long queue that has CPU left waits for something."""
    behind = {QUEUES[name]: length for name, length in at.queues.items() if name in QUEUES}
    role, length = max(behind.items(), key=lambda pair: pair[1], default=("", 0.0))
    if length < LONG_QUEUE:
        return
    waits = role in (RESULT_WORKER.name, SCHEDULER.name)
    whom = "MySQL, which has to have each change on its disk" if waits else "answers: of the site, or of Redis"
    shares = at.roles().get(role, [0.0])
    uses = f"{length:.0f} messages wait for it, and it uses {_percent(_mean(shares))} of a core"
    what = f"{role}: {uses}; it waits for {whom}"
    yield BenchLimit("store" if waits else "queue", MYSQL.name if waits else role, what)


def _title(role: str, shares: Sequence[float]) -> str:
    return role if len(shares) == 1 else f"each {role} of {len(shares)}"


def _takes(shares: Sequence[float]) -> str:
    return f"takes {_percent(_mean(shares))}"


def _in_front(at: StepMeasured, role: str) -> str:
    waiting = sum(length for name, length in at.queues.items() if QUEUES.get(name) == role)
    return f", and {waiting:.0f} messages wait for it" if waiting >= 1 else ""


def _most(host: HostUse) -> str:
    """The programs and stores that use the most of a host, for a sentence."""
    every = {**host.programs, **{TITLES.get(name, name): cores for name, cores in host.stores.items()}}
    most = sorted(every.items(), key=lambda pair: -pair[1])[:3]
    told = [f"{TITLES.get(name, name)} {_percent(cores)} of a core" for name, cores in most if cores >= 0.05]
    rest = host.busy * host.cores - total(every)
    told += [f"all that is not the bench's {rest:.1f} cores"] if rest >= 0.3 else []
    return f" (most of it: {', '.join(told)})" if told else ""


def _cores(host: HostUse) -> str:
    return "its one core is busy" if host.cores == 1 else f"its {host.cores} cores are busy"


def room(at: StepMeasured, role: str, able: Mapping[str, Sequence[str]]) -> Vacancy:
    """Where one more of a role could be tried. `able` are the roles of each host that runs pyspider.

    A host with that role comes first; it needs a free core, and memory.
    """
    reasons = []
    for name in sorted(able, key=lambda one: (role not in able[one], at.hosts[one].busy if one in at.hosts else 0.0)):
        host = at.hosts.get(name)
        if host is None:
            continue
        free = host.cores * (1 - host.busy)
        if free < FREE_CORES:
            reasons.append(f"{name} has {max(0.0, free):.1f} cores free")
        elif host.memory_mb < FREE_MB:
            reasons.append(f"{name} has {host.memory_mb} MB of memory free")
        else:
            return Vacancy(host=name)
    shown = ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more like these" if len(reasons) > 3 else "")
    return Vacancy(why_not=f"no room: {shown or 'no host runs pyspider'}")


def tried_roles() -> tuple[str, ...]:
    """The roles of which one more is tried, in the order of a page's way."""
    return tuple(role.name for role in reversed(PROGRAMS) if role.name in MANY)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
