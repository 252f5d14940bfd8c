"""Brings hosts to their desired states: look, compare, change, look again; all hosts at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..errors import NotReached, Problem, Unreachable
from ..inventory import Host
from ..ssh.link import Link
from ..ssh.protocol import Event, message
from ..steps.base import Action, CannotLook, Found, Probe, Step, parts

HOSTS_AT_ONCE = 32
STOP_SECONDS = 3.0
"""How long hosts have to end their work after Ctrl-C; who hangs in connecting has nothing to end."""
Value = TypeVar("Value")
Say = Callable[[str, str], None]
"""Shows the operator what a host is doing: (host's name, step or phase)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one host. Never raises, never hides what was done before an error."""

    host: str
    status: str
    """ok, changed, skipped, failed, unreachable or not reached."""
    changes: tuple[str, ...] = ()
    cause: str = ""
    detail: str = ""
    """What the command printed that failed, or that was to be shown."""
    seconds: float = 0.0
    missing: tuple[Action, ...] = field(default=(), compare=False)
    """What a dry look found to be done."""

    @property
    def well(self) -> bool:
        return self.status in ("ok", "changed", "skipped")

    @property
    def changed(self) -> bool:
        """Whether it was brought to another state, and all of it went well."""
        return self.status == "changed"


def look(link: Link, steps: Sequence[Step], more: bool = False) -> list[Found]:
    """What every step's probe finds, in one channel; equal probes travel and run once.

    With `more` the channel is kept for changes that may follow: until `apply`, or the link's `rest`.
    """
    probes = list(dict.fromkeys(step.probe() for step in steps))
    # Changes that follow need no diff: what is wrong is enough.
    asked = message((), probes, show=not more)
    answers = link.exchange(asked.with_more() if more else asked, lambda _: None)
    return [_answer(step.probe(), probes, answers, 0) for step in steps]


def missing(steps: Sequence[Step], found: Sequence[Found]) -> list[tuple[Step, Action]]:
    """The actions that separate what was found from what is wanted, in the steps' order."""
    return [(step, action) for step, answer in zip(steps, found, strict=True) for action in step.diff(answer)]


def apply(
    link: Link, steps: Sequence[Step], todo: Sequence[tuple[Step, Action]], say: Callable[[str], None]
) -> tuple[str, ...]:
    """Run the actions and look again, in one channel. Raises Problem where a difference remains."""
    actions = [action for _, action in todo]
    probes = list(dict.fromkeys(step.probe() for step in steps))
    done: list[str] = []

    def on_event(event: Event) -> None:
        if event.index >= len(actions):
            return
        if event.kind == "end" and event.status == 0:
            done.append(actions[event.index].says)
        elif event.kind != "end":
            say(event.text or actions[event.index].says)

    try:
        answers = link.exchange(message(actions, probes, link.operator, show=False), on_event)
        _all_succeeded(actions, answers)
        left = missing(steps, [_answer(step.probe(), probes, answers, len(actions)) for step in steps])
    except Problem as error:
        error.changes = tuple(done)
        raise
    if left:
        cause = "done, but the host is still not as wanted: " + "; ".join(action.says for _, action in left)
        raise Problem(cause, changes=done)
    return tuple(done)


def _all_succeeded(actions: Sequence[Action], answers: Mapping[int, Found]) -> None:
    for index, action in enumerate(actions):
        if (answer := answers[index]).status != 0:
            raise Problem(f"{action.says}: exit status {answer.status}", detail=answer.text)


def _answer(probe: Probe, probes: Sequence[Probe], answers: Mapping[int, Found], offset: int) -> Found:
    return answers[offset + probes.index(probe)]


def preview(steps: Sequence[Step], found: Sequence[Found]) -> Outcome:
    """What would be done to a host, and of what that can't be known before other things are done."""
    actions: list[Action] = []
    for part, answer in [(part, one) for step, one in zip(steps, found, strict=True) for part in parts(step)]:
        try:
            actions += part.diff(answer)
        except CannotLook as error:
            actions.append(Action(f"{part.name}: can't be known yet: {error}", ""))
    return Outcome("", "changed" if actions else "ok", tuple(one.says for one in actions), missing=tuple(actions))


def converge(link: Link, steps: Sequence[Step], say: Callable[[str], None], dry: bool = False) -> Outcome:
    """Bring one host to the state of all its steps; an unchanged host costs one channel."""
    say("looking")
    found = look(link, steps, more=not dry)
    if dry:
        return preview(steps, found)
    todo = missing(steps, found)
    if not todo:
        link.rest()
        return Outcome("", "ok")
    return Outcome("", "changed", apply(link, steps, todo, say))


def on_host(name: str, work: Callable[[], Outcome]) -> Outcome:
    """Run one host's work; whatever it raises becomes this host's outcome and nobody else's."""
    start = time.monotonic()
    try:
        outcome = work()
    except Problem as error:
        cause = str(error).removeprefix(f"{name}: ")
        outcome = Outcome("", _status(error), error.changes, cause, error.detail)
    except Exception as error:  # noqa: BLE001  the one boundary: a bug in one host's work must not sink the others
        outcome = Outcome("", "failed", cause=f"this is a bug, please report it: {type(error).__name__}: {error}")
    return replace(outcome, host=name, seconds=time.monotonic() - start)


def _status(error: Problem) -> str:
    match error:
        case Unreachable():
            return "unreachable"
        case NotReached():
            return "not reached"
        case _:
            return "failed"


def fan_out(
    hosts: Iterable[Host],
    work: Callable[[Host], Value],
    stop: Callable[[], None] = lambda: None,
    at_once: int = HOSTS_AT_ONCE,
) -> dict[str, Value]:
    """`work` for every host, `at_once` at a time; the answers by host name.

    `work` must not raise. At the first Ctrl-C nothing new is started, `stop` ends what
    is under way, and KeyboardInterrupt is raised when it has ended, or STOP_SECONDS later; hosts
    whose work has not ended then have no answer.
    """
    # No context manager: its exit would wait for workers that a hung host holds.
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="host")
    futures: dict[Future[Value], str] = {pool.submit(work, host): host.name for host in hosts}
    try:
        _wait(futures)
    except KeyboardInterrupt:
        for future in futures:
            future.cancel()
        stop()
        wait([future for future in futures if not future.cancelled()], timeout=STOP_SECONDS)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {name: future.result() for future, name in futures.items()}


