"""Programs that were just started are tried: do they stay up, ask for work, and finish messages?"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import plan
from ..errors import Problem, Say, counted, printable
from ..health import trial
from ..health.aside import taken_back
from ..health.host import RUNNING
from ..health.pulse import FAILED
from ..health.trial import Heard, Judged
from ..inventory import Host, Redis
from ..inventory.order import role_of
from ..inventory.roles import ROLES, WEBUI
from ..runs.engine import look
from ..runs.run import Run
from ..runs.target import route
from ..steps.sight import KnownProgram, Sight, parsed
from ..steps.supervisor import Look, Questions

POLL_SECONDS = 1.0
Pids = Mapping[str, int | None]
"""The pids of a host's programs, by their names."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a host's programs did not pass; `known` if it is theirs."""

    known: bool
    why: str


def pids(sight: Sight | None) -> Pids:
    """The processes of a host's programs."""
    return {one.name: one.pid for one in sight.programs if role_of(one.name) in ROLES} if sight else {}


def running(sights: Iterable[Sight | None]) -> Counter[str]:
    """The number of running programs, by role."""
    states = [(one.name, one.state) for sight in sights if sight for one in sight.programs]
    return Counter(role_of(name) for name, state in states if state == RUNNING)


def settle(run: Run, turn: Iterable[str], later: Iterable[Iterable[str]]) -> None:
    """Give the hosts of a turn that are well their outcome; one with programs in a later turn is not through yet."""
    rest = {name for other in later for name in other}
    well = [host for host in run.target.hosts if host.name in turn and run.recorder.going_on(host)]
    for hosts, unfinished in (
        ([one for one in well if one.name not in rest], False),
        ([one for one in well if one.name in rest], True),
    ):
        run.each(lambda host, _say: run.target.links[host].rest(), hosts, unfinished=unfinished, even_failed=True)


def mute(run: Run) -> set[str]:
    """The hosts whose release is of a version that tells nothing of its work; all where Redis can't be asked."""
    by = heard_before(run, ())
    telling = {name.partition("/")[0] for name in by.pulses}
    return {host.name for host in run.target.hosts if host.name not in telling}


def heard_before(run: Run, roles: Iterable[str]) -> Heard:
    """The words of Redis before anything is changed; says so where there are none."""
    by = hear(run, roles)
    if by.problem:
        print(
            f"fab: nothing is known of the programs' work, only whether they run: {printable(by.problem)}",
            file=sys.stderr,
        )
    return by


def tried(
    run: Run, before: Mapping[str, Pids], names: Mapping[str, Collection[str]], silent: Collection[str] = ()
) -> dict[str, Failure]:
    """The hosts, by name, of which a program does not pass; of these names, those whose process is not the former.

    `before` are the former processes of each host; `names` its programs that were to change. Of programs on the hosts
    in `silent` no pulse is wanted. Takes as long as the programs need, within the time of their roles.
    """
    hosts = [host for host in run.target.hosts if host.name in before]
    begun: dict[str, dict[str, int]] = {}
    start = time.monotonic()
    while True:
        seen = run.ask(_sight_of(run, told=bool(begun)), hosts, unfinished=True)
        if not begun:
            begun = {name: _begun(sight, before[name], names[name]) for name, sight in seen.items()}
        found = _judged(run, begun, seen, silent)
        failed = [host for host, several in found.items() if any(one.kind == "failed" for one in several.values())]
        # Messages fail until their programs end.
        early = bool(failed) and not tolerated(run, failed)
        if early or not any(_undecided(run, several, time.monotonic() - start) for several in found.values()):
            return {host: fault for host, several in found.items() if (fault := _fault(several, early))}
        time.sleep(POLL_SECONDS)


def _sight_of(run: Run, told: bool) -> Callable[[Host, Say], Sight | None]:
    fleet = run.target.fleet

    def one(host: Host, say: Say) -> Sight | None:
        asked = Look(plan.place(fleet), Questions(webui=plan.questions(fleet, host).webui, work=True))
        say("looking" if told else "trying its programs")
        return parsed(look(run.target.links[host], [asked])[0])

    return one


def _begun(sight: Sight | None, before: Pids, names: Collection[str]) -> dict[str, int]:
    """The processes of these programs that have begun meanwhile; 0 for one that has ended already."""
    known = pids(sight)
    now = {name: known[name] for name in names if name in known and not (sight and sight.rests(name))}
    # One that had none before was down, and no part of this.
    return {name: pid or 0 for name, pid in now.items() if pid != before.get(name, 0)}


