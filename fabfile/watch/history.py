"""The last minutes of a cluster, look by look: rates, trends and changes. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..health.verdict import ClusterView
from ..inventory.roles import RESULT_WORKER
from .changes import Known, changes
from .seen import of_status

KEPT_SECONDS = 300.0
WINDOW_SECONDS = 15.0
"""A rate is an average over so long; programs tell of themselves every few seconds."""
EVENTS = 50


@dataclass(frozen=True, slots=True)
class Count:
    """How often something has happened until a moment; `at` is seconds of one clock."""

    at: float
    number: float
    of: object = None
    """Whose count it is: a process that took the place of another one counts anew."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a look leaves for the rates of later ones; the names are `host/program`, hosts, projects and queues."""

    at: float
    done: Mapping[str, Count]
    cpu: Mapping[str, Count]
    busy: Mapping[str, Count]
    pages: Mapping[str, Count]
    queues: Mapping[str, int]


Counts = Callable[[Sample], Mapping[str, Count]]


@dataclass(frozen=True, slots=True)
class Happening:
    """A change; `at` is seconds since 1970."""

    at: float
    text: str
    good: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its scheduler counts: tasks by their state, and pages a second, None where that is not known."""

    name: str
    active: int
    success: int
    failed: int
    rate: float | None = None


@dataclass
class History:
    """The looks of the last minutes; the last one whole, of those before what rates and trends need."""

    view: ClusterView | None = None
    events: deque[Happening] = field(default_factory=lambda: deque(maxlen=EVENTS))
    _samples: deque[Sample] = field(default_factory=deque)
    _known: Mapping[str, Known] = field(default_factory=dict)

    def add(self, view: ClusterView, at: float, now: float) -> None:
        """Take in a look that was made at `at` seconds of a clock that nobody sets, and `now` since 1970."""
        before, self.view = self.view, view
        self._samples.append(_sample(view, at))
        while self._samples[0].at < at - KEPT_SECONDS:
            self._samples.popleft()
        self._known, news = changes(self._known, of_status(view, None), now, 0.0)
        self.events += [Happening(now, one.text, one.kind != "new") for one in news]
        self.events += [Happening(now, text) for text in _restarts(before, view)]

    def done(self) -> dict[str, float]:
        """Messages a second by `host/program`."""
        return self._rates(lambda sample: sample.done)

    def by_role(self) -> dict[str, float]:
        """Messages a second by role; a role of which nobody tells is not there."""
        found: dict[str, float] = {}
        roles = {name: one.role for name, one in self.view.motion.pulses.items()} if self.view else {}
        for name, rate in self.done().items():
            if name in roles:
                found[roles[name]] = found.get(roles[name], 0.0) + rate
        return found

    def results(self) -> float | None:
        """Results a minute; None where no result_worker tells of itself."""
        rate = self.by_role().get(RESULT_WORKER.name)
        return None if rate is None else 60 * rate

    def cpu(self) -> dict[str, float]:
        """The share of one core, by `host/program`; 1 is all of it."""
        return self._rates(lambda sample: sample.cpu)

    def busy(self) -> dict[str, float]:
        """The share of all cores, by host."""
        return self._rates(lambda sample: sample.busy)

    def projects(self) -> list[Project]:
        """The projects that have tasks, the fastest first."""
        rates, told = self._rates(lambda sample: sample.pages), _projects(self.view)
        found = [
            Project(name, int(active), int(success), int(failed), rates.get(name))
            for name, (active, success, failed) in told.items()
        ]
        return sorted(found, key=lambda one: (-(one.rate or 0.0), -one.active, one.name))

    def queue(self, name: str) -> list[int]:
        """The lengths of a queue, look by look."""
        return [sample.queues[name] for sample in self._samples if name in sample.queues]

    def _rates(self, counts: Counts) -> dict[str, float]:
        """The average over the window; a name without two counts of one process is left out."""
        if not self._samples:
            return {}
        last = self._samples[-1]
        recent = [sample for sample in self._samples if sample.at >= last.at - WINDOW_SECONDS]
        found = {}
        for name, now in counts(last).items():
            olds = (counts(sample).get(name) for sample in recent)
            old = next((one for one in olds if one and one.of == now.of and one.at < now.at), None)
            if old:
                found[name] = max(0.0, (now.number - old.number) / (now.at - old.at))
        return found


def _sample(view: ClusterView, at: float) -> Sample:
    pulses = view.motion.pulses
    return Sample(
        at,
        {name: Count(one.at, one.done, one.pid) for name, one in pulses.items()},
        dict(_cpu(view)),
        dict(_busy(view)),
        {name: Count(at, success + failed) for name, (_, success, failed) in _projects(view).items()},
        dict(view.redis.queues) if view.redis and view.redis.ok else {},
    )


def _cpu(view: ClusterView) -> Iterator[tuple[str, Count]]:
    for host in view.hosts:
        usage = host.sight.spent if host.sight else None
        for one in host.programs:
            if usage and one.spent:
                yield f"{host.host.name}/{one.name}", Count(usage.at, one.spent.cpu, one.pid)


def _busy(view: ClusterView) -> Iterator[tuple[str, Count]]:
    """The seconds of all cores stand for the time: their share is then 1 at most."""
    for host in view.hosts:
        if host.sight and (usage := host.sight.spent):
            yield host.host.name, Count(usage.all, usage.busy)


def _projects(view: ClusterView | None) -> dict[str, tuple[float, float, float]]:
    """(pending, success, failed) by project, as the scheduler told the first web UI that has them."""
    sights = (host.sight for host in view.hosts if host.sight) if view else ()
    told: Mapping[str, object] = next((sight.projects for sight in sights if sight.projects), {})
    counts = ((name, one) for name, one in told.items() if isinstance(one, Mapping))
    return {
        name: (_number(one.get("pending")), _number(one.get("success")), _number(one.get("failed")))
        for name, one in counts
    }


def _number(value: object) -> float:
    # A host may tell anything, and JSON knows infinity.
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _restarts(before: ClusterView | None, now: ClusterView) -> Iterable[str]:
    pids = {(host.host.name, one.name): one.pid for host in (before.hosts if before else ()) for one in host.programs}
    for host in now.hosts:
        for one in host.programs:
            old = pids.get((host.host.name, one.name))
            if old and one.pid and one.pid != old:
                yield f"{host.host.name}: {one.name} was started again (pid {old}, now {one.pid})"
