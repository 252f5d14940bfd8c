"""The live view as lines of text for a terminal of any size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..errors import printable
from ..health.host import RESTS, RUNNING, HostStatus
from ..inventory.roles import PROGRAMS, QUEUES
from .changes import span
from .history import History
from .selection import Order, Selection

BARS = " ▁▂▃▄▅▆▇█"
BAR, TREND = 16, 24
"""Characters of a queue's bar, and of its trend."""
PROBLEMS, PROJECTS, EVENTS = 5, 6, 5
"""The most lines of each."""
LEAST_PROGRAMS = 4
STATES = {RUNNING: "green", RESTS: "yellow"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of programs, with what it is ordered by."""

    host: str
    name: str
    state: str
    uptime: float | None = None
    cpu: float | None = None
    memory: int | None = None
    rate: float | None = None

    def measure(self, order: Order) -> float:
        """What the row is ordered by; below 0 where it is not known."""
        value = {"cpu": self.cpu, "memory": self.memory, "messages": self.rate}.get(order)
        return -1.0 if value is None else value

    def has(self, words: str) -> bool:
        return words.lower() in f"{self.host} {self.name} {self.state}".lower()


def lines(history: History, choice: Selection, size: tuple[int, int], note: str, now: float) -> list[Text]:
    """The whole screen of (columns, rows). `note` tells of the look itself, `now` is seconds since 1970."""
    columns, rows = size
    if history.view is None:
        return [Text(note), Text(), Text(choice.said, "dim")]
    above = [*_head(history, note, columns), *_queues(history), *_projects(history)]
    below = [*_events(history, now), Text(choice.said, "dim")]
    room = max(LEAST_PROGRAMS, rows - len(above) - len(below) - 1)
    table = _programs(history, choice, room)
    return [_cut(line, columns) for line in [*above, *table, *below][:rows]]


def _head(history: History, note: str, columns: int) -> Iterator[Text]:
    view = history.view
    assert view
    problems = view.problems()
    title = Text(f"{view.fleet.cluster.name}: {view.verdict()}", "bold red" if problems else "bold green")
    yield _aside(title, note, columns)
    for text in problems[:PROBLEMS]:
        yield Text(f"! {printable(text)}", "red")
    if len(problems) > PROBLEMS:
        yield Text(f"! and {len(problems) - PROBLEMS} more", "red")
    rates = history.by_role()
    told = [f"{role.name} {rates[role.name]:.1f}" for role in PROGRAMS if role.name in rates]
    if told:
        results = history.results()
        yield Text(f"messages a second: {', '.join(told)}" + (f"; results a minute: {results:.0f}" if results else ""))
    yield Text()


def _queues(history: History) -> Iterator[Text]:
    trends = {name: history.queue(name) for name in QUEUES}
    most = max((max(sizes) for sizes in trends.values() if sizes), default=0)
    for name, sizes in trends.items():
        if sizes:
            bar = "█" * round(BAR * sizes[-1] / most) if most else ""
            line = Text(f"{name:<18} {sizes[-1]:>7} ")
            line.append(f"{bar:<{BAR}} ", "cyan").append(trend(sizes, most), "dim")
            yield line
    if any(trends.values()):
        yield Text()


def trend(sizes: Sequence[int], most: int) -> str:
    """The last sizes as a line of small bars; `most` is as high as a line."""
    step = most / (len(BARS) - 1) if most else 1
    return "".join(BARS[min(len(BARS) - 1, -int(-size // step))] for size in sizes[-TREND:])


def _projects(history: History) -> Iterator[Text]:
    found = history.projects()
    if not found:
        return
    yield Text(f"{'PROJECT':<24} {'PAGES/S':>8} {'ACTIVE':>9} {'DONE':>9} {'FAILED':>8}", "bold")
    for one in found[:PROJECTS]:
        rate = "-" if one.rate is None else f"{one.rate:.1f}"
        yield Text(f"{_fit(one.name, 24)} {rate:>8} {one.active:>9} {one.success:>9} {one.failed:>8}")
    if len(found) > PROJECTS:
        yield Text(f"and {len(found) - PROJECTS} more", "dim")
    yield Text()


def _events(history: History, now: float) -> Iterator[Text]:
    recent = list(history.events)[-EVENTS:]
    if recent:
        yield Text()
    for one in reversed(recent):
        yield Text(f"{span(max(0.0, now - one.at)):>7} ago  {printable(one.text)}", "green" if one.good else "yellow")


def _programs(history: History, choice: Selection, room: int) -> list[Text]:
    """The head of the table, and as many rows as there is room for."""
    rows = chosen(history, choice)
    shown = choice.within(len(rows), room - 2)
    part = rows[shown.first : shown.first + room - 2]
    width = max([8, *(cell_len(one.host) for one in part)])
    names = f"{'HOST':<{width}} {'PROGRAM':<16} {'STATE':<19}"
    table = [Text(f"{names} {'UP':>9} {'CPU %':>6} {'MEMORY':>8} {'MSG/S':>7}", "bold")]
    table += [_line(one, width, number == 0 or part[number - 1].host != one.host) for number, one in enumerate(part)]
    left = len(rows) - len(part)
    if left:
        table.append(Text(f"lines {shown.first + 1} to {shown.first + len(part)} of {len(rows)}", "dim"))
    return table


def chosen(history: History, choice: Selection) -> list[Row]:
    """The rows that the filter lets through, in the chosen order; those of which nothing is known come last."""
    rows = [one for one in _rows(history) if one.has(choice.words)]
    if choice.order == "host":
        return rows
    programs = [one for one in rows if one.name]
    if choice.order == "state":
        return sorted(programs, key=lambda one: (one.state == RUNNING, one.state))
    return sorted(programs, key=lambda one: -one.measure(choice.order))


def _rows(history: History) -> Iterator[Row]:
    """The programs host by host; by the order of hosts each has a line of its own above them."""
    busy, cpu, rates = history.busy(), history.cpu(), history.done()
    for host in history.view.hosts if history.view else ():
        name = host.host.name
        yield _host_row(host, busy.get(name))
        for one in host.programs:
            key = f"{name}/{one.name}"
            memory = one.spent.memory if one.spent else None
            yield Row(name, one.name, host.said(one), one.uptime_s, cpu.get(key), memory, rates.get(key))


def _host_row(host: HostStatus, busy: float | None) -> Row:
    used = host.sight.spent if host.sight else None
    if not host.reachable or not used:
        return Row(host.host.name, "", "unreachable" if not host.reachable else "not seen")
    room = used.memory
    fullest = max((1 - one.free / one.bytes for one in used.disks if one.bytes), default=0.0)
    memory = room.bytes - room.free if room else None
    return Row(host.host.name, "", f"disk {100 * fullest:.0f} % full", None, busy, memory)


def _line(row: Row, width: int, first: bool) -> Text:
    host = _fit(row.host if first else "", width)
    line = Text(f"{host} {_fit(printable(row.name), 16)} ")
    whole = not row.name and row.state.startswith("disk")
    line.append(_fit(row.state, 19), "dim" if whole else STATES.get(row.state, "bold red"))
    cpu = "-" if row.cpu is None else f"{100 * row.cpu:.0f}"
    rate = "-" if row.rate is None else f"{row.rate:.1f}"
    line.append(f" {_up(row.uptime):>9} {cpu:>6} {_size(row.memory):>8} {rate:>7}")
    return line


def _up(seconds: float | None) -> str:
    return "-" if seconds is None else span(seconds)


def _size(number: int | None) -> str:
    if number is None:
        return "-"
    return f"{number / 2**30:.1f} G" if number >= 2**30 else f"{number / 2**20:.0f} M"


def _fit(text: str, width: int) -> str:
    """The text in so many columns; one that is longer ends with a dot."""
    text = printable(text)
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _aside(title: Text, note: str, columns: int) -> Text:
    """The title, and at the right a note where there is room."""
    gap = columns - cell_len(title.plain) - len(note)
    return title.append(" " * gap + note, "dim") if gap > 1 else title


def _cut(line: Text, columns: int) -> Text:
    line.truncate(columns, overflow="ellipsis")
    return line


def clock(now: float) -> str:
    """The time of day here."""
    return time.strftime("%H:%M:%S", time.localtime(now))
