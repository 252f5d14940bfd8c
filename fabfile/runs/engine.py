"""The way of one host to its desired state: look, compare, change, look again; and work on many hosts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from ..errors import Doing, Problem, Say
from ..inventory import Host
from ..ssh.link import Link
from ..ssh.protocol import Event, message
from ..steps.base import Action, CannotLook, Found, Naming, Probe, Repeated, Step, parts
from .outcomes import Done

HOSTS_AT_ONCE = 32
STOP_SECONDS = 3.0
"""The time that hosts have to end their work after a Ctrl-C; one that hangs in connecting has nothing to end."""
Value = TypeVar("Value")


def look(link: Link, steps: Sequence[Step], keep_open: bool = False) -> list[Found]:
    """The answers to all steps' probes, in one channel; equal probes travel and run once.

    With `keep_open` the channel is kept for changes that may follow: until `apply`, or the link's `rest`.
    """
    probes = list(dict.fromkeys(step.probe() for step in steps))
    # Changes that follow need no diff: the actions are enough.
    asked = message((), probes, show=not keep_open)
    answers = link.exchange(asked.kept_open() if keep_open else asked, lambda _: None)
    return [_answer(step.probe(), probes, answers, 0) for step in steps]


def look_again(link: Link, asked: Repeated) -> Found:
    """The answer of the process that stays in the link's open channel; where none does, one is begun.

    Between two looks the channel stays open, until the link's `rest`.
    """
    answer = link.exchange(message((), (asked.again(),)).kept_open(), lambda _: None)[0]
    if answer.status == 0 and answer.text:
        return answer
    return link.exchange(message((), (asked.staying(),)).kept_open(), lambda _: None)[0]


def missing(steps: Sequence[Step], found: Sequence[Found]) -> list[Action]:
    """The actions that lead from the answers to the desired states, in the steps' order."""
    return [action for step, answer in zip(steps, found, strict=True) for action in step.diff(answer)]


def apply(
    link: Link, steps: Sequence[Step], actions: Sequence[Action], say: Say, hear: Say = lambda _: None
) -> tuple[str, ...]:
    """Run the actions and look again, in one channel; the changes. Raises Problem where a difference remains.

    `hear` is told all that each action has printed.
    """
    probes = list(dict.fromkeys(step.probe() for step in steps))
    done: list[str] = []

    def on_event(event: Event) -> None:
        if event.index >= len(actions):
            return
        if event.kind == "end" and event.status == 0:
            done.append(actions[event.index].says)
            hear(event.text)
        elif event.kind != "end":
            say(Doing(event.text or actions[event.index].says, f"{event.index + 1} of {len(actions)}"))

    try:
        answers = link.exchange(message(actions, probes, link.operator, show=False), on_event)
        _all_succeeded(actions, answers)
        after = [_answer(step.probe(), probes, answers, len(actions)) for step in steps]
        left = missing(steps, after)
    except Problem as error:
        error.changes = tuple(done)
        raise
    if left:
        cause = "done, but the host is still not as wanted: " + "; ".join(action.says for action in left)
        raise Problem(cause, changes=done)
    return tuple(_named(says, steps, after) for says in done)


def _named(says: str, steps: Sequence[Step], after: Sequence[Found]) -> str:
    for step, answer in zip(steps, after, strict=True):
        for part in parts(step):
            says = part.named(says, answer) if isinstance(part, Naming) else says
    return says


def _all_succeeded(actions: Sequence[Action], answers: Mapping[int, Found]) -> None:
    for index, action in enumerate(actions):
        if (answer := answers[index]).status != 0:
            raise Problem(f"{action.says}: exit status {answer.status}", detail=answer.text)


def _answer(probe: Probe, probes: Sequence[Probe], answers: Mapping[int, Found], offset: int) -> Found:
    return answers[offset + probes.index(probe)]


def preview(steps: Sequence[Step], found: Sequence[Found]) -> Done:
    """The changes that would be made, and the parts of which they can't be known before other things are done."""
    actions: list[Action] = []
    for part, answer in [(part, one) for step, one in zip(steps, found, strict=True) for part in parts(step)]:
        try:
            actions += part.diff(answer)
        except CannotLook as error:
            actions.append(Action(f"{part.name}: can't be known yet: {error}", ""))
    return Done(tuple(one.says for one in actions), missing=tuple(actions))


def fan_out(
    hosts: Iterable[Host],
    work: Callable[[Host], Value],
    stop: Callable[[], None] = lambda: None,
    at_once: int = HOSTS_AT_ONCE,
) -> dict[str, Value]:
    """`work` for every host, `at_once` at a time; the answers by host name.

    `work` must not raise. At the first Ctrl-C nothing new is started, `stop` ends the work
    under way, and KeyboardInterrupt is raised when it has ended, or STOP_SECONDS later; hosts
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
