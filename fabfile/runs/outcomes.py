"""Outcomes: work returns its changes, one boundary makes an outcome of them, a recorder collects these."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import NotReached, Problem, Unreachable
from ..inventory import Host
from ..steps.base import Action

Status = Literal["ok", "changed", "skipped", "failed", "unreachable", "not reached"]


@dataclass(frozen=True, slots=True)
class Done:
    """The work done on one host; None in its place stands for no change and nothing to show."""

    changes: tuple[str, ...] = ()
    detail: str = ""
    """Output that the operator is to see."""
    missing: tuple[Action, ...] = ()
    """The changes that a dry run would make."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one host's work, with the changes that were made before an error."""

    host: str
    status: Status
    changes: tuple[str, ...] = ()
    cause: str = ""
    detail: str = ""
    """Output of the command that failed, or that the operator is to see."""
    seconds: float = 0.0
    missing: tuple[Action, ...] = field(default=(), compare=False)
    """The changes that a dry run would make."""

    @property
    def well(self) -> bool:
        return self.status in ("ok", "changed", "skipped")

    @property
    def changed(self) -> bool:
        """Whether the host was brought to another state, and all of it went well."""
        return self.status == "changed"


def on_host(name: str, work: Callable[[], Done | None]) -> Outcome:
    """Run one host's work; every error of it becomes this host's outcome and nobody else's."""
    start = time.monotonic()
    outcome = _outcome(name, work)
    return replace(outcome, seconds=time.monotonic() - start)


def _outcome(name: str, work: Callable[[], Done | None]) -> Outcome:
    try:
        done = work() or Done()
    except Problem as error:
        cause = str(error).removeprefix(f"{name}: ")
        return Outcome(name, _status(error), error.changes, cause, error.detail)
    except Exception as error:  # noqa: BLE001  the one boundary: a bug in one host's work must not sink the others
        return Outcome(name, "failed", cause=f"this is a bug, please report it: {type(error).__name__}: {error}")
    return Outcome(name, "changed" if done.changes else "ok", done.changes, detail=done.detail, missing=done.missing)


def _status(error: Problem) -> Status:
    match error:
        case Unreachable():
            return "unreachable"
        case NotReached():
            return "not reached"
        case _:
            return "failed"


class Recorder:
    """Collects outcomes across threads, so that an interrupted run still has a recap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[str, Outcome] = {}
        self._unfinished: set[str] = set()

    def add(self, outcome: Outcome, unfinished: bool = False) -> None:
        """Take an outcome; a host's later one adds to its changes and its seconds.

        With `unfinished`, a healthy host counts as not reached until its next outcome.
        """
        with self._lock:
            before = self._outcomes.get(outcome.host, Outcome(outcome.host, "ok"))
            changes = before.changes + outcome.changes
            status: Status = "changed" if changes and outcome.status == "ok" else outcome.status
            self._outcomes[outcome.host] = replace(
                outcome, status=status, changes=changes, seconds=before.seconds + outcome.seconds
            )
            (self._unfinished.add if unfinished and outcome.well else self._unfinished.discard)(outcome.host)

    def going_on(self, host: Host) -> bool:
        """Whether nothing has gone wrong on this host so far."""
        return host.name not in self._outcomes or self._outcomes[host.name].well

    def status(self, host: Host) -> Status:
        """The state of a host's work so far; `ok` where nothing has been done."""
        with self._lock:
            found = self._outcomes.get(host.name)
        return found.status if found else "ok"

    def failures(self, hosts: Iterable[Host]) -> int:
        """The number of hosts that have failed so far, or could not be reached."""
        with self._lock:
            found = [self._outcomes.get(host.name) for host in hosts]
        return sum(one is not None and one.status in ("failed", "unreachable") for one in found)

    def outcomes(self, hosts: Iterable[Host]) -> list[Outcome]:
        """One outcome per host, in the hosts' order; a host that was never begun is not reached."""
        return [self._outcome(host.name) for host in hosts]

    def _outcome(self, name: str) -> Outcome:
        found = self._outcomes.get(name, Outcome(name, "not reached"))
        return replace(found, status="not reached") if name in self._unfinished else found
