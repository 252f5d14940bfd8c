"""`fab move-scheduler`: the scheduler ends on one host, is proven dead, and starts on another."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from invoke.exceptions import Exit

from .. import plan
from ..errors import Problem, Unreachable, WrongInput
from ..inventory import Fleet, Host, edit
from ..inventory.order import Phase
from ..inventory.roles import SCHEDULER, WEBUI
from ..runs.engine import look as ask
from ..runs.options import Options
from ..runs.run import Looked, Run
from ..runs.target import target
from ..steps.sight import Sight, parsed
from ..steps.supervisor import Look
from . import deploy
from .home import fence, lease, set_home
from .operate import ended, in_order

ROLES = (SCHEDULER.name, WEBUI.name)
"""The roles whose programs learn of the move; all hosts get its release and its firewall."""
AGAIN = "run this again, or fab start scheduler"


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the scheduler, with the cluster after it and the text of its file."""

    old: Host
    new: Host
    gone: bool
    """The operator says that the old host is lost."""
    after: Fleet
    before: str
    text: str


def move_scheduler(c: Any, options: Options, to: str, gone: str) -> None:
    """Move the scheduler to the host `to`; `gone` names the old host where that is lost."""
    if c.config["chosen"]:
        raise WrongInput("move-scheduler concerns the whole cluster: leave -H away, and name the new host by --to")
    chosen = target(c, options)
    move = _move(chosen.fleet, to, gone)
    hosts = tuple(host for host in move.after.hosts if not (move.gone and host.name == move.old.name))
    before = Run(chosen, options, reports=False)
    run = Run(replace(chosen, fleet=move.after, hosts=hosts, roles=ROLES), options)
    with before.locked(), run.locked():
        run.holds += before.holds
        looked, strays = deploy.look(run)
        _refuse_strays(move, strays)
        _judge(run, move, looked)
        if run.dry:
            run.tell(edit.diff(move.after.path, move.before, move.text))
            run.converge(looked)
        else:
            _go(run, move)
    run.finish()


def _move(fleet: Fleet, to: str, gone: str) -> Move:
    """The move that is asked for. Raises WrongInput."""
    old = fleet.scheduler_host
    if not to:
        raise WrongInput("name the host that gets the scheduler: fab move-scheduler --to NAME")
    new = fleet.host(to)
    if new == old:
        raise WrongInput(f"{fleet.file} has the scheduler on {old.name} already; `fab deploy` brings it there")
    if gone and fleet.host(gone) != old:
        raise WrongInput(f"--old-host-is-gone {gone}: the scheduler's host is {old.name}; name that, or leave it away")
    before = edit.read(fleet.path)
    edits = edit.with_count(old.name, SCHEDULER.name, 0), edit.with_count(new.name, SCHEDULER.name, 1)
    after, text = edit.edited(fleet, before, *edits)
    return Move(after.host(old.name), after.host(new.name), bool(gone), after, before, text)


def _refuse_strays(move: Move, strays: Mapping[str, Sequence[int]]) -> None:
    for name, pids in strays.items():
        if name != move.old.name:
            raise Problem(
                f"{name}: a scheduler runs there (pid {', '.join(map(str, pids))}), and its place is {move.old.name}; "
                "end it there first"
            )


def _judge(run: Run, move: Move, looked: Mapping[str, Looked]) -> None:
    """Raises Problem where the move can't be made, or not safely: before anything is changed."""
    old, new = move.old.name, move.new.name
    lost = run.recorder.status(move.old) == "unreachable"
    if lost and not move.gone:
        (outcome,) = run.recorder.outcomes([move.old])
        raise Unreachable(
            f"{old}: {outcome.cause}; so nobody can see that its scheduler ends. Nothing was changed: bring {old} "
            f"back, or, if it is lost: fab move-scheduler --to {new} --old-host-is-gone {old}"
        )
    if move.gone and not lost:
        raise WrongInput(f"{old} answers, so it is not gone: fab move-scheduler --to {new}")
    if new in looked:
        deploy.heed(run, {new: looked[new]}, reload=False)
    if not run.recorder.going_on(move.new):
        (outcome,) = run.recorder.outcomes([move.new])
        kind = Unreachable if outcome.status == "unreachable" else Problem
        raise kind(f"{new} can't take the scheduler, and nothing was changed: {outcome.cause}")
    lease(run)


def _go(run: Run, move: Move) -> None:
    """End it, prove that it is dead, and only then start it at its new place."""
    _leave(run, move)
    print(f"fab: {move.after.file}: the scheduler is on {move.new.name} now", file=sys.stderr)
    deploy.converge(run, reload=False, held=[move.old.name])
    if not run.recorder.going_on(move.new):
        text = f"the scheduler does not run: mend {move.new.name} and `fab deploy`, or move it elsewhere"
        print(f"fab: {text}", file=sys.stderr)


def _leave(run: Run, move: Move) -> None:
    """End it where it is; when it is proven dead, hosts.toml names its new place. Raises Problem."""
    run.still_locked()
    try:
        if not move.gone:
            _end(run, move)
        _settle(run, move)
    except (Exit, KeyboardInterrupt):
        if not move.gone:
            print(f"fab: the scheduler of {move.old.name} may be stopped: {AGAIN}", file=sys.stderr)
        raise


def _settle(run: Run, move: Move) -> None:
    """Only its new place may have the scheduler, by Redis and by hosts.toml. Raises Problem."""
    try:
        run.still_locked()
        home = fence(run, move.new.name)
        try:
            edit.write(move.after.path, move.before, move.text)
        except Problem:
            set_home(run, home)
            raise
    except Problem as error:
        back = "" if move.gone else f"; the scheduler of {move.old.name} is stopped: fab start scheduler"
        raise Problem(f"{error}{back}") from error


def _end(run: Run, move: Move) -> None:
    """Raises Problem where a scheduler lives on."""
    phase = Phase(SCHEDULER.name, {move.old.name: (SCHEDULER.name,)})
    sight = _sight(run, move.old)
    # A dead supervisord holds none, and when it comes back, Redis gives its scheduler no lease.
    if sight and sight.supervisord.answers:
        # Not on purpose: a move that is killed here must not leave a cluster that looks healthy and crawls nothing.
        with run.whole():
            in_order(run, [phase], partial(ended, run, False), {})
    if not run.recorder.going_on(move.old):
        (outcome,) = run.recorder.outcomes([move.old])
        raise Problem(f"{move.old.name}: its scheduler could not be stopped, so it stays there: {outcome.cause}")
    sight = _sight(run, move.old)
    if sight and sight.schedulers:
        pids = ", ".join(map(str, sight.schedulers))
        raise Problem(
            f"{move.old.name}: a scheduler still runs there (pid {pids}) that is not supervisord's; end it there, "
            "then run this again"
        )


def _sight(run: Run, host: Host) -> Sight | None:
    return parsed(ask(run.target.links[host], [Look(plan.place(run.target.fleet))])[0])
