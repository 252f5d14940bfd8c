"""Runs -> medians, spreads and kept or broken promises: on the terminal, as JSON, as Markdown and as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..report import row, text, word
from .contenders import HAND, OURS, SCRAPY
from .course import IDLE, Race, Run, Samples
from .spent import COMPONENTS, MYSQL, REDIS

CHAIN, FLAT, MIX = "chain of 100 pages", "3000 tiny pages linked from one", "2000 pages of 50 kB with 100 links"
IDLE_A_MINUTE = Race(None, idle_seconds=60).name
NEAR, FAR = "", ", stores 1 ms away"


@dataclass(frozen=True, slots=True)
class Target:
    """A promise of this project: the ratio of two medians of one race, or its own median where there is no other."""

    race: str
    field: str
    limit: float
    against: str = ""
    least: bool = False
    """The limit is the least that is promised, not the most."""

    @property
    def promise(self) -> str:
        than = f" x {self.against}" if self.against else f" {UNITS[self.field]}"
        return f"{self.race}: {WORDS[self.field]} {'>=' if self.least else '<='} {self.limit:g}{than}"

    def kept(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit


WORDS = {"wall": "wall", "rate": "pages/s", "cpu_page": "CPU a page", "busy": "CPU", "commands": "Redis"}
UNITS = {"wall": "s", "rate": "pages/s", "cpu_page": "ms", "busy": "% of one core", "commands": "commands/s"}
HEADS = {
    "wall": "wall s",
    "rate": "pages/s",
    "cpu_page": "CPU ms a page",
    "busy": "CPU % of one core",
    "commands": "Redis commands/s",
}
TARGETS = (
    Target(CHAIN + NEAR, "wall", 0.06, HAND),
    Target(FLAT + NEAR, "rate", 2.0, HAND, least=True),
    Target(FLAT + NEAR, "cpu_page", 0.55, HAND),
    Target(MIX + NEAR, "rate", 1.5, HAND, least=True),
    Target(FLAT + FAR, "rate", 4.0, HAND, least=True),
    Target(CHAIN + NEAR, "wall", 2.5, SCRAPY),
    Target(FLAT + NEAR, "rate", 1.0, SCRAPY, least=True),
    Target(IDLE_A_MINUTE, "busy", 2.0),
    Target(IDLE_A_MINUTE, "commands", 200.0),
)
CRAWLED = ("wall", "rate", "cpu_page")
IDLED = ("busy", "commands")
SHARES = ("scheduler", "fetcher", "processor", "result_worker", "scrapy", MYSQL, REDIS)
"""The components that have a column of their own."""


def idle(race: str) -> bool:
    return race.startswith(IDLE)


def fields(race: str) -> tuple[str, ...]:
    return IDLED if idle(race) else CRAWLED


def good(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not run.fault]


def spread(runs: Sequence[Run], field: str) -> str:
    """The median and the extremes: `3.41 (3.30-3.92)`."""
    values = [getattr(run, field) for run in runs]
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def head(race: str) -> list[str]:
    shares = [f"{one} ms" for one in SHARES] if not idle(race) else [f"{one} %" for one in (*SHARES, "other")]
    return ["contender", "runs", *(HEADS[one] for one in fields(race)), *shares]


def table(race: str, samples: Mapping[str, Sequence[Run]]) -> list[list[str]]:
    """A row per contender: how many of its runs count, their medians, and CPU by component (a page, or in %)."""
    return [_line(race, name, runs) for name, runs in samples.items()]


def _line(race: str, name: str, runs: Sequence[Run]) -> list[str]:
    well = good(runs)
    count = f"{len(well)} of {len(runs)}"
    if not well:
        return [name, count, "failed", *[""] * (len(head(race)) - 3)]
    shares = [_share(well, one) for one in SHARES]
    if idle(race):
        shares.append(f"{sum(median(_part(run, one) for run in well) for one in COMPONENTS if one not in SHARES):.2f}")
    return [name, count, *(spread(well, one) for one in fields(race)), *shares]


def _share(runs: Sequence[Run], component: str) -> str:
    if not any(component in run.cpu for run in runs):
        return ""
    return f"{median(_part(run, component) for run in runs):.2f}"


def _part(run: Run, component: str) -> float:
    """Milliseconds a page; in % of one core where there were no pages."""
    seconds = run.cpu.get(component, 0.0)
    return 1000 * seconds / run.pages if run.pages else 100 * seconds / run.wall


def faults(done: Samples) -> Iterator[str]:
    """Every run that does not count."""
    for race, samples in done.items():
        for name, runs in samples.items():
            yield from (f"{race}, {name}, run {at}: {run.fault}" for at, run in enumerate(runs, 1) if run.fault)


def verdicts(done: Samples) -> Iterator[tuple[str, str, bool]]:
    """Each promise, its measurement, and whether it is kept; only for races in which all that it is about ran."""
    for target in TARGETS:
        samples = done.get(target.race, {})
        if samples.get(OURS) and (not target.against or samples.get(target.against)):
            yield (target.promise, *_judged(target, samples))


def _judged(target: Target, samples: Mapping[str, Sequence[Run]]) -> tuple[str, bool]:
    """A run of ours that failed breaks every promise about its race; a rival that never came in proves none."""
    ours, theirs = samples[OURS], samples.get(target.against, [])
    if len(good(ours)) < len(ours):
        return f"{len(ours) - len(good(ours))} of {len(ours)} runs failed", False
    if not target.against:
        value = median(getattr(run, target.field) for run in ours)
        return spread(ours, target.field), target.kept(value)
    if not good(theirs):
        return f"{target.against} failed", False
    ratio = _middle(ours, target.field) / _middle(good(theirs), target.field)
    return f"{ratio:.3g} ({_turns(target, ours, theirs)})", target.kept(ratio)


def _middle(runs: Sequence[Run], field: str) -> float:
    return float(median(getattr(run, field) for run in runs))


def _turns(target: Target, ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    """The ratio's spread over the turns in which both came in."""
    both = [pair for pair in zip(ours, theirs, strict=False) if not (pair[0].fault or pair[1].fault)]
    ratios = [getattr(one, target.field) / getattr(other, target.field) for one, other in both]
    return f"turns {min(ratios):.3g}-{max(ratios):.3g}" if ratios else "no turn with both"


