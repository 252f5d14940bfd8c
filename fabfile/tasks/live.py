"""`fab status --watch`: the same look every two seconds over open connections, on one screen."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem, WrongInput, printable, unforeseen
from ..health.host import HostStatus
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import Target, target
from ..watch.history import History
from ..watch.selection import Selection
from .seeing import see

EVERY_SECONDS = 2.0
SHARE = 0.25
"""Of a core of this machine: on so many hosts that a look every two seconds would take more, looks are rarer."""
AWAY_SECONDS = 15.0
"""A host that can't be reached is asked again after so long: each try holds up the look at all others."""
KEY_SECONDS = 0.5
"""The longest time that the screen stays as it is, but for looks."""


def pause(every: float, took: float, used: float) -> float:
    """Seconds until the next look, after one that took so long and used so much CPU here."""
    return max(0.0, max(every, used / SHARE) - took)


@dataclass
class Looks:
    """One look after the other, in a thread of its own, since a look may take as long as a host hangs."""

    chosen: Target
    told: Callable[[], None] = lambda: None
    """Called after each look, by the thread of the looks."""
    every: Callable[[], float] = lambda: EVERY_SECONDS
    """Seconds from one look to the next."""
    history: History = field(default_factory=History)
    error: str = ""
    begun: float = 0.0
    took: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _away: dict[str, tuple[float, HostStatus]] = field(default_factory=dict)

    def go_on(self) -> None:
        """Look until the end."""
        while not self.ended.is_set():
            self.begun, used = time.monotonic(), time.process_time()
            try:
                self._look()
                self.error = ""
            except Problem as error:
                self.error = str(error)
            except Exception as error:  # noqa: BLE001  the boundary of a look: its last verdict must not stay for ever
                self.error = unforeseen(error)
            self.took = time.monotonic() - self.begun
            self.told()
            self.ended.wait(pause(self.every(), self.took, time.process_time() - used))

    def _look(self) -> None:
        now = time.monotonic()
        resting = {name: view for name, (since, view) in self._away.items() if now - since < AWAY_SECONDS}
        view = see(Run(self.chosen, reports=False), spent=True, away=resting)
        for host in view.hosts:
            if host.reachable:
                self._away.pop(host.host.name, None)
            elif host.host.name not in resting:
                self._away[host.host.name] = (time.monotonic(), host)
        with self.lock:
            self.history.add(view, time.monotonic(), time.time())

    @property
    def note(self) -> str:
        """When the last look was, and how long it took."""
        from ..watch.screen import clock

        if self.error:
            return printable(self.error)
        if self.history.view is None:
            return f"the first look: {time.monotonic() - self.begun:.0f} s"
        return f"{clock(time.time())}, a look takes {self.took:.1f} s"


def watch(c: Any, options: Options) -> None:
    """Show the cluster until `q` or Ctrl-C. Raises WrongInput where there is no terminal."""
    if options.json or options.timings:
        raise WrongInput("status --watch draws a screen, so it takes neither --json nor --timings")
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise WrongInput(
            "status --watch needs a terminal to draw on; `fab status` looks once, `fab watch` prints what changes"
        )
    looks = Looks(target(c, options, allow_unlisted=True))
    # A view has no work that could be interrupted: Ctrl-C ends it as well as `q`.
    with suppress(KeyboardInterrupt), looking(looks):
        _show(looks)


@contextmanager
def looking(looks: Looks) -> Iterator[None]:
    """The looks go on while the block lasts; what runs on hosts for them is ended then."""
    thread = threading.Thread(target=looks.go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        looks.ended.set()
        looks.chosen.links.stop()


def _show(looks: Looks) -> None:
    from rich.console import Console, Group
    from rich.live import Live

    from ..watch.keys import Keyboard
    from ..watch.screen import chosen, lines

    console, choice = Console(), Selection()
    with Keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while not choice.ended:
            with looks.lock:
                shown = lines(looks.history, choice, console.size, looks.note, time.time())
            live.update(Group(*shown), refresh=True)
            choice = choice.after(keys.read(KEY_SECONDS)).within(len(chosen(looks.history, choice)), 1)
