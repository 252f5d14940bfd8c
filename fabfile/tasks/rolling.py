"""Hosts come to their release turn by turn; a turn whose programs fail goes back to the release before by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from .. import plan
from ..errors import Problem, Say
from ..health.trial import Heard
from ..inventory import Host, Program
from ..inventory.order import role_of, stopping
from ..inventory.turns import Turn, turns
from ..runs import engine
from ..runs.engine import apply, missing
from ..runs.outcomes import Done
from ..runs.run import Looked, Run
from ..steps.base import Found
from ..steps.releases import Kept, kept
from ..steps.sight import Sight, parsed
from ..steps.supervision import Supervision
from ..steps.supervisor import Look
from .due import sight_in
from .operate import DRAIN_SECONDS, ended, in_order
from .trying import Failure, give_back, heard_before, pids, running, set_aside, settle, tolerated, tried

Again = Callable[[Sequence[Host]], Mapping[str, Looked]]
"""Looks at hosts once more, just before their turn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Hosts that a run brings to their release, with their state before."""

    run: Run
    hosts: Mapping[str, Host]
    releases: Mapping[str, str]
    """The release that each host had; none where nothing was deployed."""

    def of(self, turn: Turn) -> list[Host]:
        """The hosts of a turn that are well so far."""
        return [host for name, host in self.hosts.items() if name in turn and self.run.recorder.going_on(host)]

    def concerned(self, name: str) -> list[Program]:
        """The programs of a host that this deploy is about."""
        target = self.run.target
        return plan.chosen_programs(target.fleet, self.hosts[name], target.roles)

    def differs(self, host: Host) -> bool:
        """Whether a host had a release, and its new one is another."""
        return self.releases[host.name] not in ("", plan.release(self.run.target.fleet, host).id)


def roll(run: Run, looked: Mapping[str, Looked], batch: Sequence[Host], again: Again) -> None:
    """Bring the hosts of a batch to their steps, turn by turn; the last step of each is that of its programs.

    Where programs of a turn fail, their hosts go back to the release before and nothing new is begun, unless the
    operator allows for failures.
    """
    hosts = {host.name: host for host in batch if host.name in looked and run.recorder.going_on(host)}
    chosen = {name: restarting(run, host, looked[name]) for name, host in hosts.items()}
    whole = [name for name in hosts if _daemon_begins(looked[name])]
    whole_batch = Batch(run, hosts, {name: _release(looked[name]) for name in hosts})
    in_turn = turns(chosen, running(map(sight_of, looked.values())), whole)
    for number, turn in enumerate(in_turn):
        if run.stopped:
            return
        if number > 0:
            looked = {**looked, **again(whole_batch.of(turn))}
        later = {(host, one.name) for other in in_turn[number + 1 :] for host in other for one in other[host]}
        with run.whole():
            _take(whole_batch, turn, {name: _without(name, looked[name], later) for name in turn})
        settle(run, turn, in_turn[number + 1 :])


def _take(batch: Batch, turn: Turn, looked: Mapping[str, Looked]) -> None:
    """One turn: files, the programs' end in the order of the crawl, their start, their trial, and the way back."""
    run, hosts = batch.run, batch.of(turn)
    before = {host.name: pids(sight_of(looked[host.name])) for host in hosts if _tried(batch, host, looked)}
    by = heard_before(run, {role_of(name) for several in before.values() for name in several}) if before else Heard()
    rest = _files(run, [host for host in hosts if host.name in before], looked)
    suspects = [host for host in hosts if host.name in rest and run.recorder.going_on(host)]
    _end(run, turn, suspects, rest)
    run.converge({**looked, **rest}, hosts)
    going = {host.name: before[host.name] for host in suspects if run.recorder.going_on(host)}
    faults = {host.name: Failure(True, "") for host in suspects if run.recorder.status(host) == "failed"}
    names = {name: [one.name for one in batch.concerned(name)] for name in going}
    # Where Redis could not be asked before, that is no fault of the new release.
    faults |= tried(run, going, names, silent=going if by.problem else ()) if going else {}
    lost = [host.name for host in suspects if not run.recorder.going_on(host)]
    if faults:
        # One without a program to restart has the new release as well.
        _failed(batch, [host for host in hosts if host in suspects or run.recorder.going_on(host)], faults, by)
    elif lost and not tolerated(run, lost):
        run.halt(f"the programs on {', '.join(lost)} can't be seen")


def _tried(batch: Batch, host: Host, looked: Mapping[str, Looked]) -> bool:
    """Whether programs begin there that have a release to go back to."""
    if not batch.releases[host.name]:
        return False
    with suppress(Problem):
        one = looked[host.name].last()
        return bool(missing(one.steps, one.found))
    return False


def _files(run: Run, hosts: Sequence[Host], looked: Mapping[str, Looked]) -> dict[str, Looked]:
    """The rest of the work where all files are in place; where they can't be written, the programs run on."""

    def files(host: Host, say: Say) -> Done:
        before = looked[host.name].but_last()
        actions = missing(before.steps, before.found)
        return Done(apply(run.target.links[host], before.steps, actions, say)) if actions else Done()

    run.each(files, hosts, unfinished=True)
    return {host.name: looked[host.name].last() for host in hosts}


