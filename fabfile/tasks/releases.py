"""`fab releases` and `fab rollback`: what was deployed before, and the way back to it."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from invoke.exceptions import Exit

from .. import plan
from ..errors import Problem, Say, printable, shown
from ..inventory import Host, Program
from ..inventory.order import stopping
from ..inventory.roles import SCHEDULER
from ..runs import engine, report
from ..runs.options import Options
from ..runs.run import Looked, Run
from ..runs.target import target
from ..steps.base import Found
from ..steps.logins import KeptLogins
from ..steps.operation import answering
from ..steps.programs import Programs
from ..steps.releases import Back, Kept, KeptRelease, KeptReleases, kept
from ..steps.supervisor import Look
from .operate import DRAIN_SECONDS, ended, in_order

NONE = "nothing was deployed here yet"


def releases(c: Any, options: Options, diff: bool) -> None:
    """Show the releases of the chosen hosts."""
    run = Run(target(c, options), options, reports=False)
    found = _kept(run)
    if options.json:
        print(json_module.dumps({name: _data(known, diff) for name, known in found.items()}, indent=2))
    else:
        _show(found, diff)
    outcomes = run.recorder.outcomes(run.target.hosts)
    for outcome in outcomes:
        if not outcome.well:
            print(f"{outcome.host} | {printable(outcome.cause)}", file=sys.stderr)
    if status := report.exit_status(outcomes):
        sys.stdout.flush()
        raise Exit(code=status)


def _kept(run: Run) -> dict[str, KeptReleases]:
    def one(host: Host, _say: Say) -> KeptReleases:
        known = kept(*engine.look(run.target.links[host], [Kept(plan.place(run.target.fleet))]))
        return known or KeptReleases(None, (), {}, None, ())

    found = run.ask(one)
    return {host.name: found[host.name] for host in run.target.hosts if host.name in found}


def _data(known: KeptReleases, diff: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "deploy": one.deploy,
            "deployed": _moment(one, "%Y-%m-%dT%H:%M:%SZ"),
            "current": one.id == known.current,
            "python": one.runtime.removeprefix("runtimes/"),
            "changed": known.differing(before, one) if (before := known.before(one)) else None,
            **({"diff": known.diff(before, one) if before else ""} if diff else {}),
        }
        for one in known.releases
    ]


def _moment(one: KeptRelease, form: str) -> str:
    return time.strftime(form, time.gmtime(one.deployed))


def _show(found: Mapping[str, KeptReleases], diff: bool) -> None:
    """A table of all hosts' releases, the newest first; below it the diffs."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("HOST", "RELEASE", "DEPLOY", "DEPLOYED (UTC)", "", "CHANGED", box=box.SIMPLE_HEAD, pad_edge=False)
    for host, known in found.items():
        if not known.releases:
            table.add_row(host, "-", "", "", "", NONE)
        for number, one in enumerate(known.releases):
            before = known.before(one)
            changed = ", ".join(known.differing(before, one)) if before else "(the oldest that is kept)"
            current = "current" if one.id == known.current else ""
            name, moment = "" if number else host, _moment(one, "%Y-%m-%d %H:%M:%S")
            # User work can write all of a release.
            cells = (name, one.id, one.deploy or "-", moment, current, changed)
            table.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console(soft_wrap=True)
    console.print(table)
    for host, known in found.items() if diff else ():
        for one in known.releases:
            if before := known.before(one):
                console.print(f"{host}: {before.id} -> {one.id}", style="bold", markup=False, highlight=False)
                for line in known.diff(before, one).split("\n"):
                    console.print(shown(line), markup=False, highlight=False)


def rollback(c: Any, options: Options, to: str) -> None:
    """Bring the chosen hosts back to an earlier release."""
    run = Run(target(c, options), options)
    with run.locked():
        _back(run, to)
    run.finish()


def _back(run: Run, to: str) -> None:
    chosen = run.target
    seen = run.look(lambda _: [Kept(plan.place(chosen.fleet)), Look(plan.place(chosen.fleet))])
    known = {name: kept(one.found[0]) for name, one in seen.items()}
    last = _last(found for found in known.values() if found)

    def wanted(host: Host, _say: Say) -> KeptRelease | None:
        if known[host.name] is None and not chosen.fleet.programs(host):
            return None  # a host with stores alone
        if goal := _goal(known[host.name], to, last):
            # Before a program is stopped.
            _judge(run, host, goal, seen[host.name].found)
        return goal

    goals = run.ask(wanted, [host for host in chosen.hosts if host.name in seen], unfinished=True)
    looked = {name: _way(run, goal, known[name], seen[name].found) for name, goal in goals.items()}
    if run.stopped:
        return
    with run.whole():
        if not run.dry:
            _stop(run, looked)
        run.converge(looked)


def _judge(run: Run, host: Host, goal: KeptRelease, found: tuple[Found, ...]) -> None:
    """Raises Problem where the release could not run there, or where the crawl would stand with it."""
    where, place = plan.place(run.target.fleet), run.target.fleet.scheduler_host
    releases, sight = found
    answering(where, sight)
    Back(where, goal.id).diff(releases)
    among = kept(releases)
    if among and (SCHEDULER.name in among.programs(goal)) != (host == place):
        raise Problem(
            f"nothing was changed here: at release {goal.id} the scheduler was not on {place.name} as now; choose a "
            "later one of `fab releases`, or move it back first (fab move-scheduler)"
        )
    logins = KeptLogins(where, goal.id)
    logins.diff(*engine.look(run.target.links[host], [logins], keep_open=not run.dry))


def _last(found: Any) -> str:
    """The deploy that made the newest of the current releases."""
    current = [one for known in found if known.current and (one := known.named(known.current))]
    return max(current, key=lambda one: one.deployed).deploy if current else ""


def _goal(known: KeptReleases | None, to: str, last: str) -> KeptRelease | None:
    """The release to go back to; None where the last deploy has changed nothing. Raises Problem."""
    current = known.named(known.current) if known and known.current else None
    if known is None or current is None:
        raise Problem(f"nothing was changed here: {NONE}")
    if not to and current.deploy != last:
        return None
    goal = known.named(to) if to else known.before(current)
    if goal is None:
        names = ", ".join(one.id for one in known.releases)
        gone = f"release {to} is not there" if to else f"no release is older than {current.id}"
        raise Problem(f"nothing was changed here: {gone}; those that are: {names} (fab releases tells more)")
    return goal


def _way(run: Run, goal: KeptRelease | None, known: KeptReleases | None, found: tuple[Found, ...]) -> Looked:
    """The steps of a host with its answers; none where it stays."""
    if goal is None or known is None:
        return Looked((), ())
    return Looked(tuple(plan.back(run.target.fleet, goal.id, known.programs(goal), run.target.roles)), found)


def _stop(run: Run, looked: Mapping[str, Looked]) -> None:
    """Stop the programs that will differ in the order of the crawl, where they are of several roles."""
    again: dict[str, list[Program]] = {}
    for host in run.target.hosts:
        steps = zip(looked[host.name].steps, looked[host.name].found, strict=True) if host.name in looked else ()
        names = [name for one, found in steps if isinstance(one, Programs) for name in one.restarts(found)]
        again[host.name] = [program for program in run.target.fleet.programs(host) if program.name in names]
    if len({program.role for programs in again.values() for program in programs}) > 1:
        seen = {name: one.found[-1] for name, one in looked.items() if one.found}
        phases = stopping(run.target.fleet, again)
        in_order(run, phases, partial(ended, run, False), seen, DRAIN_SECONDS)
