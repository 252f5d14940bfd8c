"""Samples -> medians and ratios: on the terminal, as JSON, as Markdown and as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .contenders import ENGINE, FABRIC, TYPED, XARGS
from .measure import Usage

Samples = Mapping[str, Sequence[Usage]]
"""The runs of each contender."""


@dataclass(frozen=True, slots=True)
class Target:
    """A promise: the median of `who` is at most `limit` times another's, or at most `limit` where there is no other."""

    who: str
    race: str
    field: str
    limit: float
    against: str = ""


TARGETS = (
    Target(TYPED, "command, 128 hosts", "wall", 0.80, FABRIC),
    Target(TYPED, "command, 128 hosts", "cpu", 0.60, FABRIC),
    Target(TYPED, "command, 128 hosts", "wall", 1.0, XARGS),
    Target(TYPED, "command, 1000 hosts", "memory", 150),
    # No task changes one file and runs one command: so this is the engine.
    Target(ENGINE, "changed file + command, 128 hosts", "wall", 0.60, FABRIC),
    Target(ENGINE, "changed file + command, 128 hosts", "cpu", 0.30, FABRIC),
    Target(ENGINE, "changed file + command, 32 hosts, 50 ms", "wall", 0.55, FABRIC),
)
OURS = (TYPED, ENGINE)
UNITS = {"wall": "s", "cpu": "s", "memory": "MB"}


def middle(runs: Sequence[Usage], field: str) -> float:
    return float(median(getattr(run, field) for run in runs))


def spread(runs: Sequence[Usage], field: str) -> str:
    """The median and the extremes: `3.41 (3.30-3.92)`."""
    values = [getattr(run, field) for run in runs]
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def table(samples: Samples) -> list[list[str]]:
    """A row per contender: the clock, CPU, memory, and how many times as long and as much CPU as the first of ours."""
    ours = next((samples[name] for name in OURS if samples.get(name)), [])
    return [_table_row(name, samples[name], ours) for name in _ours_first(samples)]


def _ours_first(samples: Samples) -> list[str]:
    return [*(name for name in OURS if name in samples), *(name for name in samples if name not in OURS)]


def _table_row(name: str, runs: Sequence[Usage], ours: Sequence[Usage]) -> list[str]:
    if not runs:
        return [name, "0", "failed", "", "", "", ""]
    times = [f"{middle(runs, field) / middle(ours, field):.2f}" if ours else "" for field in ("wall", "cpu")]
    return [name, str(len(runs)), spread(runs, "wall"), spread(runs, "cpu"), f"{middle(runs, 'memory'):.0f}", *times]


HEAD = ["contender", "runs", "wall s", "client CPU s", "MB", "x wall", "x CPU"]


def verdicts(races: Mapping[str, Samples]) -> Iterator[tuple[str, str, bool]]:
    """Each promise, its measurement, and whether it is kept; only for races that were run."""
    for target in TARGETS:
        samples = races.get(target.race, {})
        if target.who not in samples or (target.against and not samples.get(target.against)):
            continue
        value, turns = _measured(target, samples) if samples[target.who] else (math.inf, "failed")
        unit = f"x {target.against}" if target.against else UNITS[target.field]
        yield f"{target.who}, {target.race}: {target.field} <= {target.limit:g} {unit}", turns, value <= target.limit


def _measured(target: Target, samples: Samples) -> tuple[float, str]:
    """The figure that counts, and that figure with its spread over the turns."""
    ours = [getattr(run, target.field) for run in samples[target.who]]
    if not target.against:
        return median(ours), f"{median(ours):.0f}"
    theirs = [getattr(run, target.field) for run in samples[target.against]]
    ratio = median(ours) / median(theirs)
    turns = [one / other for one, other in zip(ours, theirs, strict=False)]
    return ratio, f"{ratio:.2f} (turns {min(turns):.2f}-{max(turns):.2f})"


