"""The table of docs/reliability.md, and the record it is made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from fabfile.local import hand_over

from .once import Told

BEGIN, END = "<!-- written by ./run chaos -->\n", "<!-- end -->\n"
HEAD = "| event | runs | each page once | noticed after | last result | healthy |\n|---|---|---|---|---|---|\n"


def table(done: Iterable[Told]) -> str:
    """A row for each event, with the worst of its runs; seconds."""
    by_name: dict[str, list[Told]] = {}
    for one in done:
        by_name.setdefault(one.event, []).append(one)
    return HEAD + "".join(row(name, runs) for name, runs in by_name.items())


def row(name: str, runs: list[Told]) -> str:
    good = sum(not one.faults for one in runs)
    noticed = [one.noticed for one in runs if one.noticed is not None]
    return (
        f"| {name} | {len(runs)} | {good} of {len(runs)} | {f'{max(noticed):.0f}' if noticed else ''} "
        f"| {max(one.recovered for one in runs):.0f} | {max(one.healthy for one in runs):.0f} |\n"
    )


def save(done: list[Told], about: str, out: Path) -> None:
    """Writes the record, and the table into reliability.md where that is; other events keep their runs."""
    record, names = out / "reliability.json", {one.event for one in done}
    before = [Told(**one) for one in json.loads(record.read_text())["runs"]] if record.exists() else []
    done = [one for one in before if one.event not in names] + done
    record.write_text(json.dumps({"about": about, "runs": [asdict(one) for one in done]}, indent=1) + "\n")
    page = out / "reliability.md"
    if page.exists():
        written = f"{BEGIN}{about}\n\n{table(done)}{END}"
        text = re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: written, page.read_text(), flags=re.DOTALL)
        page.write_text(text)
    for path in (record, page):
        if path.exists():
            with path.open() as made:
                hand_over(made.fileno(), out)
