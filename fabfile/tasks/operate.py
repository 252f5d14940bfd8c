"""`fab start`, `fab stop` and `fab restart`: programs by name, in the order of the crawl."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from .. import plan
from ..errors import Problem, Say, printable
from ..health.redis import redis_report
from ..inventory import Host
from ..inventory.ends import stop_seconds
from ..inventory.order import Chosen, Phase, named, starting, stopping
from ..inventory.roles import ROLES, SCHEDULER
from ..inventory.turns import Turn, turns
from ..runs.engine import apply, look, missing, preview
from ..runs.options import Options, whole_number
from ..runs.outcomes import Done
from ..runs.run import Run, Work
from ..runs.target import Target, route, target
from ..steps.base import Found, Step
from ..steps.operation import Begun, Ended
from ..steps.sight import parsed
from ..steps.supervisor import Look, Place
from .home import follow
from .trying import Failure, mute, pids, running, settle, tolerated, tried

POLL_SECONDS = 0.5
DRAIN_SECONDS = 30
"""The time that each queue may take to become empty, unless the operator says otherwise."""
SPARE_SECONDS = 15
"""Seconds beside those that the programs themselves may take."""
Steps = Callable[[Phase, Host], Step]
"""The step of a phase on one host."""


def stop(c: Any, options: Options, words: Sequence[str], drain: str) -> None:
    """Stop programs, so that they stay down until `start`."""
    seconds = whole_number("--drain", drain, 0)
    run, chosen = _begun(c, options, words)
    with run.locked():
        seen = _look(run)
        in_order(run, stopping(run.target.fleet, chosen), partial(ended, run, True), seen, seconds)
        _close(run)
    run.finish()


def start(c: Any, options: Options, words: Sequence[str]) -> None:
    """Start programs, also those that were stopped on purpose."""
    run, chosen = _begun(c, options, words)
    with run.locked():
        seen = _look(run)
        _refuse_second_scheduler(run, chosen, seen)
        run.still_locked()
        follow(run)
        _start(run, chosen, seen)
        _close(run)
    run.finish()


def restart(c: Any, options: Options, words: Sequence[str], drain: str) -> None:
    """Stop programs and start them again, but for those that were stopped on purpose."""
    seconds = whole_number("--drain", drain, 0)
    run, chosen = _begun(c, options, words, "restart")
    with run.locked():
        seen = _look(run)
        chosen = _awake(chosen, seen)
        _refuse_second_scheduler(run, chosen, seen)
        sights = [parsed(found) for found in seen.values()]
        for batch in run.batches(run.target.hosts):
            mine = {host.name: chosen[host.name] for host in batch if host.name in chosen}
            in_turn = turns(mine, running(sights))
            for number, turn in enumerate(in_turn, 1):
                if not run.stopped:
                    with run.whole():
                        _restart(run, turn, seconds)
                    settle(run, turn, in_turn[number:])
    run.finish()


def _restart(run: Run, turn: Turn, seconds: int) -> None:
    """Programs end, start, and are tried; where they fail, nothing new is begun unless the operator allows for it."""
    seen = _look(run, [host for host in run.target.hosts if host.name in turn])
    silent = set() if run.dry else mute(run)
    in_order(run, stopping(run.target.fleet, turn), partial(ended, run, False), seen, seconds)
    if run.dry:
        return
    _start(run, turn, {})
    before = {name: pids(parsed(found)) for name, found in seen.items() if turn[name]}
    names = {name: [one.name for one in turn[name]] for name in before}
    faults = tried(run, before, names, silent) if before else {}
    goes_on = tolerated(run, list(faults))
    run.each(partial(_fail, faults), [host for host in run.target.hosts if host.name in faults])
    lost = [name for name in before if not run.recorder.going_on(run.target.fleet.host(name))]
    if lost and not goes_on:
        run.halt(f"programs failed after their restart on {', '.join(lost)}")


def _fail(faults: Mapping[str, Failure], host: Host, _say: Say) -> None:
    raise Problem(faults[host.name].why)


def _start(run: Run, chosen: Chosen, seen: Mapping[str, Found]) -> None:
    """Start programs role by role, and only then wait for all of them: each takes some seconds to be RUNNING."""
    in_order(run, starting(chosen), partial(begun, run), seen)
    names = {host: tuple(one.name for one in programs) for host, programs in chosen.items() if programs}
    if not run.dry:
        where = plan.place(run.target.fleet)
        steps = partial(_running, where, names)
        run.each(_bringing(run, steps, {}), [host for host in run.target.hosts if host.name in names], unfinished=True)


def _running(where: Place, names: Mapping[str, tuple[str, ...]], host: Host) -> Begun:
    return Begun(where, names[host.name])


def _begun(c: Any, options: Options, words: Sequence[str], task: str = "") -> tuple[Run, Chosen]:
    where = target(c, options, task)
    return Run(where, options), named(where.fleet, where.hosts, where.roles, words)


def _look(run: Run, hosts: Sequence[Host] | None = None) -> dict[str, Found]:
    looked = run.look(lambda _: [Look(plan.place(run.target.fleet))], hosts)
    return {name: one.found[0] for name, one in looked.items()}


def _close(run: Run) -> None:
    """Give each host its outcome; one without any of the programs has only been looked at."""

    def one(host: Host, _say: Say) -> None:
        run.target.links[host].rest()

    run.each(one)


def _awake(chosen: Chosen, seen: Mapping[str, Found]) -> Chosen:
    """Those that were not stopped on purpose; the others are named."""
    rest: dict[str, list[str]] = {}
    for host, programs in chosen.items():
        sight = parsed(seen[host]) if host in seen else None
        rest[host] = [one.name for one in programs if sight and sight.rests(one.name)]
        if rest[host]:
            print(f"{host} | stays stopped: {printable(', '.join(rest[host]))} (fab start ends that)", file=sys.stderr)
    return {host: [one for one in programs if one.name not in rest[host]] for host, programs in chosen.items()}


def ended(run: Run, on_purpose: bool, phase: Phase, host: Host) -> Ended:
    """The step that stops the programs of a phase on one host."""
    seconds = stop_seconds(run.target.fleet, ROLES[phase.role]) + SPARE_SECONDS
    return Ended(plan.place(run.target.fleet), phase.names[host.name], on_purpose, seconds)


def begun(run: Run, phase: Phase, host: Host) -> Begun:
    """The step that starts the programs of a phase on one host, and does not wait for them."""
    return Begun(plan.place(run.target.fleet), phase.names[host.name], wait=False)


def in_order(run: Run, phases: Sequence[Phase], steps: Steps, seen: Mapping[str, Found], drain: int = 0) -> None:
    """One phase after the other, each on all of its hosts at once; before it its queues are empty, or time is over.

    `seen` are the answers to a look at supervisord, by host; a host without one is looked at anew.
    """
    for phase in phases:
        hosts = [host for host in run.target.hosts if host.name in phase.names]
        if phase.queues and not run.dry and not run.stopped:
            await_empty(run.target, phase, drain)
        run.each(_bringing(run, partial(steps, phase), seen), hosts, unfinished=True)


def _bringing(run: Run, step_of: Callable[[Host], Step], seen: Mapping[str, Found]) -> Work:
    def one(host: Host, say: Say) -> Done:
        step, link = step_of(host), run.target.links[host]
        found = [seen[host.name]] if host.name in seen else look(link, [step], keep_open=True)
        if run.dry:
            return preview([step], found)
        return Done(apply(link, [step], actions, say)) if (actions := missing([step], found)) else Done()

    return one


def await_empty(chosen: Target, phase: Phase, seconds: int) -> None:
    """Wait until nothing is in the queues of a phase; say so where it can't be seen, or time is over."""
    redis = chosen.fleet.stores.redis
    opener = route(chosen, list(chosen.hosts), redis.address, redis.port)
    password = redis.password.reveal() if redis.password else None
    deadline = time.monotonic() + seconds
    while seconds:
        report = redis_report(opener, password, redis.db, phase.queues, tls=redis.tls, user=redis.user)
        left = {name: count for name, count in report.queues.items() if count}
        if report.problem and not report.queues:
            print(f"fab: not waiting for {', '.join(phase.queues)}: {printable(report.problem)}", file=sys.stderr)
            return
        if not left:
            return
        if time.monotonic() > deadline:
            told = ", ".join(f"{name} still holds {count}" for name, count in left.items())
            print(f"fab: {told} after {seconds} s; it stays there until {phase.role} runs again", file=sys.stderr)
            return
        time.sleep(POLL_SECONDS)


def _refuse_second_scheduler(run: Run, chosen: Chosen, seen: Mapping[str, Found]) -> None:
    """Raises Problem where a scheduler is to start and one that is not supervisord's program lives anywhere."""
    fleet = run.target.fleet
    if not any(one.role == SCHEDULER.name for programs in chosen.values() for one in programs):
        return
    others = [host for host in fleet.hosts if host not in run.target.hosts]
    run.target.also(others)
    for name, found in {**seen, **_look(run, others)}.items():
        sight = parsed(found)
        held = [one.pid for one in sight.programs] if sight and name == fleet.scheduler_host.name else []
        if pids := [pid for pid in (sight.schedulers if sight else ()) if pid not in held]:
            raise Problem(
                f"{name}: a scheduler runs there (pid {', '.join(map(str, pids))}) that is not supervisord's; two "
                f"would steal each other's tasks: end it there first (`fab -H {name} doctor` tells how)"
            )
