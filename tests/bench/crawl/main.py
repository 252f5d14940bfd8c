"""`./run bench crawl`: the options, the races that were asked for, and where the figures go."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fabfile.local import hand_over

from ..contenders import PROJECT
from ..section import replaced
from . import report
from .contenders import Contender, Ours
from .course import Course, Race, Samples, compete, round_trips
from .distance import distant
from .hand import ByHand
from .pages import Shape
from .place import STORES, Place, place
from .scrapy_redis import ScrapyRedis

COMMAND = "./run bench crawl"
DISTANCES = (0.0, 1.0, 5.0)
"""Milliseconds that the stores are away."""
SHAPES = (Shape("chain", 100), Shape("flat", 3001), Shape("mix", 2000))
QUICK = (Shape("chain", 10), Shape("flat", 101), Shape("mix", 60))
TURNS = 5
IDLE_SECONDS, QUICK_IDLE_SECONDS = 60.0, 5.0


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(COMMAND, description=f"{__doc__} Races: see --list.")
    parser.add_argument("--quick", action="store_true", help="few pages, one turn: whether it works, not how fast")
    parser.add_argument("--turns", type=int, help="how often each contender crawls each site (5)")
    parser.add_argument("--only", default="", help="only races whose name has this in it, like 'chain' or '1 ms'")
    parser.add_argument("--without", default="", help="contenders to leave out, by comma, like 'scrapy-redis'")
    parser.add_argument("--out", type=Path, help="where crawl.json, .png and the section of benchmark.md go (docs)")
    parser.add_argument("--list", action="store_true", help="only name the races")
    return parser.parse_args(words)


def races(quick: bool, only: str) -> dict[float, list[Race]]:
    """The races that were asked for, by the distance of the stores."""
    shapes = QUICK if quick else SHAPES
    every = {far: [Race(shape, far) for shape in shapes] for far in DISTANCES}
    every[0.0].append(Race(None, idle_seconds=QUICK_IDLE_SECONDS if quick else IDLE_SECONDS))
    chosen = {far: [race for race in some if only in race.name] for far, some in every.items()}
    return {far: some for far, some in chosen.items() if some}


def run_all(asked: argparse.Namespace, chosen: dict[float, list[Race]]) -> Samples:
    """Every race's runs; the files are written after each distance, so that nothing is lost that was measured."""
    done: Samples = {}
    before, measured = _load(), list[str]()
    with place() as made:
        course, able = Course(made), contenders(made, asked.without)
        for far, some in chosen.items():
            with distant(made.namespace(STORES), far / 1000):
                measured.append(f"{round_trips(made):.2f} ms{f' ({far:g} ms away)' if far else ' (near)'}")
                print(f"\nthe round trip to the stores takes {measured[-1]}", flush=True)
                ran = compete(course, able, some, asked.turns or (1 if asked.quick else TURNS), _tell)
            done |= ran
            print("\n".join(report.race_text(*race) for race in ran.items()), flush=True)
            if folder := out(asked):
                save(done, machine(before, ", ".join(measured)), folder)
    return done


def out(asked: argparse.Namespace) -> Path | None:
    """The folder of the files; None where what was asked for is no whole measurement."""
    return asked.out or (None if asked.quick or asked.only or asked.without else PROJECT / "docs")


def contenders(made: Place, without: str) -> list[Contender]:
    """The contenders in the order of their runs."""
    left_out = {name.strip() for name in without.split(",")}
    every: list[Contender] = [Ours(made), ByHand(made), ScrapyRedis(made)]
    return [one for one in every if one.name not in left_out]


def _tell(line: str) -> None:
    print(line, flush=True)


def save(done: Samples, about: dict[str, object], out: Path) -> None:
    """crawl.json and crawl.png, and the section of benchmark.md."""
    out.mkdir(parents=True, exist_ok=True)
    page = out / "benchmark.md"
    before = page.read_text() if page.exists() else ""
    page.write_text(replaced(before, COMMAND, report.markdown(done, about)))
    (out / "crawl.json").write_text(report.as_json(done, about))
    report.picture(done, out / "crawl.png")
    for file in (page, out / "crawl.json", out / "crawl.png"):
        if file.exists():
            with file.open() as made:
                hand_over(made.fileno(), out)


def main(words: Sequence[str]) -> int:
    """1 where a run does not count, 2 where no race was asked for."""
    asked = options(words)
    chosen = races(asked.quick, asked.only)
    if not chosen:
        print(f"no race has {asked.only!r} in its name; --list names them", file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(race.name for some in chosen.values() for race in some))
        return 0
    # Whoever ends this program by TERM leaves no hosts behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        done = run_all(asked, chosen)
    except KeyboardInterrupt:
        print("interrupted; the hosts are gone", file=sys.stderr)
        return 130
    faults = list(report.faults(done))
    print("\n".join(["", report.as_text(done), *(f"does not count: {line}" for line in faults)]))
    return int(bool(faults))


def machine(before: str, trips: str) -> dict[str, object]:
    """The machine and the versions on which the figures depend."""
    return {
        "cores": os.cpu_count(),
        "scrapy": version("scrapy"),
        "scrapy_redis": version("scrapy-redis"),
        "load_before": before,
        "load_after": _load(),
        "round_trips": trips,
    }


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"
