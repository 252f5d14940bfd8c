"""One look at all of the cluster: the hosts in one channel each, the stores through SSH beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from .. import plan
from ..errors import Say
from ..health import stores
from ..health.host import HostStatus
from ..health.motion import Motion, overdue_tasks, queue_motion
from ..health.pulse import of_host
from ..health.verdict import ClusterView, nothing_yet
from ..health.work import Measures, measures
from ..inventory import Fleet, Host
from ..inventory.roles import MYSQL, REDIS
from ..runs.engine import look, look_again
from ..runs.outcomes import Outcome
from ..runs.run import Run
from ..runs.target import Target, route
from ..steps.anywhere import LookAnywhere
from ..steps.sight import Sight, parsed

NOBODY: Mapping[str, HostStatus] = MappingProxyType({})


def see(run: Run, spent: bool = False, away: Mapping[str, HostStatus] = NOBODY) -> ClusterView:
    """The cluster as it is now. With `spent`, also what programs and hosts use.

    The channels stay open then, each with a process that looks again the next time.

    The hosts in `away` are not asked; they are as they are told there.
    """
    chosen = run.target

    def sight(host: Host, say: Say) -> Sight | None:
        say("looking")
        asked = LookAnywhere(plan.place(chosen.fleet), plan.questions(chosen.fleet, host, spent))
        if spent:
            return parsed(look_again(chosen.links[host], asked))
        return parsed(*look(chosen.links[host], [asked]))

    sights = run.ask(sight, [host for host in chosen.hosts if host.name not in away])
    outcomes = zip(chosen.hosts, run.recorder.outcomes(chosen.hosts), strict=True)
    seen = ((host, _view(chosen.fleet, host, outcome, sights.get(host.name))) for host, outcome in outcomes)
    views = tuple(away.get(host.name, view) for host, view in seen)
    if not set(chosen.fleet.hosts) <= set(chosen.hosts) or nothing_yet(views):
        return ClusterView(chosen.fleet, views, complete=False)
    reachable = [view.host for view in views if view.reachable]
    with run.progress.of("MySQL", "asked"), run.timings.span(chosen.fleet.stores.mysql.host, "ask MySQL"):
        mysql, overdue = _mysql(chosen, reachable)
    with run.progress.of("Redis", "asked"), run.timings.span(chosen.fleet.stores.redis.host, "ask Redis"):
        redis, motion = _redis(chosen, reachable)
    down = [role.title for role, report in ((MYSQL, mysql), (REDIS, redis)) if not report.ok]
    measured = tuple(replace(view, measures=_measures(chosen.fleet, view, motion, down)) for view in views)
    return ClusterView(chosen.fleet, measured, mysql, redis, motion, overdue)


def _view(fleet: Fleet, host: Host, outcome: Outcome, sight: Sight | None) -> HostStatus:
    wanted, listed = tuple(program.name for program in fleet.programs(host)), host in fleet.hosts
    if not listed and sight and sight.situation and sight.situation.deployed:
        # hosts.toml does not say which programs should run there; those that do should run well.
        wanted = tuple(program.name for program in sight.programs)
    return HostStatus(host, wanted, outcome.status != "unreachable", outcome.cause, sight, listed)


def _measures(fleet: Fleet, view: HostStatus, motion: Motion, down: Collection[str]) -> Measures:
    ports = {one.name: one.port for one in fleet.programs(view.host) if one.port} if view.host in fleet.hosts else {}
    return measures(fleet, ports, motion.idle, of_host(motion.pulses, view.host.name), down)


def _mysql(chosen: Target, reachable: list[Host]) -> tuple[stores.MySQLReport, dict[str, int]]:
    where = chosen.fleet.stores.mysql
    address = chosen.fleet.mysql_address()
    opener = route(chosen, reachable, address, where.port)
    login = (where.user, where.password.reveal())
    report = stores.mysql_report(opener, *login, where.databases.names(), tls=where.tls)
    names = (where.databases.taskdb, where.databases.projectdb)
    return report, overdue_tasks(opener, *login, names, tls=where.tls) if report.ok else {}


def _redis(chosen: Target, reachable: list[Host]) -> tuple[stores.RedisReport, Motion]:
    where = chosen.fleet.stores.redis
    opener = route(chosen, reachable, chosen.fleet.redis_address(), where.port)
    password = where.password.reveal() if where.password else None
    report = stores.redis_report(opener, password, where.db, tls=where.tls, user=where.user)
    if not report.ok:
        return report, Motion()
    return report, queue_motion(opener, password, where.db, tls=where.tls, user=where.user)