def text(rows: Sequence[Sequence[str]]) -> str:
    """Columns for a terminal."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows)


def markdown(races: Mapping[str, Samples], machine: Mapping[str, object]) -> str:
    """The page in docs."""
    parts = [_INTRODUCTION.format(**machine), "| promise | measured | |\n|---|---|---|"]
    parts += [f"| {promise} | {value} | {word(kept)} |" for promise, value, kept in verdicts(races)]
    for race, samples in races.items():
        parts += [f"\n## {race}", row(HEAD), row(["---"] * len(HEAD)), *(row(line) for line in table(samples))]
    return "\n".join(parts) + "\n"


_INTRODUCTION = """\
# Benchmark

**What counts is what is typed, `fab run COMMAND`**, against plain Fabric's ThreadingGroup: the first lines of the
table.

Everything here was measured by `./run bench` on a machine with {cores} cores (Python {python}, Fabric {fabric},
paramiko {paramiko}, {ssh}), with a load average of {load_before} before and {load_after} after; every single run is
in benchmark.json. All hosts are addresses of one sshd on that same machine, which takes its share of the cores.
Contenders run in turn, as whole processes, after a warm-up each; figures are medians with the lowest and the
highest. Host keys are checked by all but plain Fabric, which can't. A contender of which one host does not show
that the work was done there has failed. Plain Fabric cannot see that a file is unchanged and puts it again.

`fab run` is the command line as it is typed, from the start of Python to the last line of its report. `the engine
alone` does the same work from Python, without the command line, its report and its live table: nobody types it, but
it is what can be compared where no single task does the same as the others (a changed file and a command, an
unchanged file).

![The medians](benchmark.png)
"""


def row(words: Sequence[str]) -> str:
    return "| " + " | ".join(words) + " |"


def word(kept: bool) -> str:
    return "met" if kept else "NOT met"


def as_text(races: Mapping[str, Samples]) -> str:
    """The verdicts for a terminal."""
    rows = [[promise, value, word(kept)] for promise, value, kept in verdicts(races)]
    return text(rows) if rows else "no promise is about what was run"


def as_json(races: Mapping[str, Samples], machine: Mapping[str, object]) -> str:
    """Every single run."""
    fields = ("wall", "cpu", "memory")
    runs = {
        race: {name: [{f: round(getattr(run, f), 4) for f in fields} for run in samples[name]] for name in samples}
        for race, samples in races.items()
    }
    kept = [{"promise": promise, "measured": value, "met": met} for promise, value, met in verdicts(races)]
    return json.dumps({"machine": machine, "promises": kept, "runs": runs}, indent=1) + "\n"


def kept(text: str) -> tuple[dict[str, dict[str, list[Usage]]], dict[str, object]]:
    """The runs, and the words about the machine, from the text of `as_json`."""
    data = json.loads(text)
    races = {
        race: {name: [Usage(**run, status=0, output="") for run in runs] for name, runs in samples.items()}
        for race, samples in data["runs"].items()
    }
    return races, data["machine"]


def picture(races: Mapping[str, Samples], path: Path) -> None:
    """Bars of wall time and CPU per race, with the extremes as whiskers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(races), 2, figsize=(11, 1.7 * len(races)), layout="constrained", squeeze=False)
    for row, (race, samples) in zip(axes, races.items(), strict=True):
        for axis, field, title in zip(row, ("wall", "cpu"), ("seconds", "client CPU seconds"), strict=True):
            _bars(axis, samples, field)
            axis.set_title(f"{race}: {title}", fontsize=9, loc="left")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _bars(axis: Any, samples: Samples, field: str) -> None:
    names = [name for name in _ours_first(samples) if samples[name]]
    medians = [middle(samples[name], field) for name in names]
    low = [
        value - min(getattr(run, field) for run in samples[name]) for name, value in zip(names, medians, strict=True)
    ]
    high = [
        max(getattr(run, field) for run in samples[name]) - value for name, value in zip(names, medians, strict=True)
    ]
    colours = ["#1f77b4" if name in OURS else "#b0b7bf" for name in names]
    axis.barh(names, medians, xerr=[low, high], color=colours, error_kw={"linewidth": 0.8, "capsize": 2})
    axis.invert_yaxis()
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
