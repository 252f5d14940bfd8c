"""`fab passwords.rotate`: new passwords, while the old ones stay valid until every program has the new ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .. import plan
from ..errors import Problem, WrongInput
from ..inventory import Host, rotation
from ..inventory.roles import MYSQL, REDIS
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import target
from ..steps.base import Step
from ..steps.second_password import MySQLPasswords, RedisPasswords
from . import deploy
from .due import wrong_python


def rotate(c: Any, options: Options, words: Sequence[str]) -> None:
    """Change these passwords, or all that fab has made. Raises WrongInput, Problem; a later run goes on."""
    if c.config["chosen"]:
        raise WrongInput("passwords.rotate concerns the whole cluster: leave -H away")
    chosen = target(c, options)
    fleet = chosen.fleet
    names = rotation.chosen(fleet, words)
    asked = Run(chosen, options, reports=False)
    if asked.dry:
        asked.tell(f"new passwords of {', '.join(names)}; programs restart with them, in turns\n")
        return
    run = Run(chosen, options)
    with run.locked():
        _judge(run)
        # Under the lock: two runs at once would each go on with passwords that the other one has replaced.
        changes = rotation.begun(fleet.passwords_path, names)
        run.target = replace(chosen, fleet=rotation.with_new(fleet, changes))
        _go(run, changes)
    run.finish()


def _judge(run: Run) -> None:
    """Raises Problem where programs of a host could not begin anew: nobody would get the new passwords to them."""
    looked, _ = deploy.look(run)
    for name, one in looked.items():
        if problem := wrong_python(one):
            raise Problem(f"{name}: {problem}")


def _go(run: Run, changes: Sequence[rotation.Change]) -> None:
    path = run.target.fleet.passwords_path
    lost = _lost(run, _bring(run, lambda host: _steps(run, host, changes, only=False)))
    run.still_locked()
    if lost:
        raise Problem(
            f"{lost}; programs have the passwords that they had, which a store knows beside the new ones, unless it is "
            f"too old for two: mend that, and {_again(changes)}"
        )
    rotation.in_use(path, changes)
    # The files that a store reads at its next start.
    _bring(run, lambda host: plan.stores(run.target.fleet, host))
    deploy.converge(run, reload=False)
    run.still_locked()
    if _lost(run, run.target.hosts):
        print(
            f"fab: the old passwords stay valid, since not every host has the new ones: {_again(changes)}",
            file=sys.stderr,
        )
    elif not _lost(run, _bring(run, lambda host: _steps(run, host, changes, only=True))):
        run.still_locked()
        rotation.done(path, changes)


def _again(changes: Sequence[rotation.Change]) -> str:
    return f"run fab passwords.rotate {' '.join(one.name for one in changes)} again"


def _bring(run: Run, steps: Callable[[Host], list[Step]]) -> list[Host]:
    """Bring the hosts that have such steps to them; these hosts."""
    concerned = [host for host in run.target.hosts if steps(host)]
    run.converge(run.look(steps, concerned), concerned)
    return concerned


def _steps(run: Run, host: Host, changes: Sequence[rotation.Change], only: bool) -> list[Step]:
    stores, found = run.target.fleet.stores, list[Step]()
    for one in changes:
        pair = one.old.reveal(), one.new.reveal()
        if one.name == MYSQL.name and host.has(MYSQL):
            found.append(MySQLPasswords(stores.mysql.user, *pair, only))
        if one.name == REDIS.name and host.has(REDIS):
            admin = stores.redis.admin.reveal() if stores.redis.admin else ""
            found.append(RedisPasswords(*pair, stores.redis.port, only, stores.redis.user or "", admin))
    return found


def _lost(run: Run, hosts: Sequence[Host]) -> str:
    """Those of the hosts that are not well so far, each with its reason."""
    bad = [one for one in run.recorder.outcomes(hosts) if not one.well]
    return "; ".join(f"{one.host}: {one.cause or one.status}" for one in bad)
