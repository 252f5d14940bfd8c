"""`fab decommission`: hosts leave the cluster, which goes on without them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import plan
from ..errors import Problem, Unreachable, WrongInput
from ..inventory import Fleet, Host, edit
from ..inventory.order import stopping
from ..inventory.roles import SCHEDULER, STORES
from ..runs.engine import missing
from ..runs.options import Options, whole_number
from ..runs.run import Looked, Run
from ..runs.target import target
from ..steps.supervisor import Look
from . import deploy
from .operate import ended, in_order
from .rolling import sight_of


@dataclass(frozen=True, slots=True)
class Leave:
    """The hosts that leave, the cluster after that, and the text of its file."""

    hosts: tuple[Host, ...]
    after: Fleet
    before: str
    text: str

    @property
    def names(self) -> str:
        return ", ".join(host.name for host in self.hosts)


def decommission(c: Any, options: Options, yes: bool, drain: str) -> None:
    """Take the hosts that -H names out of the cluster."""
    seconds = whole_number("--drain", drain, 0)
    if not c.config["chosen"]:
        raise WrongInput("name the hosts that leave: fab -H NAME decommission")
    chosen = target(c, options)
    leave = _leave(chosen.fleet, chosen.hosts)
    leaving = Run(chosen, options)
    others = replace(chosen, fleet=leave.after, hosts=leave.after.hosts, skipped=leave.hosts)
    chosen.also(others.hosts)
    run = Run(others, options)
    # One recap, of all hosts.
    run.recorder = leaving.recorder
    run.holds = leaving.holds
    with leaving.locked():
        looked = _look(leaving, leave)
        if run.dry:
            run.tell(edit.diff(leave.after.path, leave.before, leave.text))
            leaving.converge(looked)
            deploy.converge(run, reload=False)
        else:
            _confirm(leave, yes)
            _go(leaving, run, leave, seconds)
    run.finish()


def _leave(fleet: Fleet, hosts: Sequence[Host]) -> Leave:
    """Raises WrongInput where the cluster can't be without these hosts."""
    for host in hosts:
        _refuse(fleet, host)
    before = edit.read(fleet.path)
    after, text = edit.edited(fleet, before, *(edit.without_host(host.name) for host in hosts))
    return Leave(tuple(hosts), after, before, text)


def _refuse(fleet: Fleet, host: Host) -> None:
    if host.has(SCHEDULER):
        raise WrongInput(f"{host.name} has the scheduler; move it first: fab move-scheduler --to NAME")
    for store in STORES:
        if host.has(store) or host.address == fleet.stores.of(store).address:
            raise WrongInput(f"{host.name} has {store.title}, which the cluster's data is in; it can't leave")


def _look(leaving: Run, leave: Leave) -> dict[str, Looked]:
    """The hosts that leave, looked at. Raises Problem where one can't be seen: nothing is changed then."""
    fleet = leaving.target.fleet
    looked = leaving.look(lambda host: [Look(plan.place(fleet)), *plan.removal(fleet, host)])
    for name, one in looked.items():
        try:
            missing(one.steps, one.found)
        except Problem as error:
            raise Problem(f"{name}: {error}") from error
    for outcome in leaving.recorder.outcomes(leave.hosts):
        if outcome.status in ("failed", "unreachable"):
            kind = Unreachable if outcome.status == "unreachable" else Problem
            raise kind(f"{outcome.host}: nothing was changed: {outcome.cause}")
    return looked


def _confirm(leave: Leave, yes: bool) -> None:
    """Raises WrongInput where nobody says yes."""
    if yes:
        return
    file = leave.after.file
    what = f"remove the cluster's programs, files and logs from {leave.names}, and take it out of {file}"
    if not sys.stdin.isatty():
        raise WrongInput(f"this would {what}; say --yes, since there is nobody to ask")
    print(f"This will {what}. Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise WrongInput("nothing was changed")


def _go(leaving: Run, run: Run, leave: Leave, seconds: int) -> None:
    """Stop, remove, write hosts.toml, and bring the others to it; what fails on the way leaves the file as it is."""
    _remove(leaving, leave, seconds)
    leaving.still_locked()
    if lost := [host.name for host in leave.hosts if not leaving.recorder.going_on(host)]:
        run.halt(f"{', '.join(lost)} could not be taken out; {leave.after.file} is as it was")
        return
    edit.write(leave.after.path, leave.before, leave.text)
    print(f"fab: {leave.after.file} is without {leave.names} now", file=sys.stderr)
    deploy.converge(run, reload=False)


def _remove(leaving: Run, leave: Leave, seconds: int) -> None:
    """Programs end in the order of the crawl and hand back what they hold; then all of the cluster's goes."""
    fleet = leaving.target.fleet
    looked = _look(leaving, leave)
    leaving.still_locked()
    alive = [host for host in leave.hosts if (sight := sight_of(looked[host.name])) and sight.supervisord.answers]
    phases = stopping(fleet, {host.name: fleet.programs(host) for host in alive})
    # Not on purpose: after a death on the way, status tells that they are down.
    in_order(leaving, phases, partial(ended, leaving, False), {}, seconds)
    leaving.converge(leaving.look(lambda host: plan.removal(fleet, host)), leave.hosts)
