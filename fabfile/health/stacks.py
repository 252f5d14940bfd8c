"""Sampled stacks -> which lines and functions take the time, and a flame graph. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from xml.sax.saxutils import escape

from ..errors import printable

Named = TypeVar("Named")
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*?)(?::(?P<line>\d+))?\)$")
DEEPEST = 200
"""Calls of a stack; those of a script that calls itself without end are cut."""
_SCRIPT = re.compile(r"<(?P<project>[^<>]+)>$")
"""The file name under which pyspider compiles a project's script (processor/project_module.py)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A call on a stack."""

    function: str
    file: str
    line: int = 0

    @property
    def project(self) -> str:
        """The project whose script it is in; empty for all other code."""
        found = _SCRIPT.match(self.file)
        return found["project"] if found and self.file not in ("<string>", "<stdin>") else ""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


@dataclass
class Stacks:
    """The stacks of one process, and how often each was seen."""

    counts: Mapping[tuple[Frame, ...], int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def of_project(self, name: str) -> Stacks:
        """Those in which the project's script runs."""
        own = {stack: n for stack, n in self.counts.items() if any(frame.project == name for frame in stack)}
        return Stacks(own)

    def lines(self) -> list[tuple[Frame, int]]:
        """The lines of scripts by the samples in which they, or what they call, run; the most frequent first."""
        found: Counter[Frame] = Counter()
        for stack, count in self.counts.items():
            for frame in {one for one in stack if one.project}:
                found[frame] += count
        return found.most_common()

    def functions(self) -> list[tuple[str, int]]:
        """The functions that were at work themselves, as `function (file)`; the most frequent first."""
        found: Counter[str] = Counter()
        for stack, count in self.counts.items():
            found[f"{stack[-1].function} ({stack[-1].file})"] += count
        return found.most_common()


def parsed(text: str) -> Stacks:
    """The stacks in py-spy's raw format: `frame;frame;… count` lines; lines of another form are left out."""
    counts: Counter[tuple[Frame, ...]] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        if count.isdigit() and frames:
            counts[tuple(map(_frame, frames.split(";")[:DEEPEST]))] += int(count)
    return Stacks(counts)


def _frame(text: str) -> Frame:
    found = _FRAME.match(printable(text))
    return Frame(found["function"], found["file"], int(found["line"] or 0)) if found else Frame(printable(text), "")


WIDTH, ROW, LEAST = 1200.0, 17, 0.4
"""Pixels: of the picture, of a row, and of the narrowest box that is drawn."""
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
    'font-family="monospace" font-size="11">\n<title>{title}</title>\n'
    '<rect width="100%" height="100%" fill="#ffffff"/>\n<text x="4" y="13" font-weight="bold">{title}</text>\n'
)


def flame(stacks: Stacks, title: str) -> str:
    """A flame graph as SVG: each box is a call, as wide as its share, below those that it makes. It runs no script."""
    root = _tree(stacks)
    depth = _depth(root)
    height = (depth + 2) * ROW
    boxes = "".join(_boxes(root, 0.0, WIDTH / max(1, stacks.total), 1, stacks.total))
    return _HEAD.format(width=WIDTH, height=height, title=escape(printable(title))) + boxes + "</svg>\n"


@dataclass
class _Node:
    count: int = 0
    calls: dict[Frame, _Node] = field(default_factory=dict)


def _tree(stacks: Stacks) -> _Node:
    root = _Node(stacks.total)
    for stack, count in stacks.counts.items():
        node = root
        for frame in stack:
            node = node.calls.setdefault(frame, _Node())
            node.count += count
    return root


def _depth(node: _Node) -> int:
    return 1 + max(map(_depth, node.calls.values()), default=0)


def _boxes(node: _Node, left: float, scale: float, row: int, total: int) -> Iterator[str]:
    for frame, call in sorted(node.calls.items(), key=lambda pair: str(pair[0])):
        width = call.count * scale
        if width >= LEAST:
            yield _box(frame, left, width, row, f"{100 * call.count / total:.1f} %")
            yield from _boxes(call, left, scale, row + 1, total)
        left += width


def _box(frame: Frame, left: float, width: float, row: int, share: str) -> str:
    colour = "#e8a33d" if frame.project else "#9db8d9"
    letters = int((width - 4) / 6.7)
    name = str(frame)
    label = name if len(name) <= letters else name[: max(0, letters - 1)] + "…" if letters > 3 else ""
    text = f'<text x="{left + 2:.1f}" y="{row * ROW + 12}">{escape(label)}</text>' if label else ""
    return (
        f'<g><title>{escape(f"{name}: {share}")}</title><rect x="{left:.1f}" y="{row * ROW}" width="{width:.1f}" '
        f'height="{ROW - 1}" fill="{colour}"/>{text}</g>\n'
    )


def shares(found: Sequence[tuple[Named, int]], total: int) -> Iterable[tuple[str, Named]]:
    """The same with each number as a share, `12.3 %`."""
    return ((f"{100 * count / total:.1f} %" if total else "-", one) for one, count in found)
