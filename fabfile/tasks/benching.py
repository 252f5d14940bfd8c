"""The bench on the hosts: begun, looked at, changed and ended again, whatever comes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import plan, render
from ..bench import programs
from ..bench.programs import SITE, ScratchStores
from ..bench.samples import HostSample, sampled
from ..errors import Problem, Say, Unreachable, printable
from ..health.scratch import Crawler, ScratchMySQL, ScratchRedis, make_databases, mark
from ..inventory import Host
from ..inventory.order import Chosen, Phase, starting, stopping
from ..inventory.roles import FETCHER, MYSQL, SCHEDULER
from ..runs.engine import apply, look
from ..runs.outcomes import Done
from ..runs.run import Run
from ..runs.target import route
from ..steps.base import Action
from ..steps.bench import LEASE_SECONDS, SLOW_SECONDS, Bench, BenchLook, scratch_sql
from ..steps.operation import Begun
from .operate import DRAIN_SECONDS, begun, ended, in_order

READY_SECONDS = 90.0
POLL_SECONDS = 0.5
LAST_LINES = 3


@dataclass
class Ground:
    """One run's hosts, programs and scratch stores."""

    run: Run
    size: int
    instead: bool
    where: Bench
    scratch: ScratchStores
    hosts: list[Host]
    """Those that are looked at."""
    wanted: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    """The programs that are to run, by host and name."""
    ports: dict[str, dict[str, int]] = field(default_factory=dict)
    taken: dict[str, frozenset[int]] = field(default_factory=dict)
    resting: Chosen = field(default_factory=dict)
    """The production programs that stand still for the bench."""

    @property
    def keepers(self) -> list[Host]:
        """The hosts with programs of the bench."""
        return [host for host in self.hosts if host.name in self.wanted]

    @property
    def site(self) -> str:
        """The address of the site."""
        host = self._served()
        return f"http://{host.address}:{self.ports[host.name][SITE]}"

    def _served(self) -> Host:
        return next(host for host in self.hosts if SITE in self.wanted.get(host.name, {}))

    def crawler(self) -> Crawler:
        """The bench's scheduler and stores."""
        scheduler = self.run.target.fleet.scheduler_host
        port = self.ports[scheduler.name][SCHEDULER.name]
        link = self.run.target.links[scheduler]
        return Crawler(
            _mysql(self.run, self.hosts, self.scratch),
            redis_way(self.run, self.hosts),
            self.scratch.db,
            self.scratch.databases,
            lambda: link.tunnel("127.0.0.1", port),
        )

    # Looks.

    def look(self, seconds: int = LEASE_SECONDS) -> dict[str, HostSample]:
        """What all hosts are doing; each grants the bench so many seconds more. Raises Problem for any fault."""
        seen = sights(self.run, self.where, self.hosts, seconds)
        heed(self.run, self.hosts)
        for host in self.keepers:
            _living(host, seen[host.name], self.where)
        return seen

    def grant(self, seconds: int) -> None:
        """The bench goes on for so long without a look. Raises Problem."""
        self.look(seconds)

    # Changes.

    def begin(self) -> None:
        """The keepers, the stores, and then the programs. Raises Problem; `end` is to follow in all cases."""
        run, fleet = self.run, self.run.target.fleet
        self._act({host.name: [self.where.begin(self._settings(host))] for host in self.keepers})
        mark(redis_way(run, self.hosts), self.scratch.db, self.scratch.run)
        names = list(self.scratch.databases.values())
        if fleet.stores.mysql.managed:
            make, drop = scratch_sql(self.scratch.user, self.scratch.password, names)
            self._act({host.name: [self.where.guarded(make, drop)] for host in self.hosts if host.has(MYSQL)})
        else:
            make_databases(_mysql(run, self.hosts, self.scratch), names)
        if self.instead:
            for phase in stopping(fleet, self.resting):
                self.grant(SLOW_SECONDS)
                in_order(run, [phase], partial(ended, run, False), {}, DRAIN_SECONDS)
                heed(run, self.hosts)
        self.want()
        self._await_ready()

    def _settings(self, host: Host) -> dict[str, object]:
        fleet = self.run.target.fleet
        own = programs.files(fleet, self.scratch, self.where.folder)
        settings: dict[str, object] = {"files": own, "resume": [one.name for one in self.resting.get(host.name, ())]}
        if host.has(SCHEDULER):
            settings["stores"] = self._to_clear(own["config.json"])
        return settings

    def _to_clear(self, config: str) -> dict[str, object]:
        """What the scheduler's host clears at the end."""
        import json

        fleet, options = self.run.target.fleet, json.loads(config)
        kept = {name: options[name] for name in ("message-queue", "taskdb")}
        databases = [] if fleet.stores.mysql.managed else list(self.scratch.databases.values())
        return {**kept, "run": self.scratch.run, "tls": render.tls(fleet), "databases": databases}

    def want(self) -> None:
        """Just the wanted programs are to run. Raises Problem."""
        self._act({host.name: [self.where.want(self.wanted[host.name])] for host in self.keepers})

    def add(self, host: str, role: str) -> str:
        """One more program of a role on a host; its name. Raises Problem."""
        one = self.run.target.fleet.host(host)
        taken = self.taken[host] | set(self.ports[host].values())
        name, program = programs.one_more(self.run.target.fleet, one, role, self.where.folder, taken)
        self.wanted[host][name] = program
        self.want()
        self._await_ready()
        return name

    def remove(self, host: str, name: str) -> None:
        """Take a program away again. Raises Problem."""
        del self.wanted[host][name]
        self.want()

    def _await_ready(self) -> None:
        """Every program lives, and the scheduler and the site answer. Raises Problem."""
        deadline = time.monotonic() + READY_SECONDS
        crawler = self.crawler()
        while True:
            seen = self.look()
            missing = [
                f"{host.name} {name}" for host in self.keepers for name in self.wanted[host.name]
                if name not in _told(seen[host.name])
            ]  # fmt: skip
            try:
                crawler.call("size")
                if not missing:
                    break
            except Problem as error:
                missing = [*missing, str(error)]
            if time.monotonic() > deadline:
                raise Problem(
                    f"the bench's programs did not come up within {READY_SECONDS:.0f} s: {', '.join(missing)}"
                )
            time.sleep(POLL_SECONDS)
        self._reach_site()

    def _reach_site(self) -> None:
        """Each host with a fetcher reaches the site. Raises Problem."""
        served = self._served()
        port = self.ports[served.name][SITE]

        def one(host: Host, _say: Say) -> None:
            try:
                self.run.target.links[host].tunnel(served.address, port).close()
            except Problem as error:
                raise Problem(
                    f"the bench's site on {served.name} can't be reached from there at {served.address}:{port}; does a "
                    "firewall of your own close that port between the hosts?"
                ) from error

        self.run.ask(one, [host for host in self.keepers if host.has(FETCHER)], unfinished=True)
        heed(self.run, self.hosts)

    def end(self) -> list[str]:
        """All of the bench is gone, and the production programs run again. What could not be done, in words."""
        for host in self.hosts:
            # Ctrl-C has ended the links.
            self.run.target.links[host].resume()
        faults: list[str] = []
        if self.instead:
            faults += self._resume()
        scheduler = [host for host in self.keepers if host.has(SCHEDULER)]
        faults += self._last({host.name: [self.where.end()] for host in self.keepers if host not in scheduler})
        faults += self._last({host.name: [self.where.end()] for host in scheduler})
        faults += self._last({host.name: [self.where.unguarded()] for host in self.hosts if host.has(MYSQL)})
        return faults

    def _resume(self) -> list[str]:
        """The production programs start in their order, when the bench's have ended."""
        for one in self.wanted.values():
            one.clear()
        faults = self._last({host.name: [self.where.want({})] for host in self.keepers})
        again = Run(self.run.target, reports=False)
        with suppress(Problem):
            for step in (begun, _running):
                in_order(again, starting(self.resting), partial(step, again), {})
        return faults + [f"{one.host}: {one.cause}" for one in again.recorder.outcomes(self.hosts) if one.cause]

    def _act(self, actions: Mapping[str, Sequence[Action]]) -> None:
        act(self.run, self.hosts, actions)
        self.run.still_locked()
        heed(self.run, self.hosts)

    def _last(self, actions: Mapping[str, Sequence[Action]]) -> list[str]:
        last = Run(self.run.target, reports=False)
        act(last, self.hosts, actions)
        bad = [one for one in last.recorder.outcomes(self.hosts) if one.cause]
        return [f"{one.host}: {one.cause}{': ' * bool(one.detail)}{printable(one.detail.strip())}" for one in bad]


