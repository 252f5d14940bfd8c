"""`fab doctor`: each fault, its cause, and the command that fixes it."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Sequence
from typing import Any

from invoke.exceptions import Exit
from msgspec.structs import replace

from .. import plan
from ..doctor.checks import CHECKS
from ..doctor.facts import Facts, parsed
from ..doctor.findings import Finding, Patient, Unseen, View, findings
from ..doctor.fix import needs_stores, steps
from ..doctor.look import Examination, from_here, strange
from ..errors import Say, Unreachable, counted, printable
from ..inventory import Host, rotation
from ..inventory.place import meant
from ..runs.engine import look
from ..runs.options import Options
from ..runs.outcomes import Outcome
from ..runs.run import Run
from ..runs.target import Target, target

SETTLE_SECONDS = 45.0
POLL_SECONDS = 2.0

UNTIL_THEY_WORK = ("restarting", "failing")
"""Findings that tell of a program's last seconds, also of those before the fix."""


def doctor(c: Any, options: Options, fix: bool) -> None:
    """Look, judge, fix if that is wanted, and tell."""
    chosen = target(c, options, allow_unlisted=True)
    fixing = Run(chosen, Options(lock_wait=options.lock_wait))
    view = examine(chosen)
    found = findings(view, CHECKS)
    if fix and any(one.fixable for one in found):
        _fix(fixing, view, found)
        found = _afterwards(chosen)
    if options.json:
        print(json_module.dumps({"findings": [one.as_data() for one in found]}, indent=2))
    else:
        _show(found, chosen.hosts)
    if faults := [one for one in found if not one.warning]:
        sys.stdout.flush()
        raise Exit(code=Unreachable.exit_status if all(one.id == "unreachable" for one in faults) else 1)


def examine(chosen: Target) -> View:
    """Look at every chosen host at once, in one channel each."""
    run = Run(chosen, reports=False)

    def one(host: Host, _say: Say) -> Facts | None:
        begun = time.time()
        facts = parsed(*look(chosen.links[host], [Examination(chosen.fleet, host)]))
        if facts is None:
            return None
        # Looking takes a while; the far clock is read somewhere in between.
        off = facts.clock - (begun + time.time()) / 2
        return replace(facts, clock_off=off, from_here=from_here(host, facts), doors=strange(chosen.fleet, host, facts))

    seen = {name: facts for name, facts in run.ask(one).items() if facts}
    outcomes = zip(chosen.hosts, run.recorder.outcomes(chosen.hosts), strict=True)
    patients = tuple(Patient(host, seen[host.name]) for host in chosen.hosts if host.name in seen)
    unseen = tuple(_unseen(host, outcome) for host, outcome in outcomes if host.name not in seen)
    return View(chosen.fleet, patients, unseen, rotation.unfinished(chosen.fleet.passwords_path))


def _unseen(host: Host, outcome: Outcome) -> Unseen:
    return Unseen(host, outcome.cause, outcome.status != "unreachable")


def _fix(run: Run, view: View, found: Sequence[Finding]) -> None:
    """Run the steps that fix, on all hosts at once; their changes are shown on stderr, the report stays clean."""
    pids = {host.name: frozenset(one.pid for one in host.programs if one.pid) for host in view.seen}
    chosen = run.target
    with run.locked():
        if needs_stores(found):
            keepers = [host for host in chosen.hosts if plan.stores(chosen.fleet, host)]
            run.converge(run.look(lambda host: plan.stores(chosen.fleet, host), keepers), keepers)
        wanted = {
            host.name: steps(chosen.fleet, host, found, pids.get(host.name, frozenset())) for host in chosen.hosts
        }
        hosts = [host for host in chosen.hosts if wanted[host.name]]
        run.converge(run.look(lambda host: wanted[host.name], hosts), hosts)
    for outcome in run.recorder.outcomes(chosen.hosts):
        for line in (*outcome.changes, *filter(None, (outcome.cause,))):
            print(f"{outcome.host} | {printable(line)}", file=sys.stderr)
    run.still_locked()


def _afterwards(chosen: Target) -> list[Finding]:
    """The findings after a fix. Programs that ended, or failed, again and again get time to show that they work."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = findings(examine(chosen), CHECKS)
        if time.monotonic() > deadline or all(one.id not in UNTIL_THEY_WORK for one in found):
            return found
        time.sleep(POLL_SECONDS)


def _show(found: Sequence[Finding], hosts: Sequence[Host]) -> None:
    """The report for a person: per finding its id and host, then evidence, cause and fix."""
    from rich.console import Console

    console = Console(soft_wrap=True)
    for one in found:
        kind, style = (" (a warning)", "bold yellow") if one.warning else ("", "bold red")
        console.print(f"{one.host}: {one.id}{kind}", style=style, markup=False, highlight=False)
        fix = f"{one.fix}{'   (or: fab doctor --fix)' if one.fixable and '--fix' not in one.fix else ''}"
        for label, text in (("seen", one.evidence), ("cause", one.cause), ("fix", fix)):
            console.print(f"    {label:<6} {text}", markup=False, highlight=False)
    if said := meant(text for one in found for text in (one.cause, one.fix)):
        console.print(said, markup=False, highlight=False)
    faults = [one for one in found if not one.warning]
    style = "bold red" if faults else "bold green"
    console.print(f"{_counted(hosts, 'host')}: {_count(faults, found)}", style=style, highlight=False)


def _count(faults: Sequence[Finding], found: Sequence[Finding]) -> str:
    warnings = found[len(faults) :]
    told = _counted(faults, "finding") if faults else "nothing found"
    return f"{told}, {_counted(warnings, 'warning')}" if warnings else told


def _counted(things: Sequence[object], word: str) -> str:
    return counted(len(things), word)