def race_text(race: str, samples: Mapping[str, Sequence[Run]]) -> str:
    """A race's table for a terminal."""
    return f"\n{race}\n{text([head(race), *table(race, samples)])}"


def as_text(done: Samples) -> str:
    """The verdicts for a terminal."""
    rows = [[promise, value, word(kept)] for promise, value, kept in verdicts(done)]
    return text(rows) if rows else "no promise is about what was run"


def as_json(done: Samples, about: Mapping[str, object]) -> str:
    """Every single run."""
    runs = {race: {name: [asdict(run) for run in runs] for name, runs in one.items()} for race, one in done.items()}
    kept = [{"promise": promise, "measured": value, "met": met} for promise, value, met in verdicts(done)]
    return json.dumps({"about": about, "promises": kept, "runs": runs}, indent=1) + "\n"


def markdown(done: Samples, about: Mapping[str, object]) -> str:
    """The section in the page in docs."""
    parts = [_INTRODUCTION.format(**about), "| promise | measured | |\n|---|---|---|"]
    parts += [f"| {promise} | {value} | {word(kept)} |" for promise, value, kept in verdicts(done)]
    for race, samples in done.items():
        columns = head(race)
        parts += [f"\n### {race[0].upper()}{race[1:]}", row(columns), row(["---"] * len(columns))]
        parts += [row(line) for line in table(race, samples)]
    if lines := list(faults(done)):
        parts += ["\n### Runs that do not count", *(f"- {line}" for line in lines)]
    return "\n".join(parts) + "\n"


_INTRODUCTION = """\
## The crawl

`./run bench crawl` lets three contenders crawl the same sites in turn: the cluster of this project; pyspider 0.3.10 as
it is, started by hand from the same packages on the same hosts, as many programs of each role, with databases and a
Redis database of its own; and Scrapy {scrapy} with scrapy-redis {scrapy_redis} in one process, which stores its
results in Redis only. One contender's programs run at a time, and stay up for all sites of a turn; the first crawl
after their start does not count. All hosts, the stores, the site and this program share one machine with {cores} cores,
whose load average was {load_before} before and {load_after} after. Figures are medians with the lowest and the highest
of the runs; every single run is in crawl.json.

Wall is the time from the site's first request to the last stored result, CPU that of all the contender's programs and
of both stores until the last task is done, per page. A run counts only where the site was asked for each page once,
each page has one result, and no task is left open. Where stores are away, the answers of MySQL and Redis are held
back; as measured, the round trip to them was {round_trips}. Idle programs are told with supervisord, and without the
stores.

![CPU and time of the crawls](crawl.png)
"""


def picture(done: Samples, path: Path) -> None:
    """Per race: wall with the extremes as whiskers, and CPU a page by component."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    crawls = {race: one for race, one in done.items() if not idle(race) and any(good(runs) for runs in one.values())}
    if not crawls:
        return
    figure, axes = pyplot.subplots(len(crawls), 2, figsize=(11, 1.6 * len(crawls)), layout="constrained", squeeze=False)
    for (left, right), (race, samples) in zip(axes, crawls.items(), strict=True):
        there = {name: good(runs) for name, runs in samples.items() if good(runs)}
        _walls(left, there)
        _shares(right, there)
        left.set_title(f"{race}: seconds", fontsize=9, loc="left")
        right.set_title("CPU milliseconds a page", fontsize=9, loc="left")
    axes[0][1].legend(fontsize=7, ncols=4, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _walls(axis: Any, samples: Mapping[str, Sequence[Run]]) -> None:
    medians = [_middle(runs, "wall") for runs in samples.values()]
    low = [value - min(run.wall for run in runs) for value, runs in zip(medians, samples.values(), strict=True)]
    high = [max(run.wall for run in runs) - value for value, runs in zip(medians, samples.values(), strict=True)]
    colours = ["#1f77b4" if name == OURS else "#b0b7bf" for name in samples]
    axis.barh(list(samples), medians, xerr=[low, high], color=colours, error_kw={"linewidth": 0.8, "capsize": 2})
    _plain(axis)


def _shares(axis: Any, samples: Mapping[str, Sequence[Run]]) -> None:
    reached = [0.0] * len(samples)
    for one in SHARES:
        parts = [median(_part(run, one) for run in runs) for runs in samples.values()]
        axis.barh(list(samples), parts, left=reached, label=one)
        reached = [before + part for before, part in zip(reached, parts, strict=True)]
    _plain(axis)


def _plain(axis: Any) -> None:
    axis.invert_yaxis()
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
