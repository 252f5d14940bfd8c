"""Lets the contenders run in turn and says who was how fast; `--help` tells the options."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from . import report
from .contenders import ALL, CONTENDERS, OURS, PROJECT, Contender, environment, installed
from .farm import PORT, Farm, farm, inside
from .job import Job, Workload, target
from .measure import Usage, measure

SLOW_SECONDS = 12.0
"""Whose warm-up takes longer has two runs only: enough to see a factor."""
FILE_BYTES = 4096
WORDS = {"command": "command", "changed": "changed file + command", "unchanged": "unchanged"}


@dataclass(frozen=True, slots=True)
class Race:
    """A workload, on how many hosts, how far away, by whom."""

    workload: Workload
    hosts: int
    far: bool
    contenders: tuple[Contender, ...]

    @property
    def name(self) -> str:
        return f"{WORDS[self.workload]}, {self.hosts} hosts{', 50 ms' if self.far else ''}"


def races(quick: bool) -> Iterator[Race]:
    """What is run, in this order."""
    many = 32 if quick else 128
    for hosts, far in ((many, False), (32, True)):
        for workload in ALL:
            able = [one for one in CONTENDERS if workload in one.workloads and (hosts <= 32 or not one.few)]
            yield Race(workload, hosts, far, tuple(able))
    yield Race("command", 250 if quick else 1000, False, tuple(one for one in CONTENDERS if one.name == OURS))


class Failed(Exception):
    """A contender did not do its job everywhere."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where one race is run."""

    made: Farm
    race: Race

    def run(self, contender: Contender) -> Usage:
        """One measured run. Raises Failed unless every host shows that the work was done there."""
        job, file = self._job()
        self.made.clear("*.ran")
        if self.race.workload == "unchanged":
            self.made.put([target(address) for address in job.addresses], Path(job.source).read_bytes())
        namespace = self.made.far if self.race.far else self.made.near
        used = measure([*inside(namespace), *contender.words(job, file)], environment(job, file), PROJECT)
        if used.status != 0:
            raise Failed(f"{contender.name}: exit status {used.status} in {self.race.name}\n{used.output[-3000:]}")
        self._check(contender, job)
        return used

    def _check(self, contender: Contender, job: Job) -> None:
        if self.race.workload == "unchanged":
            return
        ran = self.made.ran()
        if lacking := [address for address in job.addresses if ran.get(address) != job.proof()]:
            raise Failed(f"{contender.name}: no proof from {len(lacking)} hosts in {self.race.name}: {lacking[:5]}")

    def _job(self) -> tuple[Job, Path]:
        work = self.made.work
        source = work / "content"
        source.write_text(secrets.token_hex(FILE_BYTES // 2))
        addresses = self.made.addresses(self.race.hosts, self.race.far)
        hosts_toml = work / f"hosts-{self.race.hosts}-{self.race.far}.toml"
        hosts_toml.write_text(_hosts_toml(addresses))
        known_hosts = work / "known_hosts"
        known_hosts.write_text(self.made.known_hosts(addresses))
        job = Job(
            self.race.workload,
            addresses,
            PORT,
            str(self.made.key),
            str(known_hosts),
            str(hosts_toml),
            str(source),
        )
        return job, job.save(work / "job.json")


def _hosts_toml(addresses: list[str]) -> str:
    roles = "{ mysql = 1, redis = 1, scheduler = 1, webui = 1, fetcher = 1, processor = 1, result_worker = 1 }"
    first, *others = (f'[hosts.h{number}]\naddress = "{address}"\n' for number, address in enumerate(addresses, 1))
    login = f'[defaults]\nuser = "root"\nport = {PORT}\nkey = "sandbox/id_ed25519"\nknown_hosts = "known_hosts"\n'
    return f'[cluster]\nname = "bench"\n{login}{first}roles = {roles}\n{"".join(others)}'


def compete(course: Course, repeats: int) -> dict[str, list[Usage]]:
    """The runs of each contender, taken in turn after a warm-up each."""
    turns: dict[str, int] = {}
    for contender in course.race.contenders:
        warm = course.run(contender)
        turns[contender.name] = (
            min(repeats, 2) if warm.wall > SLOW_SECONDS and len(course.race.contenders) > 1 else repeats
        )
    samples: dict[str, list[Usage]] = {contender.name: [] for contender in course.race.contenders}
    for turn in range(repeats):
        for contender in course.race.contenders:
            if turn < turns[contender.name]:
                samples[contender.name].append(course.run(contender))
    return samples


def run_all(chosen: Iterable[Race], repeats: int) -> dict[str, dict[str, list[Usage]]]:
    """Every race's runs, by its name; each race's table is printed when it ends."""
    done: dict[str, dict[str, list[Usage]]] = {}
    with farm() as made:
        for race in chosen:
            alone = len(race.contenders) == 1
            done[race.name] = compete(Course(made, race), 2 if alone else repeats)
            print(f"\n{race.name}\n{report.text([report.HEAD, *report.table(done[race.name])])}", flush=True)
    return done


def machine(before: str, after: str) -> dict[str, object]:
    """What the figures depend on."""
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
    return parser.parse_args(words)


def chosen_races(asked: argparse.Namespace) -> Iterator[Race]:
    """The races that were asked for, with the contenders that are there; says who is not."""
    for absent in [one for one in CONTENDERS if one.missing()]:
        print(f"{absent.name}: skipped, {absent.needs} is not installed")
    left_out = {name.strip() for name in asked.without.split(",")}
    for race in races(asked.quick):
        if asked.only in race.name:
            there = tuple(one for one in race.contenders if not one.missing() and one.name not in left_out)
            yield Race(race.workload, race.hosts, race.far, there)


def main() -> None:
    asked = options(sys.argv[1:])
    before = load_average()
    try:
        done = run_all(chosen_races(asked), asked.repeats or (2 if asked.quick else 5))
    except Failed as error:
        sys.exit(f"bench: {error}")
    print(f"\n{report.as_text(done)}")
    out = asked.out or (None if asked.quick or asked.only else PROJECT / "docs")
    if out:
        save(done, machine(before, load_average()), out)


def save(done: dict[str, dict[str, list[Usage]]], about: dict[str, object], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.json").write_text(report.as_json(done, about))
    (out / "benchmark.md").write_text(report.markdown(done, about))
    if installed("matplotlib"):
        report.picture(done, out / "benchmark.png")
    else:
        print("no picture: matplotlib is not installed")


if __name__ == "__main__":
    main()
