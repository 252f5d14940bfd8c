"""`fab deploy` and `fab reload`: the hosts run as hosts.toml says."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from .. import plan
from ..doctor.preflight import Objection, objections
from ..errors import Problem, Say, printable
from ..health.host import HostStatus
from ..inventory import Host
from ..inventory.order import stopping
from ..inventory.roles import SCHEDULER, STORES
from ..runs import engine
from ..runs.engine import apply, missing
from ..runs.options import Options
from ..runs.outcomes import Done
from ..runs.run import Looked, Run
from ..runs.target import Target, target
from ..steps.base import Step
from ..steps.sight import parsed
from ..steps.supervisor import Look, Questions, Untouched, claimed
from .due import doors, due, only_stores, sight_in, wrong_python
from .home import follow
from .operate import DRAIN_SECONDS, ended, in_order
from .rolling import roll
from .split import split
from .strays import under_their_locks

HEALTH_SECONDS = 20.0
"""The time that a changed host may take until its programs run and its web UI answers."""
POLL_SECONDS = 0.5


def deploy(c: Any, options: Options, reload: bool) -> None:
    """Look at all chosen hosts, then change the differences; with `reload` restart everything besides."""
    run = Run(target(c, options, "deploy"), options)
    with run.locked():
        converge(run, reload)
        left = split(run)
    try:
        run.finish()
    finally:
        run.tell(left)


def converge(run: Run, reload: bool, held: Collection[str] = ()) -> None:
    """Bring the hosts of a run, which holds the lock, to what hosts.toml says; it holds those of `held` too."""
    with under_their_locks(run, partial(look, run), held) as (looked, strays):
        _converge(run, reload, looked, strays)


def _converge(run: Run, reload: bool, looked: Mapping[str, Looked], strays: Mapping[str, Sequence[int]]) -> None:
    chosen = run.target
    if _let_in(run, looked):
        # What a host saw of the stores depends on the rules that were set there meanwhile.
        looked, strays = look(run)
    heed(run, looked, reload)
    _keep_schedulers(run, strays)
    for hosts in waves(chosen, strays):
        if chosen.fleet.scheduler_host in hosts and not run.stopped:
            follow(run)
        for number, batch in enumerate(run.batches(hosts)):
            if number > 0:
                looked = {**looked, **_look_again(run, reload, batch)}
            if run.dry:
                run.converge(looked, batch)
            else:
                roll(run, looked, batch, partial(_look_again, run, reload))
            if reload and not run.dry and not run.stopped:
                _reload_all(run, batch)
            check(run, batch, chosen.roles)
        new = chosen.fleet.scheduler_host
        if strays and new not in hosts and not run.dry:
            run.each(lambda _host, _say: _refuse_while_one_runs(run, strays), [new], unfinished=True)


def _look_again(run: Run, reload: bool, hosts: Sequence[Host]) -> Mapping[str, Looked]:
    """The answers of hosts that may have changed while the ones before were served."""
    looked = due(run.target, run.look(lambda host: _steps(run.target, host), hosts))
    heed(run, looked, reload)
    return looked


def _let_in(run: Run, looked: Mapping[str, Looked]) -> bool:
    """Set the rules of all firewalls, if one has to change: before a program of a new host needs a store elsewhere."""

    def one(host: Host, say: Say) -> Done:
        rules = doors(looked[host.name])
        return Done(apply(run.target.links[host], rules.steps, missing(rules.steps, rules.found), say))

    seen = [host for host in run.target.hosts if host.name in looked and _free(run.target, host, looked[host.name])]
    hosts = [host for host in seen if _changes(doors(looked[host.name]))]
    if hosts and not run.dry:
        run.each(one, hosts, unfinished=True)
    return bool(hosts) and not run.dry


def _free(chosen: Target, host: Host, looked: Looked) -> bool:
    """Whether nothing forbids a deploy but stores that may answer after it: on others no rule is set, as nothing is."""
    with suppress(Problem):
        sight = sight_in(looked)
        waiting = {f"{store.name}-refused" for store in STORES}
        grave = [one for one in _objections(chosen, host, looked, chosen.roles) if one.grave]
        free = sight is None or claimed(plan.place(chosen.fleet), sight) is None
        return free and not wrong_python(looked) and all(one.finding.id in waiting for one in grave)
    return False


def heed(run: Run, looked: Mapping[str, Looked], reload: bool) -> None:
    """Tell the findings of doctor's preflight; a host on which going on would do harm is left as it is."""
    _refuse_old_pythons(run, looked)
    hosts = [host for host in run.target.hosts if host.name in looked and run.recorder.going_on(host)]
    # A reload restarts the programs of every role.
    roles = () if reload else run.target.roles
    found = {host: _objections(run.target, host, looked[host.name], roles) for host in hosts}
    changing = [host for host in found if reload or _changes(looked[host.name])]
    _tell_unfiltered(hosts, looked)
    grave = {host: [one for one in found[host] if one.grave] for host in changing}
    for host, several in found.items():
        for one in several:
            if one not in grave.get(host, ()):
                print(f"{host.name} | warning: {printable(str(one))}", file=sys.stderr)
    refused = [host for host in changing if grave[host]]
    run.each(lambda host, _say: _refuse("; ".join(map(str, grave[host]))), refused)
    free = [host for host in changing if not grave[host] and plan.chosen_programs(run.target.fleet, host, roles)]
    run.each(lambda host, say: _log_in(run, host, roles, say), free, unfinished=True)