def _judged(
    run: Run, begun: Mapping[str, Mapping[str, int]], seen: Mapping[str, Sight | None], silent: Collection[str]
) -> dict[str, dict[str, Judged]]:
    """The judgement of each program on trial, by host and name; hosts that gave no answer have their outcome."""
    roles = {role_of(name) for several in begun.values() for name in several}
    if not roles:
        return {}
    by = hear(run, roles) if any(map(trial.tells, roles)) else Heard()
    others = [one for name, one in by.pulses.items() if not _on_trial(name, begun)]

    def one(host: str, name: str, pid: int) -> Judged:
        known = _ended(seen[host], name, pid) or _page(seen[host], name)
        if known is None and host in silent:
            return Judged("well")
        return known or trial.judged(f"{host}/{name}", role_of(name), pid, by, others)

    return {host: {name: one(host, name, pid) for name, pid in begun[host].items()} for host in seen if host in begun}


def _on_trial(name: str, begun: Mapping[str, Mapping[str, int]]) -> bool:
    host, _, program = name.partition("/")
    return program in begun.get(host, {})


def _ended(sight: Sight | None, name: str, pid: int) -> Judged | None:
    """The judgement of a program whose process is not there any more; None where it is."""
    live = next((one for one in sight.programs if one.name == name), None) if sight else None
    if live and live.state == RUNNING and live.pid == pid:
        return None
    state = live.state if live else "gone"
    return Judged("failed", f"it has ended ({state} now){_words(live)}")


def _page(sight: Sight | None, name: str) -> Judged | None:
    """The judgement of a web UI whose page is not right; None for all others."""
    answer = sight.answers.get(WEBUI.name) if sight and role_of(name) == WEBUI.name else None
    return Judged("open", f"its page is not right: {answer.reason}") if answer and not answer.ok else None


def _words(live: KnownProgram | None) -> str:
    """The last error that its log tells."""
    log = live.work.log if live and live.work else None
    return f", its last error: {log.error}" if log and log.error else ""


def _undecided(run: Run, several: Mapping[str, Judged], elapsed: float) -> bool:
    fleet = run.target.fleet
    return any(one.kind == "open" and elapsed <= trial.seconds(fleet, role_of(name)) for name, one in several.items())


def _fault(several: Mapping[str, Judged], early: bool) -> Failure | None:
    """The fault of a host's programs; none where all are well, or, `early`, may still become so."""
    fine = ("well", "open") if early else ("well",)
    bad = {name: one for name, one in several.items() if one.kind not in fine}
    if not bad:
        return None
    known = {name: one for name, one in bad.items() if one.kind != "unknown"}
    told = "; ".join(f"{name}: {one.why}" for name, one in (known or bad).items())
    return Failure(bool(known), told if known else f"the work of its programs can't be judged: {told}")


def hear(run: Run, roles: Iterable[str]) -> Heard:
    """All pulses, and the lengths of these roles' queues."""
    opener, password, redis = redis_of(run)
    return trial.heard(opener, password, redis.db, _queues(roles), tls=redis.tls, user=redis.user)


def _queues(roles: Iterable[str]) -> list[str]:
    return [queue for role in sorted(roles) for queue in ROLES[role].takes_from]


def redis_of(run: Run) -> tuple[Callable[[], Any], str | None, Redis]:
    """The way to Redis, its password, and what hosts.toml says of it."""
    redis = run.target.fleet.stores.redis
    hosts = [host for host in run.target.hosts if run.recorder.status(host) != "unreachable"]
    opener = route(run.target, hosts, redis.address, redis.port)
    return opener, redis.password.reveal() if redis.password else None, redis


def set_aside(by: Heard) -> dict[str, int]:
    """The number of messages that were put aside, by the queue that they came from."""
    return {name.removesuffix(FAILED): count for name, count in by.lengths.items() if name.endswith(FAILED)}


def give_back(run: Run, before: Mapping[str, int]) -> None:
    """Put messages that were put aside since `before` back into their queues, and tell of it."""
    opener, password, redis = redis_of(run)
    try:
        back = taken_back(opener, password, redis.db, before, tls=redis.tls, user=redis.user) if before else {}
    except Problem as error:
        why = printable(str(error))
        print(f"fab: messages at which the new release failed stay aside (fab doctor tells): {why}", file=sys.stderr)
        return
    for queue, count in back.items():
        told = f"{counted(count, 'message')} at which the new release failed {'is' if count == 1 else 'are'} back"
        print(f"fab: {told} in {queue}", file=sys.stderr)


def tolerated(run: Run, bad: Sequence[str]) -> bool:
    """Whether the operator allows as many failed hosts as there are with these."""
    failed = {host.name for host in run.target.hosts if run.recorder.status(host) in ("failed", "unreachable")}
    total = len(run.target.hosts)
    return run.pace.max_fail is not None and not run.pace.too_many(len(failed | set(bad)), total)