def _running(run: Run, phase: Phase, host: Host) -> Begun:
    """The programs of a phase have run for their first seconds."""
    return Begun(plan.place(run.target.fleet), phase.names[host.name])


def act(run: Run, hosts: Sequence[Host], actions: Mapping[str, Sequence[Action]]) -> None:
    """Do each host's actions, at once on all of them; every host has its outcome."""

    def one(host: Host, say: Say) -> Done:
        return Done(apply(run.target.links[host], (), list(actions[host.name]), say))

    run.each(one, [host for host in hosts if actions.get(host.name)], unfinished=True)


def sights(
    run: Run, where: Bench, hosts: Sequence[Host], seconds: int = 0, ports: bool = False
) -> dict[str, HostSample]:
    """What the hosts tell that can be asked."""

    def one(host: Host, _say: Say) -> HostSample:
        (found,) = look(run.target.links[host], [BenchLook(where, seconds, ports)], keep_open=True)
        return sampled(found.text)

    return run.ask(one, hosts, unfinished=True)


def heed(run: Run, hosts: Sequence[Host]) -> None:
    """Raises Problem where a host has failed."""
    bad = [one for one in run.recorder.outcomes(hosts) if one.status in ("failed", "unreachable")]
    if bad:
        kind = Unreachable if all(one.status == "unreachable" for one in bad) else Problem
        detail = f": {printable(bad[0].detail.strip()[-300:])}" if bad[0].detail.strip() else ""
        raise kind("; ".join(f"{one.host}: {one.cause}" for one in bad[:3]) + detail)