def _wait(futures: Mapping[Future[Value], str]) -> None:
    pending = set(futures)
    while pending:
        # Without a timeout the wait would not let Ctrl-C through on every platform.
        _, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)


class Recorder:
    """Collects outcomes across threads, so that an interrupted run still has a recap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[str, Outcome] = {}
        self._more: set[str] = set()

    def add(self, outcome: Outcome, more: bool = False) -> None:
        """Take an outcome; a host's later one adds to its changes and its seconds.

        With `more`, this well host is not reached until its next outcome: what was to be done is still to come.
        """
        with self._lock:
            before = self._outcomes.get(outcome.host, Outcome(outcome.host, "ok"))
            changes = before.changes + outcome.changes
            status = "changed" if changes and outcome.status == "ok" else outcome.status
            self._outcomes[outcome.host] = replace(
                outcome, status=status, changes=changes, seconds=before.seconds + outcome.seconds
            )
            (self._more.add if more and outcome.well else self._more.discard)(outcome.host)

    def going_on(self, host: Host) -> bool:
        """Whether nothing has gone wrong on this host so far."""
        return host.name not in self._outcomes or self._outcomes[host.name].well

    def failures(self, hosts: Iterable[Host]) -> int:
        """How many of the hosts have failed so far, or could not be reached."""
        with self._lock:
            found = [self._outcomes.get(host.name) for host in hosts]
        return sum(one is not None and one.status in ("failed", "unreachable") for one in found)

    def outcomes(self, hosts: Iterable[Host]) -> list[Outcome]:
        """One outcome per host, in the hosts' order; a host that was never begun is not reached."""
        return [self._outcome(host.name) for host in hosts]

    def _outcome(self, name: str) -> Outcome:
        found = self._outcomes.get(name, Outcome(name, "not reached"))
        return replace(found, status="not reached") if name in self._more else found
