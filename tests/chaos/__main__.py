"""Crawls on throw-away clusters while something dies, hangs or is changed; `--help` tells the options.

Each event happens at a moment that the seed chooses. The exit status is 1 where a page was lost or doubled, where the
crawl did not go on in time, or where `fab status` was wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import CalledProcessError, TimeoutExpired
from typing import NoReturn

from fabfile.errors import Problem
from fabfile.sandbox.sandbox import Sandbox, free_network

from ..e2e.conftest import Cluster, brought_up
from . import report
from .changes import CHANGES
from .crawl import served
from .faults import FAULTS, LASTS, Event
from .once import Told, once, well
from .schedule import long_crawl

EVENTS = (*FAULTS, *CHANGES)
PAGES, LONG_PAGES, LONG_EVENTS = 1200, 5000, 20
SCHEDULE = "schedule"
Work = SimpleQueue[tuple[Event | None, str]]
BUILDING = threading.Lock()
"""The first cluster builds Python, where the cache has none; the others take it from there."""
KEEPING = threading.Lock()
MADE: dict[Path, Sandbox] = {}
"""The clusters that there are, by their folders."""


def options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("./run chaos", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="how often each event happens (5)")
    parser.add_argument("--only", default="", help="only events whose name has this in it, like 'kill -9'")
    parser.add_argument("--seed", default=f"{random.randrange(10**6)}", help="gives the same moments again")
    parser.add_argument("--seconds", type=float, default=LASTS, help=f"how long a fault lasts ({LASTS:.0f})")
    parser.add_argument("--clusters", type=int, default=1, help="how many clusters work side by side (1)")
    parser.add_argument(
        "--out", type=Path, help="a folder for reliability.json, and for the table in reliability.md, like docs"
    )
    parser.add_argument("--list", action="store_true", help="only name the events")
    return parser.parse_args(words)


def work(asked: argparse.Namespace) -> Work:
    waiting: Work = SimpleQueue()
    for number in range(asked.repeats):
        for event in EVENTS:
            if asked.only in event.name:
                waiting.put((event, f"{asked.seed}.{number}"))
    if asked.only in SCHEDULE:
        waiting.put((None, asked.seed))
    return waiting


@contextmanager
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pyspider-chaos-") as scratch:
        folder = Path(scratch)
        sandbox = MADE[folder] = Sandbox(folder / ".sandbox", free_network())
        try:
            yield brought_up(folder, sandbox, BUILDING, "systemd")
        finally:
            sandbox.down()


def worked_off(waiting: Work, asked: argparse.Namespace, done: list[Told]) -> None:
    """All of the work; a cluster that does not become well again is thrown away, and the next one goes on."""
    while not waiting.empty():
        with cluster() as made:
            while well(made):
                try:
                    event, seed = waiting.get_nowait()
                except Empty:
                    return
                with tempfile.TemporaryDirectory() as pages:
                    told = one_of(made, event, seed, asked.seconds, Path(pages))
                keep(told, asked, done)


def keep(told: Told, asked: argparse.Namespace, done: list[Told]) -> None:
    """Tells it, and writes the record so far: who stops the run has what was seen until then."""
    with KEEPING:
        done.append(told)
        print(told.line, flush=True)
        if asked.out:
            about = f"Seed {asked.seed}, {datetime.now(UTC):%Y-%m-%d}; the worst of the runs, in seconds."
            report.save(done, about, asked.out)


def one_of(made: Cluster, event: Event | None, seed: str, lasts: float, pages: Path) -> Told:
    """An event, or the schedule; whatever stops it is told as its fault."""
    told = Told(event.name if event else SCHEDULE, seed)
    try:
        if event:
            return once(made, served(made, pages, PAGES), event, seed, PAGES, lasts)
        chosen = [one for one in EVENTS if not one.before]
        return long_crawl(made, served(made, pages, LONG_PAGES), chosen, seed, LONG_PAGES, LONG_EVENTS)
    except (AssertionError, Problem, CalledProcessError, TimeoutExpired) as fault:
        told.faults.append(str(fault).strip()[-600:])
        return told


def interrupted() -> NoReturn:
    """Takes all clusters down, and ends: what was seen until now is in the record."""
    for folder, sandbox in MADE.items():
        sandbox.down()
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(130)


def main() -> int:
    asked = options(sys.argv[1:])
    if asked.list:
        print("\n".join([*(event.name for event in EVENTS), SCHEDULE]))
        return 0
    print(f"seed {asked.seed}", flush=True)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
    waiting, done = work(asked), list[Told]()
    threads = [threading.Thread(target=worked_off, args=(waiting, asked, done)) for _ in range(asked.clusters)]
    for one in threads:
        one.start()
    # Whoever ends this program by TERM leaves no hosts behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for one in threads:
            one.join()
    except KeyboardInterrupt:
        interrupted()
    print(f"\n{report.table(done)}")
    return int(any(one.faults for one in done) or not done)


if __name__ == "__main__":
    sys.exit(main())