def _refuse_old_pythons(run: Run, looked: Mapping[str, Looked]) -> None:
    """Before any host is changed: one that is refused in its turn only might be the scheduler's next one."""
    going = [host for host in run.target.hosts if host.name in looked and run.recorder.going_on(host)]
    wrong = {host: problem for host in going if (problem := wrong_python(looked[host.name]))}

    def refuse(host: Host, _say: Say) -> NoReturn:
        raise wrong[host]

    run.each(refuse, list(wrong))


def _tell_unfiltered(hosts: Sequence[Host], looked: Mapping[str, Looked]) -> None:
    for host in hosts:
        with suppress(Problem):
            sight = sight_in(looked[host.name])
            if sight and sight.firewall and sight.firewall.holds and not sight.firewall.filters:
                text = (
                    "no rules can be set on this host; the RPC servers keep strangers out, other ports are open to them"
                )
                print(f"{host.name} | warning: {text} (fab doctor names them)", file=sys.stderr)


def _log_in(run: Run, host: Host, roles: Sequence[str], say: Say) -> None:
    """Refuse a host whose new programs the stores would not let in, before any old one is stopped."""
    say("asking MySQL and Redis with the release's own passwords")
    wanted = plan.logins(run.target.fleet, host, roles)
    (found,) = engine.look(run.target.links[host], [wanted], keep_open=not run.dry)
    try:
        wanted.diff(found)
    except Problem as error:
        _refuse(str(error))


def _keep_schedulers(run: Run, strays: Mapping[str, Sequence[int]]) -> None:
    """Keep the running schedulers where the new one can't be started; their hosts are left as they are."""
    new = run.target.fleet.scheduler_host
    if strays and not run.recorder.going_on(new):
        staying = [host for host in run.target.hosts if host.name in strays]
        run.each(lambda _host, _say: _refuse(f"its scheduler goes on, since {new.name} can't take it"), staying)


def _objections(chosen: Target, host: Host, looked: Looked, roles: Sequence[str]) -> list[Objection]:
    try:
        sight = sight_in(looked)
    except Problem:
        return []  # the step that needs the answer tells it
    return objections(chosen.fleet, host, sight, roles) if sight else []


def _changes(looked: Looked) -> bool:
    try:
        return bool(missing(looked.steps, looked.found))
    except Problem:
        return False


def _refuse(why: str) -> NoReturn:
    raise Problem(f"nothing was changed here: {why}")


def _steps(chosen: Target, host: Host) -> Sequence[Step]:
    return plan.deploy(chosen.fleet, host, chosen.roles)


def check(run: Run, batch: Sequence[Host], roles: Sequence[str] = ()) -> None:
    """Let the next batch begin only if the programs (of these roles) on the changed hosts run, and are well."""
    if run.pace.batch and not run.dry:
        run.each(lambda host, say: _well(run.target, host, roles, say), run.changed(batch), "check")


def _well(chosen: Target, host: Host, roles: Sequence[str], say: Say) -> None:
    say("checking its health")
    names = [program.name for program in plan.chosen_programs(chosen.fleet, host, roles)]
    asked = Look(plan.place(chosen.fleet), Questions(webui=plan.questions(chosen.fleet, host).webui))
    deadline = time.monotonic() + HEALTH_SECONDS
    while True:
        sight = parsed(engine.look(chosen.links[host], [asked])[0])
        problems = HostStatus(host, tuple(names), True, sight=sight).problems_after(bool(roles))
        if not problems:
            return
        if time.monotonic() > deadline:
            raise Problem(f"changed, but not well afterwards: {'; '.join(problems)}")
        time.sleep(POLL_SECONDS)