def _told(seen: HostSample) -> Mapping[str, Any]:
    return seen.keeper.programs if seen.keeper else {}


def _living(host: Host, seen: HostSample, where: Bench) -> None:
    """Raises Problem where the keeper or a program has ended by itself."""
    name = where.keeper.rpartition("/")[2]
    if not seen.places.get(name):
        raise Problem(f"{host.name}: the keeper of the bench has ended there; was the host started anew?")
    for program, one in _told(seen).items():
        if one.status is not None:
            lines = [printable(line) for line in one.tail.strip().splitlines() if line.strip()][-LAST_LINES:]
            raise Problem(
                f"{host.name}: the bench's {program} ended with {one.status}: {' | '.join(lines) or 'it said nothing'}"
            )


def redis_way(run: Run, hosts: Sequence[Host]) -> ScratchRedis:
    where = run.target.fleet.stores.redis
    opener = route(run.target, list(hosts), where.address, where.port)
    return ScratchRedis(opener, where.user, where.password.reveal() if where.password else None, where.tls)


def _mysql(run: Run, hosts: Sequence[Host], scratch: ScratchStores) -> ScratchMySQL:
    where = run.target.fleet.stores.mysql
    return ScratchMySQL(
        route(run.target, list(hosts), where.address, where.port), scratch.user, scratch.password, where.tls
    )