def _end(run: Run, turn: Turn, hosts: Sequence[Host], rest: Mapping[str, Looked]) -> None:
    """End the programs that restart in the order of the crawl, where they are of several roles."""
    again = {host.name: turn[host.name] for host in hosts}
    if len({program.role for programs in again.values() for program in programs}) > 1:
        seen = {host.name: rest[host.name].found[0] for host in hosts}
        in_order(run, stopping(run.target.fleet, again), partial(ended, run, False), seen, DRAIN_SECONDS)


def _failed(batch: Batch, hosts: Sequence[Host], faults: Mapping[str, Failure], by: Heard) -> None:
    """Bring the hosts of a failed turn back, and stop the run, as far as the operator allows no such failure."""
    # Another run that has the lock by now may have brought these hosts to a release of its own.
    run, known = batch.run, {name: one for name, one in faults.items() if one.known and not batch.run.lost}
    names = ", ".join(faults)
    goes_on = tolerated(run, list(faults))
    others = [host for host in hosts if known and not goes_on and host.name not in faults and batch.differs(host)]
    back = [*(host for host in hosts if host.name in known), *others]
    run.each(partial(_refuse, faults), [host for host in hosts if host.name in faults and host.name not in known])
    run.each(partial(_back, batch, faults, names), back, even_failed=True)
    if known:
        give_back(run, set_aside(by))
    if not goes_on:
        failed = any(one.known for one in faults.values())
        run.halt(f"the programs of the new release failed on {names}" if failed else f"it can't be judged on {names}")


def _refuse(faults: Mapping[str, Failure], host: Host, _say: Say) -> None:
    raise Problem(f"changed, but {faults[host.name].why}; the new release stays there (fab rollback goes back)")


def _back(batch: Batch, faults: Mapping[str, Failure], names: str, host: Host, say: Say) -> Done:
    """Bring a host back to the release that it had. Always raises Problem: its new release did not stay."""
    why, detail = _why(batch, host, faults, names)
    word = batch.releases[host.name]
    if not batch.differs(host):
        raise Problem(why, detail=detail)
    say(f"going back to release {word}")
    try:
        changes = _went_back(batch.run, host, word, say)
    except Problem as error:
        text = f"{why}; and the way back to release {word} failed: {error}"
        raise Problem(text, changes=error.changes, detail=detail or error.detail) from error
    now = "is current there" if changes is None else "runs there again"
    raise Problem(f"{why}; release {word} {now}", changes=changes or (), detail=detail)


def _why(batch: Batch, host: Host, faults: Mapping[str, Failure], names: str) -> tuple[str, str]:
    fault = faults.get(host.name)
    if fault is None:
        return f"went back, since the new release failed on {names}", ""
    (found,) = batch.run.recorder.outcomes([host])
    return fault.why or found.cause, found.detail


def _went_back(run: Run, host: Host, word: str, say: Say) -> tuple[str, ...] | None:
    """The changes; None where supervisord has brought the release back by itself, with its own configuration."""
    where, link = plan.place(run.target.fleet), run.target.links[host]
    found = engine.look(link, [Kept(where), Look(where)])
    known = kept(found[0])
    goal = known.named(word) if known else None
    if known is None or goal is None:
        raise Problem("it is no longer there")
    sight = parsed(found[1])
    if known.current == goal.id and not (sight and sight.supervisord.answers):
        return None
    steps = plan.back(run.target.fleet, goal.id, known.programs(goal), run.target.roles)
    actions = missing(steps, found)
    return apply(link, steps, actions, say) if actions else ()


def restarting(run: Run, host: Host, looked: Looked) -> list[Program]:
    """The programs of a host that end in this deploy and start again."""
    names: list[str] = []
    with suppress(Problem):  # the step that needs the answer tells it
        names = [name for step, found in _supervision(looked) for name in step.programs.restarts(found)]
    return [program for program in run.target.fleet.programs(host) if program.name in names]


def _supervision(looked: Looked) -> list[tuple[Supervision, Found]]:
    pairs = zip(looked.steps, looked.found, strict=True)
    return [(step, found) for step, found in pairs if isinstance(step, Supervision)]


def _daemon_begins(looked: Looked) -> bool:
    with suppress(Problem):
        return any(step.start.begins(found) for step, found in _supervision(looked))
    return False


def sight_of(looked: Looked) -> Sight | None:
    """The sight of a host; None where it has no Python, or where it can't be seen."""
    with suppress(Problem):
        return sight_in(looked)
    return None


def _release(looked: Looked) -> str:
    sight = sight_of(looked)
    return (sight.current or "").removeprefix("releases/") if sight else ""


def _without(host: str, looked: Looked, later: set[tuple[str, str]]) -> Looked:
    """The same without the programs whose turn comes later."""
    step = looked.steps[-1] if looked.steps else None
    if not isinstance(step, Supervision):
        return looked
    wanted = tuple(one for one in step.programs.wanted if (host, one[0]) not in later)
    last = replace(step, programs=replace(step.programs, wanted=wanted))
    return Looked((*looked.steps[:-1], last), looked.found)
