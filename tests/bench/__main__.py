"""Lets the contenders run in turn and tells how fast each was; `--help` tells the options.

`queue` alone compares the queues of pyspider and of the launcher (queues.py), `durability` the stores' settings,
`persist` what ssh costs against paramiko, `logs` how much `fab logs --follow` can take, `live` what `fab status
--watch` takes on 128 hosts, and `crawl` how fast clusters crawl (crawl/; it has options of its own).
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from fabfile.local import hand_over

from . import durability, live, logs, persist, queues, report
from .contenders import CONTENDERS, PROJECT, installed
from .crawl import main as crawl
from .farm import farm
from .measure import Usage
from .race import Race, compete, races
from .section import section

ALONE = {
    "queue": queues.main,
    "durability": durability.main,
    "persist": persist.main,
    "logs": logs.main,
    "live": live.main,
}
"""The measurements that are no races, by their words."""


def run_all(chosen: Iterable[Race], repeats: int) -> dict[str, dict[str, list[Usage]]]:
    """Every race's runs, by its name; each race's table is printed when it ends."""
    done: dict[str, dict[str, list[Usage]]] = {}
    with farm() as made:
        for race in chosen:
            done[race.name] = compete(made, race, repeats)
            print(f"\n{race.name}\n{report.text([report.HEAD, *report.table(done[race.name])])}", flush=True)
    return done


def machine(before: str, after: str) -> dict[str, object]:
    """The machine and the versions on which the figures depend."""
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr.split(",")[0].strip()
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "fabric": version("fabric"),
        "paramiko": version("paramiko"),
        "ssh": ssh,
        "load_before": before,
        "load_after": after,
    }


def load_average() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("./run bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="32 hosts, two runs each: whether it works, not how fast")
    parser.add_argument("--repeats", type=int, help="how often each contender runs (5)")
    parser.add_argument("--only", default="", help="only races whose name has this in it, like '50 ms'")
    parser.add_argument("--without", default="", help="contenders to leave out, by comma, like 'pyinfra,Ansible raw'")
    parser.add_argument("--out", type=Path, help="where benchmark.json, .md and .png go (docs; with --quick nowhere)")
    parser.add_argument("--again", action="store_true", help="only write the page and the picture anew")
    return parser.parse_args(words)


def chosen_races(asked: argparse.Namespace) -> Iterator[Race]:
    """The races that were asked for, with the contenders that are there; names those that are not."""
    for absent in [one for one in CONTENDERS if one.missing()]:
        print(f"{absent.name}: skipped, {absent.needs} is not installed")
    left_out = {name.strip() for name in asked.without.split(",")}
    for race in races(asked.quick):
        if asked.only in race.name:
            there = tuple(one for one in race.contenders if not one.missing() and one.name not in left_out)
            yield Race(race.workload, race.hosts, race.far, there)


def main() -> None:
    if sys.argv[1:2] == ["crawl"]:
        sys.exit(crawl.main(sys.argv[2:]))
    if len(sys.argv) == 2 and (one := ALONE.get(sys.argv[1])):
        one()
        return
    asked = options(sys.argv[1:])
    if asked.again:
        out = asked.out or PROJECT / "docs"
        save(*report.kept((out / "benchmark.json").read_text()), out)
        return
    before = load_average()
    done = run_all(chosen_races(asked), asked.repeats or (2 if asked.quick else 5))
    print(f"\n{report.as_text(done)}")
    out = asked.out or (None if asked.quick or asked.only else PROJECT / "docs")
    if out:
        save(done, machine(before, load_average()), out)
    sys.exit(any(not runs for race in done.values() for runs in race.values()))


def with_section(page: str, before: str) -> str:
    """The page, with the sections of other commands as they were before."""
    return "\n".join([page, *filter(None, (section(before, command) for command in (crawl.COMMAND, live.COMMAND)))])


def save(done: dict[str, dict[str, list[Usage]]], about: dict[str, object], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.json").write_text(report.as_json(done, about))
    page = out / "benchmark.md"
    before = page.read_text() if page.exists() else ""
    page.write_text(with_section(report.markdown(done, about), before))
    if installed("matplotlib"):
        report.picture(done, out / "benchmark.png")
    else:
        print("no picture: matplotlib is not installed")
    for file in out.glob("benchmark.*"):
        with file.open() as made:
            hand_over(made.fileno(), out)


if __name__ == "__main__":
    main()
