"""A race: one workload, done by the contenders in turn, each run proved on the hosts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .contenders import ALL, CONTENDERS, ENGINE, PROJECT, TYPED, Contender, environment
from .farm import PORT, Farm, inside
from .job import Job, Workload, target
from .measure import Usage, measure

SLOW_SECONDS = 12.0
SLOW_TURNS = 2
"""A contender whose first run takes longer has two more only: enough to see a factor."""
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
    """The contenders, in the order of their runs."""
    many = 32 if quick else 128
    for hosts, far in ((many, False), (32, True)):
        for workload in ALL:
            able = [one for one in CONTENDERS if workload in one.workloads and (hosts <= 32 or not one.few)]
            yield Race(workload, hosts, far, tuple(able))
    own = tuple(one for one in CONTENDERS if one.name in (TYPED, ENGINE))
    yield Race("command", 250 if quick else 1000, False, own)


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
            raise Failed(f"exit status {used.status} after {used.wall:.0f} s\n{used.output[-3000:]}")
        self._check(job)
        return used

    def _check(self, job: Job) -> None:
        if self.race.workload == "unchanged":
            return
        ran = self.made.ran()
        if lacking := [address for address in job.addresses if ran.get(address) != job.proof()]:
            raise Failed(f"no proof from {len(lacking)} hosts: {', '.join(lacking[:5])}")

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


def compete(made: Farm, race: Race, repeats: int) -> dict[str, list[Usage]]:
    """The runs of each contender, taken in turn after a warm-up each; none of one that failed once."""
    course = Course(made, race)
    samples: dict[str, list[Usage]] = {contender.name: [] for contender in race.contenders}
    turns = {contender: _turns(course, contender, repeats) for contender in race.contenders}
    for turn in range(repeats):
        for contender in race.contenders:
            if turn < turns[contender]:
                turns[contender] = _one(course, contender, samples[contender.name]) * turns[contender]
    return {contender.name: samples[contender.name] if turns[contender] else [] for contender in race.contenders}


def _turns(course: Course, contender: Contender, repeats: int) -> int:
    """How often it may run, found by a first run that does not count."""
    warm: list[Usage] = []
    if not _one(course, contender, warm):
        return 0
    return min(repeats, SLOW_TURNS) if warm[0].wall > SLOW_SECONDS else repeats


def _one(course: Course, contender: Contender, runs: list[Usage]) -> bool:
    """Whether a run succeeded; then it is added to the others."""
    try:
        runs.append(course.run(contender))
    except Failed as error:
        print(f"{course.race.name}: {contender.name} failed: {error}", flush=True)
        return False
    return True
