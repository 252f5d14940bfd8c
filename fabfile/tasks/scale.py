"""`fab scale`: another number of programs, first in hosts.toml, then on the hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..inventory import Fleet, edit, load
from ..inventory.scale import Counts, placed, wanted
from ..runs.options import Options, words
from ..runs.run import Run
from ..runs.target import Target
from . import deploy


def scale(c: Any, options: Options, given: Sequence[str]) -> None:
    """Write the numbers into hosts.toml, then deploy the hosts whose numbers they are.

    Raises WrongInput, with nothing written, also where hosts.toml would have a fault with them.
    """
    fleet = load()
    counts = _counts(c, fleet, options, wanted(given))
    before = edit.read(fleet.path)
    after, text = edit.edited(fleet, before, *_edits(counts))
    # The chosen hosts are deployed as a whole: one that loses its last program of a role has that role no more.
    run = Run(_target(c, fleet, after, counts), replace(options, role="", limit="", exclude=""))
    with run.locked():
        run.tell(edit.diff(fleet.path, before, text))
        if text != before and not run.dry:
            edit.write(fleet.path, before, text)
        deploy.converge(run, reload=False)
    run.finish()


def _edits(counts: Counts) -> list[edit.Edit]:
    return [edit.with_count(host, role, number) for role, own in counts.items() for host, number in own.items()]


def _counts(c: Any, fleet: Fleet, options: Options, numbers: dict[str, int]) -> Counts:
    names = tuple(c.config["chosen"])
    hosts = fleet.select(names, words(options.role), words(options.limit), words(options.exclude))
    return placed(fleet, numbers, hosts, by_name=bool(names))


def _target(c: Any, read: Fleet, fleet: Fleet, counts: Counts) -> Target:
    hosts = tuple(host for host in fleet.hosts if any(host.name in numbers for numbers in counts.values()))
    links = c.config["links"].prepare(c.config, fleet, hosts)
    links.refuse_logins(fleet, hosts)
    return Target(fleet, hosts, (), links, c.config, read=read)
