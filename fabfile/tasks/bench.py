"""`fab bench.crawl` and `fab bench.compare`: how many pages a second a cluster can do, and what limits it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from .. import plan, render
from ..bench import programs, ramp, record
from ..bench.limit import Gain, limit, room, tried_roles
from ..bench.measured import StepMeasured, measured
from ..bench.programs import SITE
from ..bench.samples import Moment
from ..errors import Problem, WrongInput, printable, reason
from ..inventory import load
from ..local import made_folder, write_whole
from ..runs.options import Options, whole_number
from ..runs.run import Run
from ..runs.target import target
from .bench_ground import prepared
from .benching import Ground

LEAST_PAGES, MOST_PAGES = 100, 1_000_000
LEAST_SIZE, MOST_SIZE = 10_000, 5_000_000
POLL_SECONDS = 1.0
STILL_SECONDS = 45.0
"""Without a new result for so long, a step has failed."""
NEARLY = 0.98
"""A step is over with so many of its pages, where the last ones don't come: a site may fail once in a while."""
NEARLY_SECONDS = 5.0
DRAIN_SECONDS = 20.0


def size_of(text: str) -> int:
    """The bytes that --size names: 50k, 1m, 40000. Raises WrongInput."""
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    number = text[:-1] if factor > 1 else text
    size = int(number) * factor if number.isascii() and number.isdigit() else 0
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise WrongInput(f"--size {text}: give from 10k (a page has 100 links) to 5m, such as 50k, 200k or 1m")
    return size


def pages_of(text: str) -> int:
    """The value of --pages. Raises WrongInput."""
    pages = whole_number("--pages", text, LEAST_PAGES)
    if pages > MOST_PAGES:
        raise WrongInput(f"--pages {text}: give at most {MOST_PAGES}")
    return pages


@dataclass
class _Crawl:
    """The steps of a run, one after the other."""

    ground: Ground
    tell: Any
    count: int = 0
    steps: list[StepMeasured] = field(default_factory=list)

    def step(self, wanted: ramp.NextStep) -> StepMeasured:
        """One project of so many pages, from its beginning to its last result. Raises Problem."""
        self.count += 1
        project = f"step{self.count}"
        crawler = self.ground.crawler()
        site = self.ground.site
        crawler.save(project, programs.script(site, project, wanted.pages, wanted.start), wanted.rate)
        samples = [self._sample(project)]
        self._begin(project)
        self._follow(project, wanted.pages, samples)
        crawler.stop(project)
        self._drain()
        return measured(wanted.rate, samples[-1].results, samples)

    def _begin(self, project: str) -> None:
        deadline = time.monotonic() + STILL_SECONDS
        while not self.ground.crawler().begin(project):
            if time.monotonic() > deadline:
                raise Problem(f"the bench's scheduler did not take its project within {STILL_SECONDS:.0f} s")
            self.ground.look()
            time.sleep(0.2)

    def _follow(self, project: str, pages: int, samples: list[Moment]) -> None:
        grown = time.monotonic()
        while True:
            now = self._sample(project)
            grown = time.monotonic() if now.results > samples[-1].results else grown
            samples.append(now)
            still = time.monotonic() - grown
            if now.results >= pages or (now.results >= NEARLY * pages and still > NEARLY_SECONDS):
                return
            if still > STILL_SECONDS:
                waiting = ", ".join(f"{name} {count}" for name, count in now.queues.items() if count) or "all empty"
                raise Problem(
                    f"the bench stands still: {now.results} of {pages} pages, and no new one for "
                    f"{STILL_SECONDS:.0f} s; its queues: {waiting}"
                )
            time.sleep(max(0.05, samples[-1].at + POLL_SECONDS - time.monotonic()))

    def _sample(self, project: str) -> Moment:
        hosts = self.ground.look()
        crawler = self.ground.crawler()
        queues = crawler.queues()
        results = crawler.results(project)
        return Moment(time.monotonic(), results, queues, hosts)

    def _drain(self) -> None:
        """Nothing of the step is in the queues any more, or time is over: the next one is to begin at rest."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(self.ground.crawler().queues().values()) and time.monotonic() < deadline:
            self.ground.look()
            time.sleep(0.2)

    def ramp(self, pages: int) -> None:
        """Twice the rate from step to step. Raises Problem."""
        while (following := ramp.following(self.steps, pages)) is not None:
            self.steps.append(self.step(following))
            self.tell(f"  {_line(self.steps[-1])}\n")

    def gains(self) -> Iterator[Gain]:
        """What one more of each role brings, measured where there is room. Raises Problem."""
        at = ramp.best(self.steps)
        fleet = self.ground.run.target.fleet
        able = {
            host.name: [name for name, n in host.roles.items() if n]
            for host in self.ground.keepers
            if fleet.programs(host)
        }
        if not ramp.at_limit(self.steps):
            why = "the ramp ended before the cluster was at its limit"
            yield from (Gain(role, why_not=why) for role in tried_roles())
            return
        for role in tried_roles():
            found = room(at, role, able)
            if not found.host:
                yield Gain(role, why_not=found.why_not)
                continue
            name = self.ground.add(found.host, role)
            again = self.step(ramp.NextStep(at.rate, at.pages))
            self.ground.remove(found.host, name)
            yield Gain(role, found.host, again.pages_s, at.pages_s)


def crawl(c: Any, options: Options, pages_text: str, size_text: str, instead: bool) -> None:
    """Measure; keep the result. Exit status 0 where a result was measured."""
    if c.config["chosen"]:
        raise WrongInput("bench.crawl concerns the whole cluster: leave -H away")
    pages, size = pages_of(pages_text), size_of(size_text)
    run = Run(target(c, options), options, reports=False)
    folder = run.target.fleet.path.parent / record.FOLDER
    if not run.dry:
        try_folder(folder)
    begun = time.monotonic()
    with run.locked():
        ground = prepared(run, size, instead)
        if run.dry:
            run.tell("".join(f"{line}\n" for line in _intended(ground)))
            return
        run.tell(f"pages of {size / 1000:g} kB from {ground.site}, {_counts(ground)}\n")
        with _held(ground):
            ground.begin()
            work = _Crawl(ground, run.tell)
            work.ramp(pages)
            gains = list(work.gains())
            # Here: it is not lost where the bench can't be removed whole.
            keep_and_tell(folder, _record(ground, work, pages, gains, time.monotonic() - begun), options.json)


def try_folder(folder: Path) -> None:
    """Make the folder where it is missing. Raises Problem where no result could be written into it."""
    try:
        made_folder(folder)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Problem(
            f"{folder}: no result can be written there: {reason(error)}; nothing was measured: "
            "let this user write there, or make room, and run it again"
        ) from error


def keep_and_tell(folder: Path, made: record.BenchRecord, as_json: bool) -> None:
    """Keep the result, and print it also where it can't be kept. Raises Problem in that case, after it is printed."""
    path, lost = folder / f"{made.name}.json", None
    try:
        _keep(path, made)
    except Problem as error:
        lost = error
    if as_json:
        print(record.as_json(made), end="", flush=True)
    else:
        print("".join(f"{line}\n" for line in _report(made, None if lost else path)), end="", flush=True)
    if lost:
        raise lost


