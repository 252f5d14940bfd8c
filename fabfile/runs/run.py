"""The run of a task over its hosts, from the lock to the recap."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar

from invoke.exceptions import Exit

from ..errors import INTERRUPTED, Locked, NoCache, Say, Unreachable, printable
from ..inventory import Host, load
from ..steps.base import Found, Step
from . import report, streams
from .batches import Pace
from .engine import apply, fan_out, look, missing, preview
from .lock import Hold, cluster_lock
from .options import Options, whole_number
from .outcomes import Done, Outcome, Recorder, on_host
from .target import Target
from .timings import Timings, Watch, connect_seconds, connecting

Value = TypeVar("Value")
Work = Callable[[Host, Say], Done | None]
"""The work on one host; `say` shows its next phase."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The answers of one host, step by step."""

    steps: tuple[Step, ...]
    found: tuple[Found, ...]

    def but_last(self) -> Looked:
        """All but the last step."""
        return Looked(self.steps[:-1], self.found[:-1])

    def last(self) -> Looked:
        """The last step alone."""
        return Looked(self.steps[-1:], self.found[-1:])


@dataclass
class Run:
    """One task's run over its hosts: progress while it lasts, a recap at its end, also after a Ctrl-C."""

    target: Target
    options: Options = field(default_factory=Options)
    certain: bool = True
    """Whether a host that is ok is known to be unchanged; after a typed command it is not."""
    reports: bool = True
    """Whether the run shows progress and a recap; without, a Ctrl-C passes through to its task."""
    progresses: bool | None = None
    """Whether it shows progress; None: where it reports."""

    def __post_init__(self) -> None:
        self.dry: bool = self.options.dry_run or self.target.config.run.dry
        self.pace = Pace.of(self.options.batch, self.options.max_fail)
        self.lock_wait = whole_number("--lock-wait", self.options.lock_wait, 0)
        self.recorder = Recorder()
        self.holds: list[Hold] = []
        """The locks that this run has taken, or relies on."""
        self._halted = ""
        self._within = 0
        self.start = time.monotonic()
        self.timings = Timings()
        names = {host.name: host for host in self.target.hosts}
        shown = self.reports if self.progresses is None else self.progresses
        self.progress = report.Progress(list(names), shown, lambda name: connecting(self._link(names.get(name))))
        for host in self.target.skipped:
            self.skip(host, f"it has no {' or '.join(self.target.roles)}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cluster's lock, except in a dry run. Raises Locked.

        Without the scheduler's host there is no lock: then the run says so and goes on. One that loses its lock
        begins nothing new.
        """
        with ExitStack() as stack:
            if not self.dry:
                streams.go_on()
                self._enter(stack)
            try:
                yield
            except KeyboardInterrupt:
                self._interrupted()

    def _enter(self, stack: ExitStack) -> None:
        try:
            lock = cluster_lock(self.target.config, self.target.fleet)
            self.holds.append(stack.enter_context(lock.held(self.lock_wait)))
        except Unreachable as error:
            print(f"fab: going on without the cluster's lock: {printable(str(error))}", file=sys.stderr)
        self._refuse_old()

    def _refuse_old(self) -> None:
        """Raises Locked where the run that held the lock before has changed the files from which this one was made."""
        read = self.target.read
        if read and load(read.path) != read:
            raise Locked(
                f"{read.file} or a password has changed since this run read it, and nothing was changed on the "
                "hosts: run it again"
            )

    def batches(self, hosts: Sequence[Host]) -> Iterator[Sequence[Host]]:
        """The hosts batch by batch, until too many have failed; a dry run needs no batches."""
        batches = [hosts] if self.dry else list(self.pace.batches(hosts, len(self.target.hosts)))
        for number, batch in enumerate(batches, 1):
            if self.stopped:
                return
            if len(batches) > 1:
                names = ", ".join(host.name for host in batch)
                print(f"fab: batch {number} of {len(batches)}: {names}", file=sys.stderr)
            yield batch

    @property
    def stopped(self) -> str:
        """The reason to begin nothing new; empty where there is none."""
        if self._halted:
            return self._halted
        if not self._within and (lost := self.lost):
            return f"the run was stopped: {lost}"
        if self.dry or self.pace.max_fail is None:
            return ""
        total = len(self.target.hosts)
        failed = self.recorder.failures(self.target.hosts)
        if not self.pace.too_many(failed, total):
            return ""
        return f"the run was stopped: {failed} of {total} failed or unreachable, and --max-fail is {self.pace.max_fail}"

    @property
    def lost(self) -> str:
        """The sentence of a run that has lost a lock; empty for all others."""
        return next((lost for hold in self.holds if (lost := hold.lost)), "")

    def still_locked(self) -> None:
        """Raises Locked where the run has lost its lock: before what could not be taken back."""
        if lost := self.lost:
            raise Locked(f"the run was stopped: {lost}")

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Work that is not left in the middle where the lock is lost: programs that were ended start again."""
        self._within += 1
        try:
            yield
        finally:
            self._within -= 1

    def halt(self, why: str) -> None:
        """Begin nothing new from now on; the hosts that were not reached are told why."""
        self._halted = f"the run was stopped: {why}"

    def tell(self, text: str) -> None:
        """Show a text beside the hosts' outcomes; with --json, stdout is one object."""
        print(text, end="", file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def _link(self, host: Host | None) -> object:
        return self.target.links[host] if host else None

    def skip(self, host: Host, why: str) -> None:
        """Give this host the outcome `skipped`, with the reason."""
        self.recorder.add(Outcome(host.name, "skipped", cause=why))

    def look(self, steps: Callable[[Host], Sequence[Step]], hosts: Sequence[Host] | None = None) -> dict[str, Looked]:
        """The answers of every host to the probes of its steps, by name, in one channel each.

        The channel is kept for the changes that follow, until `converge` or a link's `rest`.
        """

        def one(host: Host, say: Say) -> Looked:
            say("looking")
            wanted = tuple(steps(host))
            return Looked(wanted, tuple(look(self.target.links[host], wanted, keep_open=not self.dry)))

        return self.ask(one, hosts, unfinished=True)

    def ask(
        self,
        question: Callable[[Host, Say], Value],
        hosts: Sequence[Host] | None = None,
        unfinished: bool = False,
    ) -> dict[str, Value]:
        """The answers of all hosts at once, by name; a host that gives none has its outcome instead."""
        answers: dict[str, Value] = {}

        def one(host: Host, say: Say) -> None:
            answers[host.name] = question(host, say)

        self.each(one, hosts, "look", unfinished)
        return answers

    def each(
        self,
        work: Work,
        hosts: Sequence[Host] | None = None,
        phase: str = "change",
        unfinished: bool = False,
        even_failed: bool = False,
    ) -> None:
        """Do `work` at once on every host that has not failed so far. A Ctrl-C ends remote work, then the run.

        With `unfinished`, a healthy host counts as not reached until its next outcome. `even_failed` is for work that
        mends what the run has begun: hosts that have failed get it too, also where the run was stopped.
        """

        def one(host: Host) -> None:
            if even_failed or not self.stopped:
                self._work_on(host, work, phase, unfinished)

        try:
            with self.progress:
                fan_out(self._left(hosts, even_failed), one, self.target.links.stop, self.target.fleet.cluster.at_once)
        except KeyboardInterrupt:
            if not self.reports:
                raise
            self._interrupted()

    def _left(self, hosts: Sequence[Host] | None, even_failed: bool) -> list[Host]:
        chosen = self.target.hosts if hosts is None else hosts
        return [host for host in chosen if even_failed or self.recorder.going_on(host)]

    def _work_on(self, host: Host, work: Work, phase: str, unfinished: bool) -> None:
        """Do one host's work, show it, and record its outcome and its time."""
        watch = Watch(host.name)

        def say(text: str) -> None:
            watch.begins(text)
            self.progress.say(host.name, text)

        outcome = on_host(host.name, lambda: work(host, say))
        self.progress.done(host.name)
        self.recorder.add(outcome, unfinished)
        connected = connect_seconds(self.target.links[host])
        self.timings.add(host.name, phase, outcome.seconds, connected, watch.ends())

    def converge(self, looked: Mapping[str, Looked], hosts: Sequence[Host] | None = None) -> None:
        """Make the missing changes, on every host at once; a host that lacks nothing costs no channel."""

        def one(host: Host, say: Say) -> Done | None:
            state = looked[host.name]
            if self.dry:
                return preview(state.steps, state.found)
            if not (actions := missing(state.steps, state.found)):
                self.target.links[host].rest()
                return None
            return Done(apply(self.target.links[host], state.steps, actions, say))

        self.each(one, [host for host in (self.target.hosts if hosts is None else hosts) if host.name in looked])

    def changed(self, hosts: Sequence[Host]) -> list[Host]:
        """The hosts that this run has changed, and that are well."""
        return [one for one, outcome in zip(hosts, self.recorder.outcomes(hosts), strict=True) if outcome.changed]

    def finish(self) -> None:
        """Print the recap and leave with the exit status of the worst outcome."""
        outcomes = self._end()
        status = report.exit_status(outcomes)
        if lost := self.lost:
            sys.stdout.flush()
            raise Exit(f"fab: the run was stopped: {lost}", status or Locked.exit_status)
        if status:
            sys.stdout.flush()
            raise Exit(code=status)

    def _interrupted(self) -> NoReturn:
        self._end()
        raise Exit("fab: interrupted; the work on the hosts was ended", INTERRUPTED) from None

    def _end(self) -> list[Outcome]:
        outcomes = [self._explained(one) for one in self.recorder.outcomes(self._shown)]
        if not self.dry:
            self._keep(outcomes)
        timings = self.timings if self.options.timings else None
        if self.options.json:
            print(report.as_json(outcomes, timings, whole=not self.lost))
        else:
            report.recap(outcomes, time.monotonic() - self.start, self.dry, timings, self.certain)
        return outcomes

    @property
    def _shown(self) -> tuple[Host, ...]:
        return (*self.target.hosts, *self.target.skipped)

    def _explained(self, outcome: Outcome) -> Outcome:
        """The outcome, with the reason where the run stopped itself before this host."""
        if outcome.status == "not reached" and not outcome.cause:
            return replace(outcome, cause=self.stopped)
        return outcome

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        last = self.target.last
        if last is None:
            return
        here = {outcome.host for outcome in outcomes}
        # A host that is to be retried stays on the list where this run has not chosen it.
        others = [name for name in self.target.left if name not in here]
        try:
            last.keep([*others, *(outcome.host for outcome in outcomes if not outcome.well)])
        except (OSError, NoCache) as error:
            print(f"fab: --retry-failed will not know of this run: {error}", file=sys.stderr)
