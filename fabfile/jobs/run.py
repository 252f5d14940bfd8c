"""How every job runs its work over its hosts, and how it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from invoke.exceptions import Exit

from .. import report
from ..engine import Outcome, Recorder, apply, fan_out, look, missing, on_host, preview
from ..errors import Unreachable
from ..inventory import Host
from ..options import Options
from ..steps.base import Found, Step
from .lock import cluster_lock
from .target import Target

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found on one host, step by step."""

    steps: tuple[Step, ...]
    found: tuple[Found, ...]


@dataclass
class Run:
    """One task's run over its hosts: progress while it lasts, a recap at its end, also after Ctrl-C."""

    target: Target
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.dry: bool = self.options.dry_run or self.target.config.run.dry
        self.recorder = Recorder()
        self.start = time.monotonic()
        self.progress = report.Progress([host.name for host in self.target.hosts])

    @contextmanager
    def alone(self, wait: float = 0) -> Iterator[None]:
        """Hold the cluster's lock, unless nothing is going to be changed. Raises Locked.

        Where the scheduler's host can't be reached there is no lock to be had: the run says so and goes on.
        """
        if self.dry:
            yield
            return
        with ExitStack() as stack:
            try:
                stack.enter_context(cluster_lock(self.target.config, self.target.fleet).held(wait))
            except Unreachable as error:
                print(f"fab: going on without the cluster's lock: {error}", file=sys.stderr)
            yield

    def look(self, steps: Callable[[Host], Sequence[Step]], hosts: Sequence[Host] | None = None) -> dict[str, Looked]:
        """What is found on every host, by name, in one channel each; who can't be looked at has its outcome."""
        found: dict[str, Looked] = {}

        def one(host: Host, say: Callable[[str], None]) -> Outcome:
            say("looking")
            wanted = steps(host)
            found[host.name] = Looked(tuple(wanted), tuple(look(self.target.links[host], wanted)))
            return Outcome("", "ok")

        self.each(one, hosts)
        return found

    def each(self, work: Callable[[Host, Callable[[str], None]], Outcome], hosts: Sequence[Host] | None = None) -> None:
        """`work` on every host at once that has not failed so far. Ctrl-C ends remote work, then the run."""

        def one(host: Host) -> None:
            outcome = on_host(host.name, lambda: work(host, lambda text: self.progress.say(host.name, text)))
            self.progress.done(host.name)
            self.recorder.add(outcome)

        chosen = self.target.hosts if hosts is None else hosts
        try:
            with self.progress:
                fan_out([host for host in chosen if self.recorder.going_on(host)], one, self.target.links.stop)
        except KeyboardInterrupt:
            self._print()
            raise Exit("fab: interrupted; what had been begun on the hosts was ended", INTERRUPTED) from None

    def converge(self, looked: Mapping[str, Looked], hosts: Sequence[Host] | None = None) -> None:
        """Do what was found to be missing, on every host at once; a host that lacks nothing costs no channel."""

        def one(host: Host, say: Callable[[str], None]) -> Outcome:
            state = looked[host.name]
            if self.dry:
                return preview(state.steps, state.found)
            if not (todo := missing(state.steps, state.found)):
                return Outcome("", "ok")
            return Outcome("", "changed", apply(self.target.links[host], state.steps, todo, say))

        self.each(one, [host for host in (self.target.hosts if hosts is None else hosts) if host.name in looked])

    def finish(self) -> None:
        """Print the recap and leave with the exit status of the worst outcome."""
        self._print()
        if status := report.exit_status(self.recorder.outcomes(self.target.hosts)):
            sys.stdout.flush()
            raise Exit(code=status)

    def _print(self) -> None:
        outcomes = self.recorder.outcomes(self.target.hosts)
        if self.options.json:
            print(report.as_json(outcomes))
        else:
            report.recap(outcomes, time.monotonic() - self.start, self.dry)