@contextmanager
def _held(ground: Ground) -> Iterator[None]:
    """Whatever comes, the bench ends on the hosts. Raises Problem where something is left."""
    well = False
    try:
        yield
        well = True
    finally:
        faults = ground.end()
        for fault in faults:
            print(f"fab: {printable(fault)}", file=sys.stderr)
        if faults and well:
            raise Problem(
                "the bench was measured, and not all of it could be removed; run `fab bench.crawl` again for that"
            )


def _record(ground: Ground, work: _Crawl, pages: int, gains: list[Gain], seconds: float) -> record.BenchRecord:
    fleet = ground.run.target.fleet
    steps = work.steps
    return record.BenchRecord(
        name=time.strftime("%Y-%m-%d-%H%M%S"),
        cluster=fleet.cluster.name,
        release=render.deploy_id(fleet, plan.runtime_spec(fleet).digest),
        pages=pages,
        size=ground.size,
        instead=ground.instead,
        programs=dict(programs.counts(fleet)),
        steps=steps,
        limit=limit(steps, ramp.best(steps)),
        gains=gains,
        seconds=round(seconds, 1),
    )


def _keep(path: Path, made: record.BenchRecord) -> None:
    try:
        made_folder(path.parent)
        write_whole(path, record.as_json(made))
    except OSError as error:
        raise Problem(f"{path}: the result can't be written: {reason(error)}") from error


def _counts(ground: Ground) -> str:
    told = ", ".join(f"{count} {role}" for role, count in programs.counts(ground.run.target.fleet).items())
    return f"{told}, {'in place of' if ground.instead else 'beside'} the production programs"


def _intended(ground: Ground) -> Iterator[str]:
    scratch = ground.scratch
    yield f"would take Redis' database {scratch.db}, and make in MySQL {', '.join(scratch.databases.values())}"
    for host, names in ground.wanted.items():
        if names:
            yield f"would run on {host}: {', '.join(names)}"
    for host, own in ground.resting.items():
        if own:
            yield f"would stop on {host} meanwhile: {', '.join(one.name for one in own)}"


def _line(step: StepMeasured) -> str:
    shares = {role: sum(own) / len(own) * 100 for role, own in step.roles().items() if role != SITE}
    told = ", ".join(f"{role} {share:.0f} %" for role, share in sorted(shares.items(), key=lambda pair: -pair[1]))
    return f"rate {step.rate}/{step.rate}: {step.pages_s:6.1f} pages/s; of a core each: {told}"


def _report(made: record.BenchRecord, path: Path | None) -> Iterator[str]:
    yield f"{made.best.pages_s:g} pages/s"
    yield f"the limit: {made.limit.sentence}"
    if made.limit.kind == "rate":
        yield f"more pages would tell more: --pages {ramp.pages_for_more(made.steps)}"
    for gain in made.gains:
        yield f"one more {gain.role}: {_gain(gain)}"
    if path:
        yield f"kept in {path}, after {made.seconds:.0f} s"


def _gain(gain: Gain) -> str:
    if gain.ratio is None:
        return gain.why_not
    return f"on {gain.host}, {gain.pages_s:g} pages/s in place of {gain.before:g} ({gain.ratio:.2f} times)"


def compare(options: Options, names: Sequence[str]) -> None:
    """Show two runs side by side. Raises WrongInput where there are none."""
    folder = load().path.parent / record.FOLDER
    first, second = record.chosen(folder, tuple(names))
    rows = list(record.compared(first, second))
    notes = list(record.unlike(first, second))
    if options.json:
        from msgspec import to_builtins

        print(json.dumps({"runs": [first.name, second.name], "notes": notes, "rows": to_builtins(rows)}, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", first.name, second.name, "RATIO", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(
            *(Text(cell) for cell in (row.what, row.first, row.second, "" if row.ratio is None else f"{row.ratio:.2f}"))
        )
    console = Console(soft_wrap=True)
    console.print(table)
    for note in notes:
        print(f"fab: {note}", file=sys.stderr)