def reload(c: Any, options: Options) -> None:
    """Restart supervisord and all programs of the chosen hosts."""
    chosen = target(c, options, "reload")
    run = Run(chosen, options)
    with run.locked():
        for batch in run.batches(chosen.hosts):
            # A program that would not start again is not stopped.
            heed(run, run.look(lambda host: plan.supervised(chosen.fleet, host), batch), reload=True)
            _reload_all(run, batch)
            check(run, batch)
    run.finish()


def _reload_all(run: Run, hosts: Sequence[Host]) -> None:
    """Stop all programs in the order of the crawl, then restart supervisord and all of them on every host."""
    chosen = {host.name: run.target.fleet.programs(host) for host in hosts if run.recorder.going_on(host)}
    if run.stopped:
        return
    with run.whole():
        in_order(run, stopping(run.target.fleet, chosen), partial(ended, run, False), {}, DRAIN_SECONDS)
        run.each(lambda host, say: _reload(run.target, host, say), hosts)


def _reload(chosen: Target, host: Host, say: Say) -> Done:
    say("looking")
    link, untouched = chosen.links[host], Untouched(plan.place(chosen.fleet))
    (found,) = engine.look(link, [untouched], keep_open=True)
    untouched.diff(found)
    if only_stores(chosen, host.name, Looked((Look(untouched.place),), (found,))):
        link.rest()
        return Done()
    programs = plan.supervision(chosen.fleet, host).programs
    return Done(apply(link, [programs], [programs.reload()], say))


def look(run: Run) -> tuple[dict[str, Looked], dict[str, Sequence[int]]]:
    """The answers of the chosen hosts, and the schedulers that live on any host that should have none.

    If this run can start a scheduler, the rest of the cluster is looked at too, in the same
    breath. A host that can't be reached has no say: its scheduler, if there is one, shows in
    `fab status` as soon as the host is back.
    """
    chosen = run.target
    new = chosen.fleet.scheduler_host
    starts = new in chosen.hosts and (not chosen.roles or SCHEDULER.name in chosen.roles)
    others = [host for host in chosen.fleet.hosts if starts and host not in chosen.hosts]
    chosen.also(others)

    def steps(host: Host) -> Sequence[Step]:
        if host in others:
            return [Look(plan.place(chosen.fleet))]
        return _steps(chosen, host)

    looked = due(chosen, run.look(steps, [*chosen.hosts, *others]))
    for host in others:
        chosen.links[host].rest()
    strays = {name: pids for name, one in looked.items() if starts and name != new.name and (pids := _schedulers(one))}
    return looked, strays


def _schedulers(looked: Looked) -> Sequence[int]:
    sight = sight_in(looked)
    return sight.schedulers if sight else ()


def _refuse_while_one_runs(run: Run, strays: Mapping[str, Sequence[int]]) -> None:
    again = Look(plan.place(run.target.fleet))
    for name in strays:
        found = engine.look(run.target.links[run.target.fleet.host(name)], [again])
        if pids := _schedulers(Looked((again,), tuple(found))):
            raise Problem(
                f"not started: a scheduler still runs on {name} (pid {', '.join(map(str, pids))}) and is not "
                "supervisord's; end it there, then deploy again"
            )


def waves(chosen: Target, strays: Mapping[str, Sequence[int]]) -> list[tuple[Host, ...]]:
    """The hosts in the order in which they may change, so that no two schedulers ever run.

    There is one wave, unless this run both ends a scheduler on one host and starts it on another:
    then the host that ends its own goes first. Raises Problem when a scheduler runs that this run would not end.
    """
    new = chosen.fleet.scheduler_host
    for name, pids in strays.items():
        if chosen.fleet.host(name) not in chosen.hosts:
            raise Problem(
                f"{name}: a scheduler runs there (pid {', '.join(map(str, pids))}), "
                f"but its place is {new.name}; "
                f"deploy both together, so that it moves: fab -H {name},{new.name} deploy"
            )
    if not strays:
        return [chosen.hosts]
    return [tuple(host for host in chosen.hosts if host != new), (new,)]
