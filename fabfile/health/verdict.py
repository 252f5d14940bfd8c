"""Is the cluster well? The sights of hosts, stores and ports, as one verdict with its reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..inventory import Fleet
from ..inventory.order import role_of
from ..inventory.roles import MYSQL, REDIS, ROLES, WEBUI
from ..steps.sight import ServiceAnswer
from . import work
from .host import HostStatus
from .motion import Motion
from .stores import MySQLReport, RedisReport

NAMED = 6
"""How many things that were not asked the verdict names; the rest is a number."""
BOOTSTRAP = "run `fab bootstrap`, or "
"""The advice in a store's problem that is for a store of this project's only."""


def _webuis(view: HostStatus) -> list[str]:
    return [name for name in view.wanted if role_of(name) == WEBUI.name]


def nothing_yet(views: Sequence[HostStatus]) -> bool:
    """Whether no host that is to have programs has any yet."""
    wanted = [view for view in views if view.wanted]
    return bool(wanted) and all(view.bare for view in wanted)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Everything that status saw at one moment."""

    fleet: Fleet
    hosts: tuple[HostStatus, ...]
    mysql: MySQLReport | None = None
    redis: RedisReport | None = None
    motion: Motion = field(default_factory=Motion)
    overdue: Mapping[str, int] = field(default_factory=dict)
    """Tasks of the projects that run which should have been done long ago."""
    complete: bool = True
    """False where only some hosts were asked: then nothing is said about the cluster as a whole."""

    def answers(self, name: str) -> ServiceAnswer | None:
        """The answer of `webui`, `scheduler` or `fetcher` to the web UI's hosts; the worst one where several ask."""
        asked = [view for view in self.hosts if name != WEBUI.name or not any(map(view.rests, _webuis(view)))]
        seen = [view.sight.answers[name] for view in asked if view.sight and name in view.sight.answers]
        return min(seen, key=lambda answer: answer.ok, default=None)

    def firewalls(self) -> dict[str, list[str]]:
        """By mechanism, the hosts whose firewall works by it."""
        found: dict[str, list[str]] = {}
        for view in self.hosts:
            if view.sight and view.sight.firewall:
                found.setdefault(view.sight.firewall.mechanism, []).append(view.host.name)
        return found

    def schedulers(self) -> list[str]:
        """`host (pid)` of every live scheduler, also of one that no supervisord started."""
        return [f"{v.host.name} (pid {pid})" for v in self.hosts if v.sight for pid in v.sight.schedulers]

    def problems(self) -> list[str]:
        """Everything that is not well; empty exactly when the cluster is healthy."""
        found = [problem for view in self.hosts for problem in view.problems()]
        if len(live := self.schedulers()) > 1:
            found.append(f"{len(live)} schedulers run at once, they steal each other's tasks: {', '.join(live)}")
        if self.complete:
            found += self._services()
        return found

    def verdict(self) -> str:
        """The cluster's state in a few words: `unknown` where nothing but silence was seen."""
        left = [] if all(view.unseen for view in self.hosts) else self.not_asked()
        more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
        return self._seen_as() + (f"; not asked: {', '.join(left[:NAMED])}{more}" if left else "")

    def _seen_as(self) -> str:
        problems = self.problems()
        if not problems:
            rest = len(self.resting())
            said = "healthy" if self.complete else "what was asked is healthy"
            return f"{said}; stopped on purpose: {rest} program{'s' if rest > 1 else ''}" if rest else said
        if nothing_yet(self.hosts):
            return "nothing is set up yet"
        if all(view.unseen for view in self.hosts):
            return "unknown: nothing could be seen"
        return f"NOT healthy: {len(problems)} problem{'s' if len(problems) > 1 else ''}"

    def not_asked(self) -> list[str]:
        """What belongs to the cluster, and was left out of this look: stores and queues, then hosts."""
        if self.complete or nothing_yet(self.hosts):
            return []
        seen = {view.host for view in self.hosts}
        return [MYSQL.name, REDIS.name, "the queues", *(one.name for one in self.fleet.hosts if one not in seen)]

    def warnings(self) -> list[str]:
        """Things that were seen and are not judged."""
        return [warning for view in self.hosts for warning in view.warnings()]

    def _services(self) -> list[str]:
        found = []
        for name, report in self._stores().items():
            if report is None or not report.ok:
                found.append(f"{name}: {self._of_store(name, report.problem) if report else 'it could not be asked'}")
        for name in self.fleet.asked:
            answer = self.answers(name)
            if self._unasked(name, answer):
                continue
            if answer is None:
                found.append(f"{name}: it could not be asked, since no host with a web UI that is set up answered")
            elif not answer.ok:
                found.append(f"{name}: {answer.reason}")
        return [*found, *self._crawl()]

    def _unasked(self, role: str, answer: ServiceAnswer | None) -> bool:
        """Whether a role can't answer, or can't be asked, since an operator wants it so."""
        called = [(view, name) for view in self.hosts for name in view.wanted if role_of(name) == role]
        # Calls go to the first one.
        rests = any(view.rests(name) for view, name in called[:1])
        return rests or (answer is None and any(view.rests(name) for view in self.hosts for name in _webuis(view)))

    def resting(self) -> list[str]:
        """`host/program` of all that was stopped on purpose."""
        return [f"{view.host.name}/{one.name}" for view in self.hosts for one in view.programs if view.rests(one.name)]

    def _crawl(self) -> list[str]:
        """The signs that the crawl stands still, of which no program alone is the reason."""
        if any(work.trouble(one, view.measures) for view in self.hosts for one in view.programs):
            return []
        programs = [one for view in self.hosts for one in view.programs]
        queues = self.redis.queues if self.redis else {}
        found = [
            f"{queue} holds {queues[queue]}, and nobody takes any: {', '.join(names)}"
            for queue, names in work.waiting(queues, self.motion.still, programs).items()
        ]
        lost = work.stalled(self.overdue, queues, programs) if self.redis and self.redis.ok else ""
        return [*found, *filter(None, (lost,))]

    def _of_store(self, name: str, problem: str | None) -> str:
        """A store's problem; where somebody else set it up, bootstrap does not touch it."""
        keepers = [view for view in self.hosts if name in view.host.roles]
        theirs = any(view.by_hand for view in keepers) or not self.fleet.stores.of(ROLES[name]).managed
        return str(problem).replace(BOOTSTRAP, "") if theirs else str(problem)

    def _stores(self) -> dict[str, MySQLReport | RedisReport | None]:
        return {MYSQL.name: self.mysql, REDIS.name: self.redis}

    def as_data(self) -> dict[str, Any]:
        """The object that `fab status --json` prints; no secret is in it."""
        problems = self.problems()
        return {
            "healthy": not problems,
            "verdict": self.verdict(),
            "hosts": {view.host.name: _host_data(view) for view in self.hosts},
            "stores": {name: _data(report) for name, report in self._stores().items()},
            "queues": dict(self.redis.queues) if self.redis else {},
            **{name: (self.answers(name) or ServiceAnswer(ok=False)).as_data() for name in self.fleet.asked},
            "stopped_on_purpose": self.resting(),
            "not_asked": self.not_asked(),
            "problems": problems,
            "warnings": self.warnings(),
        }


def _host_data(view: HostStatus) -> dict[str, Any]:
    programs = [program.as_data() | {"stopped_on_purpose": view.rests(program.name)} for program in view.programs]
    supervisord = bool(view.sight and view.sight.supervisord.answers)
    firewall = view.sight.firewall.as_data() if view.sight and view.sight.firewall else None
    seen = {"reachable": view.reachable, "programs": programs, "supervisord": supervisord, "firewall": firewall}
    return {**seen, "problems": view.problems()}


def _data(report: MySQLReport | RedisReport | None) -> dict[str, Any]:
    if report is None:
        return {"ok": False}
    from dataclasses import asdict

    return {name: value for name, value in asdict(report).items() if name != "queues"}
