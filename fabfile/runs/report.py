"""Outcomes as a table for people, JSON for scripts, an exit status for shells."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import Doing, printable, shown
from ..inventory.place import meant
from .outcomes import Outcome, Status
from .timings import Timings

if TYPE_CHECKING:
    from rich.console import Console

STYLES: dict[Status, str] = {
    "ok": "green",
    "changed": "yellow",
    "skipped": "dim",
    "failed": "bold red",
    "unreachable": "magenta",
    "not reached": "dim",
}
DETAIL_LINES = 20


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 all well, 1 something failed, 3 nothing worse than unreachable hosts."""
    statuses = {outcome.status for outcome in outcomes}
    if "failed" in statuses:
        return 1
    if "unreachable" in statuses:
        return 3
    return 1 if "not reached" in statuses else 0


def as_json(outcomes: Sequence[Outcome], timings: Timings | None = None, whole: bool = True) -> str:
    """One object: per host its status, its changes, the cause of a failure or a skip, and the seconds it took.

    It is not ok where a host is not well, or the run was not `whole`.
    """
    hosts = {
        outcome.host: {
            "status": outcome.status,
            "changes": list(outcome.changes),
            "cause": outcome.cause or None,
            "output": outcome.detail or None,
            "seconds": round(outcome.seconds, 3),
        }
        for outcome in outcomes
    }
    timed = {"timings": timings.as_data()} if timings else {}
    return json.dumps({"ok": whole and exit_status(outcomes) == 0, "hosts": hosts, **timed}, indent=2)


def recap(
    outcomes: Sequence[Outcome],
    seconds: float,
    dry: bool = False,
    timings: Timings | None = None,
    certain: bool = True,
) -> None:
    """Print every host's outcome, equal causes once, and one last line with the totals.

    Without `certain`, a host that is ok may have been changed: then the last line does not say `nothing changed`.
    """
    console = _console(sys.stdout)
    width = max((len(outcome.host) for outcome in outcomes), default=0)
    for outcome in outcomes:
        status = "would change" if dry and outcome.status == "changed" else outcome.status
        aside = outcome.cause if outcome.status == "skipped" else f"{outcome.seconds:.1f} s"
        parts = f"{outcome.host:<{width}}  ", _styled(status, outcome.status), f"  ({printable(aside)})"
        console.print(*parts, sep="", markup=False, highlight=False)
        for change in outcome.changes:
            console.print(f"{'':<{width}}    {printable(change)}", markup=False, highlight=False)
        if outcome.well:
            _indented(console, outcome.detail.splitlines())
        for action in outcome.missing:
            _diff(console, action.diff)
    _causes(console, outcomes)
    if timings:
        show_timings(console, timings)
    console.print(totals(outcomes, seconds, dry, certain), markup=False, highlight=False)


def totals(outcomes: Sequence[Outcome], seconds: float, dry: bool = False, certain: bool = True) -> str:
    """The last line: the number of hosts by status; `nothing changed` where that is certain."""
    counted = Counter(outcome.status for outcome in outcomes)
    words = ", ".join(f"{counted[status]} {status}" for status in STYLES if counted[status])
    hosts = f"{len(outcomes)} host{'' if len(outcomes) == 1 else 's'}"
    unchanged = " (nothing changed)" if certain and set(counted) <= {"ok", "skipped"} else ""
    return f"{hosts}: {words}{unchanged}{' (dry run)' if dry else ''} in {seconds:.1f} s"


def show_timings(console: Console, timings: Timings) -> None:
    """Print a row per host with the seconds of each phase, then the slowest actions."""
    from rich import box
    from rich.table import Table

    table = Table("SECONDS", box=box.SIMPLE_HEAD, pad_edge=False)
    names = timings.names()
    for name in names:
        table.add_column(name, justify="right")
    for host, phases in timings.phases.items():
        table.add_row(host, *(f"{phases[name]:.2f}" if name in phases else "-" for name in names))
    console.print(table)
    _indented(console, [f"{span.seconds:7.2f}  {span.host}: {span.says}" for span in timings.slowest()])


def _indented(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(f"    {shown(line)}", markup=False, highlight=False)


def _diff(console: Console, text: str) -> None:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        console.print(f"      {shown(line)}", style=styles.get(line[:1]), markup=False, highlight=False)


def _causes(console: Console, outcomes: Sequence[Outcome]) -> None:
    groups: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.cause and not outcome.well:
            groups.setdefault((outcome.cause, outcome.detail), []).append(outcome.host)
    for (cause, detail), hosts in groups.items():
        console.print(f"{', '.join(hosts)}: {printable(cause)}", style="red", markup=False, highlight=False)
        _indented(console, detail.splitlines()[-DETAIL_LINES:])
    if said := meant(cause for cause, _ in groups):
        console.print(said, markup=False, highlight=False)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, soft_wrap=True)


def _styled(text: str, status: Status) -> Any:
    from rich.text import Text

    return Text(text, STYLES[status])


class Progress:
    """Shows the work of every host: a live table on a terminal, lines with the host's name elsewhere.

    It writes to stderr, so that a file or a pipe gets the report alone.
    """

    def __init__(
        self, names: Sequence[str], shown: bool = True, connects: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`connects` tells whether a host's connection is still being made."""
        self._hosts, self._names = frozenset(names), list(names)
        self._shown, self._connects = shown, connects
        self._doing: dict[str, tuple[str, float]] = {}
        self._ended: set[str] = set()
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._live: Any = None

    def say(self, host: str, text: str) -> None:
        """`host` begins `text`."""
        place = text.place if isinstance(text, Doing) else ""
        text = printable(text)
        with self._lock:
            self._doing[host] = (f"{place}: {text}" if place else text, time.monotonic())
        if self._shown and not self._live and text != "looking":
            print(f"{host} | {text}", file=sys.stderr, flush=True)

    @contextmanager
    def of(self, name: str, text: str) -> Iterator[None]:
        """Show, on a terminal, that `name`, which may be no host, is busy with `text` while the block lasts."""
        with self:
            with self._lock:
                self._names += [name] if name not in self._names else []
                self._doing[name] = (text, time.monotonic())
            try:
                yield
            finally:
                self.done(name)

    def done(self, host: str) -> None:
        """`host` has ended its work; it leaves the live table, and is counted there."""
        with self._lock:
            self._doing.pop(host, None)
            self._ended.add(host)

    def __enter__(self) -> Progress:
        self._ended.clear()
        # rich is not loaded where there is no terminal.
        if self._shown and sys.stderr.isatty() and not (console := _console(sys.stderr)).is_dumb_terminal:
            from rich.live import Live

            self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            doing = dict(self._doing)
        for name in self._names:
            if name in doing:
                text, since = doing[name]
                text = "connecting" if self._connects(name) else text
                table.add_row(name, f"{time.monotonic() - since:.0f} s", Text(text))
        ended = f"{len(self._ended & self._hosts)} of {len(self._hosts)} done"
        table.add_row("", f"{time.monotonic() - self._begun:.0f} s", f"in all; {ended}")
        return table
