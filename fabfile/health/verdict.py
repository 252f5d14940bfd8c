"""Is the cluster well? The sights of hosts, stores and ports, as one verdict with its reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from ..inventory import Fleet, Host
from ..inventory.roles import MYSQL, REDIS, WEBUI, Role
from ..steps.sight import KnownProgram, ServiceAnswer, Sight
from . import work
from .motion import Motion
from .stores import MySQLReport, RedisReport

RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as status saw it; `sight` is None where there was no answer, or no Python."""

    host: Host
    wanted: tuple[str, ...]
    """The programs that hosts.toml puts there."""
    reachable: bool
    why: str = ""
    sight: Sight | None = None
    measures: work.Measures = field(default_factory=work.Measures)
    """The measures for its programs' work."""

    @property
    def programs(self) -> list[KnownProgram]:
        """The programs that supervisord knows, in the order of hosts.toml, strangers last."""
        known = {program.name: program for program in (self.sight.programs if self.sight else ())}
        order = [*self.wanted, *(name for name in known if name not in self.wanted)]
        return [known[name] for name in order if name in known]

    def problems(self) -> list[str]:
        """The problems of this host, each as one sentence that begins with its name."""
        return [f"{self.host.name}: {text}" for text in self._problems()]

    def problems_after(self, wanted_only: bool) -> list[str]:
        """The problems after a change of this host; `wanted_only` if it concerned the `wanted` programs alone."""
        sight = self.sight
        if sight and wanted_only:
            own = tuple(one for one in sight.programs if one.name in self.wanted)
            sight = msgspec.structs.replace(sight, programs=own)
        webui = sight.answers.get(WEBUI.name) if sight and (self._has(WEBUI) or not wanted_only) else None
        unanswered = [f"the web UI: {webui.reason}"] if webui and not webui.ok else []
        return [*replace(self, sight=sight)._problems(), *unanswered]

    def warnings(self) -> list[str]:
        """Things seen there that are not this cluster's, each as one sentence that begins with the host's name."""
        seen = self.sight.others if self.sight else ()
        return [
            f"{self.host.name}: {one.role} (pid {one.pid}) of {one.user} looks like pyspider's; it is not judged"
            for one in seen
        ]

    def _has(self, role: Role) -> bool:
        return any(name.startswith(role.name) for name in self.wanted)

    def _problems(self) -> list[str]:
        if not self.reachable:
            return [self.why]
        if self.why:
            return [self.why]
        if not self.wanted and self.sight is None:
            return []
        if self.sight is None:
            return ["there is no Python for pyspider; run `fab bootstrap`"]
        return [*self._supervisord(self.sight), *self._running(self.sight)]

    def _supervisord(self, sight: Sight) -> list[str]:
        found = []
        if self.wanted and not sight.supervisord.answers:
            reason = "its socket is stale" if sight.socket else "it is not running"
            found.append(f"supervisord does not answer ({reason}); run `fab deploy`")
        if left := sight.leftovers:
            names = ", ".join(sorted(item.name for item in left))
            found.append(f"processes run without a supervisord: {names}; run `fab deploy`")
        if len(sight.supervisords) > 1:
            found.append(f"{len(sight.supervisords)} supervisords run at once; run `fab deploy`")
        return found

    def _running(self, sight: Sight) -> list[str]:
        if not sight.supervisord.answers:
            return []
        known = {program.name: program for program in sight.programs}
        found = []
        for name in self.wanted:
            if name not in known:
                found.append(f"{name} is missing; run `fab deploy`")
            elif known[name].state != RUNNING:
                why = f" ({known[name].why})" if known[name].why else ""
                found.append(f"{name} is {known[name].state}{why}")
            elif trouble := work.trouble(known[name], self.measures):
                found.append(str(trouble))
            elif not known[name].log:
                found.append(f"{name} has no log file")
        found += [f"{name} runs, but hosts.toml does not put it there" for name in known if name not in self.wanted]
        return found


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
        seen = [view.sight.answers[name] for view in self.hosts if view.sight and name in view.sight.answers]
        return min(seen, key=lambda answer: answer.ok, default=None)

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

    def warnings(self) -> list[str]:
        """Things that were seen and are not judged."""
        return [warning for view in self.hosts for warning in view.warnings()]

    def _services(self) -> list[str]:
        found = []
        for name, report in self._stores().items():
            if report is None or not report.ok:
                found.append(f"{name}: {report.problem if report else 'it could not be asked'}")
        for name in self.fleet.asked:
            answer = self.answers(name)
            if answer is None:
                found.append(f"{name}: it could not be asked, since no host with a webui answered")
            elif not answer.ok:
                found.append(f"{name}: {answer.reason}")
        return [*found, *self._crawl()]

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

    def _stores(self) -> dict[str, MySQLReport | RedisReport | None]:
        return {MYSQL.name: self.mysql, REDIS.name: self.redis}

    def as_data(self) -> dict[str, Any]:
        """The object that `fab status --json` prints; no secret is in it."""
        problems = self.problems()
        return {
            "healthy": not problems,
            "hosts": {view.host.name: _host_data(view) for view in self.hosts},
            "stores": {name: _data(report) for name, report in self._stores().items()},
            "queues": dict(self.redis.queues) if self.redis else {},
            **{name: (self.answers(name) or ServiceAnswer(ok=False)).as_data() for name in self.fleet.asked},
            "problems": problems,
            "warnings": self.warnings(),
        }


def _host_data(view: HostStatus) -> dict[str, Any]:
    programs = [program.as_data() for program in view.programs]
    supervisord = bool(view.sight and view.sight.supervisord.answers)
    return {"reachable": view.reachable, "programs": programs, "supervisord": supervisord, "problems": view.problems()}


def _data(report: MySQLReport | RedisReport | None) -> dict[str, Any]:
    if report is None:
        return {"ok": False}
    from dataclasses import asdict

    return {name: value for name, value in asdict(report).items() if name != "queues"}
