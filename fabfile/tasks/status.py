"""`fab status`: every host, program, store and queue, at once, and whether it is well."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import replace
from typing import Any

from invoke.exceptions import Exit

from .. import plan
from ..errors import Say, Unreachable, printable
from ..health import stores
from ..health.host import RUNNING, HostStatus
from ..health.motion import Motion, overdue_tasks, queue_motion
from ..health.pulse import of_host
from ..health.verdict import ClusterView, nothing_yet
from ..health.work import Measures, measures
from ..inventory import Fleet, Host
from ..runs.engine import look
from ..runs.options import Options
from ..runs.outcomes import Outcome
from ..runs.report import show_timings
from ..runs.run import Run
from ..runs.target import Target, route, target
from ..runs.timings import Timings
from ..steps.anywhere import LookAnywhere
from ..steps.sight import KnownProgram, Sight, parsed

FIREWALLS = {"none": "no rules can be set, the RPC servers alone turn strangers away"}


def status(c: Any, options: Options) -> None:
    """Ask everything, and show it with the verdict."""
    run = Run(target(c, options, allow_unlisted=True), options, reports=False)
    view = see(run)
    if options.json:
        timed = {"timings": run.timings.as_data()} if options.timings else {}
        print(json_module.dumps({**view.as_data(), **timed}, indent=2))
    else:
        show(view, run.timings if options.timings else None)
    if view.problems():
        sys.stdout.flush()
        only_unreachable = all(not host.reachable for host in view.hosts if host.problems())
        raise Exit(
            code=Unreachable.exit_status if only_unreachable and any(host.problems() for host in view.hosts) else 1
        )


def see(run: Run) -> ClusterView:
    """Ask everything at once: the hosts in one channel each, the stores through SSH beside them."""
    chosen = run.target

    def sight(host: Host, _say: Say) -> Sight | None:
        asked = LookAnywhere(plan.place(chosen.fleet), plan.questions(chosen.fleet, host))
        return parsed(*look(chosen.links[host], [asked]))

    sights = run.ask(sight)
    outcomes = zip(chosen.hosts, run.recorder.outcomes(chosen.hosts), strict=True)
    views = tuple(_view(chosen.fleet, host, outcome, sights.get(host.name)) for host, outcome in outcomes)
    if not set(chosen.fleet.hosts) <= set(chosen.hosts) or nothing_yet(views):
        return ClusterView(chosen.fleet, views, complete=False)
    reachable = [view.host for view in views if view.reachable]
    with run.timings.span(chosen.fleet.stores.mysql.host, "ask MySQL"):
        mysql, overdue = _mysql(chosen, reachable)
    with run.timings.span(chosen.fleet.stores.redis.host, "ask Redis"):
        redis, motion = _redis(chosen, reachable)
    measured = tuple(replace(view, measures=_measures(chosen.fleet, view, motion)) for view in views)
    return ClusterView(chosen.fleet, measured, mysql, redis, motion, overdue)


def _view(fleet: Fleet, host: Host, outcome: Outcome, sight: Sight | None) -> HostStatus:
    wanted, listed = tuple(program.name for program in fleet.programs(host)), host in fleet.hosts
    if not listed and sight and sight.situation and sight.situation.deployed:
        # hosts.toml does not say which programs should run there; those that do should run well.
        wanted = tuple(program.name for program in sight.programs)
    return HostStatus(host, wanted, outcome.status != "unreachable", outcome.cause, sight, listed)


def _measures(fleet: Fleet, view: HostStatus, motion: Motion) -> Measures:
    ports = {one.name: one.port for one in fleet.programs(view.host) if one.port} if view.host in fleet.hosts else {}
    return measures(fleet, ports, motion.idle, of_host(motion.pulses, view.host.name))


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
    report = stores.redis_report(opener, password, where.db, tls=where.tls)
    return report, queue_motion(opener, password, where.db, tls=where.tls) if report.ok else Motion()


def show(view: ClusterView, timings: Timings | None = None) -> None:
    """Print the tables for a person."""
    from rich.console import Console

    console = Console(soft_wrap=True)
    console.print(_programs(view))
    if view.complete:
        _show_services(console, view)
    if timings:
        show_timings(console, timings)
    problems = view.problems()
    for problem in problems:
        console.print(f"! {problem}", style="bold red", markup=False, highlight=False)
    for warning in view.warnings():
        console.print(f"? {warning}", style="yellow", markup=False, highlight=False)
    style = "bold red" if problems else "bold green"
    console.print(f"{view.fleet.cluster.name}: {view.verdict()}", style=style, markup=False, highlight=False)


def _programs(view: ClusterView) -> Any:
    """The table of all programs; a host without any has a line as well."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("HOST", "PROGRAM", "STATE", "PID", "UPTIME", box=box.SIMPLE_HEAD, pad_edge=False)
    for host in view.hosts:
        name = Text(printable(host.host.name))
        if not host.reachable:
            table.add_row(name, "-", Text("unreachable", "bold magenta"), "", "")
        elif not host.programs:
            table.add_row(name, "-", Text("no programs", "bold red" if host.wanted else "dim"), "", "")
        for number, one in enumerate(host.programs):
            state = _state(host, one)
            cells = ("" if number else name, Text(printable(one.name)), state)
            table.add_row(*cells, str(one.pid or "-"), _uptime(one.uptime_s))
    return table


def _state(host: HostStatus, one: KnownProgram) -> Any:
    from rich.text import Text

    if host.rests(one.name):
        return Text("stopped on purpose", "yellow")
    return Text(printable(one.state), "green" if one.state == RUNNING else "bold red")


def _show_services(console: Any, view: ClusterView) -> None:
    lines = []
    if view.mysql and view.mysql.ok:
        lines.append(f"mysql      {view.mysql.version}, databases {', '.join(sorted(view.mysql.databases))}")
    if view.redis and view.redis.ok:
        lines.append(f"redis      {view.redis.version}, {view.redis.policy}")
        lines.append("queues     " + ", ".join(f"{name} {size}" for name, size in view.redis.queues.items()))
    for name in view.fleet.asked:
        if (answer := view.answers(name)) and answer.ok:
            lines.append(f"{name:<10} answers")
    for mechanism, hosts in view.firewalls().items():
        lines.append(f"firewall   {FIREWALLS.get(mechanism, mechanism)}: {', '.join(hosts)}")
    for line in lines:
        console.print(printable(line), markup=False, highlight=False)
    if lines:
        console.print()


def _uptime(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    days, rest = divmod(int(seconds), 86400)
    return f"{f'{days} d ' if days else ''}{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
