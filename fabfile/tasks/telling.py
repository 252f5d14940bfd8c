"""What `fab logs` asks of each host, and how it prints what they tell."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import plan
from ..errors import Problem
from ..inventory import Fleet
from ..logs.records import Hearing, Place, Record, as_data
from ..logs.show import Page, text
from ..ssh.link import SSHLink
from ..ssh.protocol import Event, stream
from ..steps.anywhere import by_any_python
from ..steps.base import Probe

RECORDS = 100
"""How many are shown where nothing says how many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The records that are wanted, as the flags say."""

    words: tuple[str, ...] = ()
    """Programs, or roles; none stand for all."""
    since: float | None = None
    """By the clock of this machine."""
    count: int | None = RECORDS
    grep: str = ""
    errors: bool = False
    follow: bool = False
    json: bool = False
    each: bool = False
    """Whether every error is told, also those that are equal."""

    @property
    def groups(self) -> bool:
        """Whether equal errors are told once."""
        return self.errors and not (self.follow or self.each)


def question(fleet: Fleet, wanted: Wanted, programs: Sequence[str], places: dict[str, Place] | None = None) -> Probe:
    """The question to one host; with `places`, it goes on from there."""
    age = None if wanted.since is None else max(0.0, time.time() - wanted.since)
    own = {"programs": list(programs), "age": age, "count": wanted.count, "grep": wanted.grep}
    how = {"errors": wanted.errors, "groups": wanted.groups, "follow": wanted.follow, "places": places}
    where = plan.place(fleet)
    return by_any_python(where, "logs", where.options(**own, **how), math.inf)


def hear(link: SSHLink, probe: Probe, hearing: Hearing) -> None:
    """Have a host tell its records, until it has told all; one that is followed tells for ever. Raises Problem."""
    link.open()

    def on_event(event: Event) -> None:
        if event.kind == "line":
            hearing.take(event.text)

    hearing.begins()
    answer = link.exchange(stream(probe), on_event)[0]
    if answer.status != 0:
        said = "; ".join(hearing.said) or f"exit status {answer.status}"
        raise Problem(f"{hearing.host}: its logs can't be read: {said}")


def within(records: Sequence[Record], wanted: Wanted) -> Sequence[Record]:
    """Those of the records that are young enough, and the last so many of them; all are in their order."""
    young = [one for one in records if wanted.since is None or one.when >= wanted.since]
    return young if wanted.count is None else young[-wanted.count :]


def printer(wanted: Wanted) -> Callable[[Sequence[Record]], None]:
    """The function that prints records."""
    page = Page(coloured())

    def tell(records: Sequence[Record]) -> None:
        if not records:
            return
        if wanted.json:
            sys.stdout.write(text(json.dumps(as_data(one)) for one in records))
        else:
            sys.stdout.write(text(line for one in records for line in page.lines(one)))
        sys.stdout.flush()

    return tell


def coloured() -> bool:
    """Whether the reader sees colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
