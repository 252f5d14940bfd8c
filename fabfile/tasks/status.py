"""`fab status`: every host, program, store and queue, at once, and whether it is well."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator
from typing import Any

from invoke.exceptions import Exit

from ..errors import Unreachable, printable
from ..health.host import RUNNING, HostStatus
from ..health.verdict import ClusterView
from ..inventory import Fleet
from ..inventory.place import meant
from ..inventory.roles import WEBUI
from ..runs.options import Options
from ..runs.report import show_timings
from ..runs.run import Run
from ..runs.target import target
from ..runs.timings import Timings
from ..steps.sight import KnownProgram
from .seeing import see

EVERYWHERE = "0.0.0.0"  # noqa: S104  compared, not bound
FIREWALLS = {"none": "no rules can be set, the RPC servers alone turn strangers away"}


def status(c: Any, options: Options) -> None:
    """Ask everything, and show it with the verdict."""
    run = Run(target(c, options, allow_unlisted=True), options, reports=False, progresses=True)
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
        console.print(f"! {printable(problem)}", style="bold red", markup=False, highlight=False)
    for warning in view.warnings():
        console.print(f"? {printable(warning)}", style="yellow", markup=False, highlight=False)
    if said := meant(problems):
        console.print(said, markup=False, highlight=False)
    style = "bold red" if problems else "bold green"
    console.print(f"{view.fleet.cluster.name}: {view.verdict()}", style=style, markup=False, highlight=False)


def way_in(fleet: Fleet) -> Iterator[str]:
    """The address of each web UI, with its login: the name, and where the password is."""
    place = fleet.webui_password_place()
    login = f"; user {fleet.pyspider.webui.username}, password {place}" if place else ""
    for host in fleet.hosts:
        at = fleet.bind_address(host)
        address = host.address if at == EVERYWHERE else at
        ports = [program.port for program in fleet.programs(host) if program.role == WEBUI.name]
        only = f" on {host.name} alone, `fab ui` leads there" if address.startswith("127.") else ""
        yield from (f"http://{address}:{port}/{only}{login}" for port in ports)


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

    style = "green" if one.state == RUNNING else "bold red"
    return Text(host.said(one), "yellow" if host.rests(one.name) else style)


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
    lines += [f"web UI     {text}" for text in way_in(view.fleet)]
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
