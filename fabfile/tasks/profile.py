"""`fab profile`: which lines of the scripts, and which functions, take the time of programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import plan
from ..errors import Problem, Say, WrongInput, counted, printable, reason
from ..health import mysql
from ..health.stacks import Frame, Stacks, flame, parsed, shares
from ..health.words import SECONDS
from ..inventory import Fleet, Host
from ..inventory.order import Chosen, named
from ..inventory.roles import PHANTOMJS
from ..local import made_folder, write_whole
from ..runs.engine import look
from ..runs.options import Options, whole_number
from ..runs.outcomes import Done
from ..runs.run import Run
from ..runs.target import Target, route, target
from ..sources import profiler_binary
from ..ssh.link import Link
from ..steps import sight
from ..steps.anywhere import LookAnywhere
from ..steps.base import Payload
from ..steps.profile import Dumping, Sampling, Told, packed, told

FOLDER = "profiles"
LINES = 12
"""Of each table."""
MOST_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Profiling:
    """What is wanted of the programs."""

    seconds: int = 20
    project: str = ""
    dump: bool = False


def profile(c: Any, options: Options, words: Sequence[str], asked: Profiling) -> None:
    """Look into the programs, and show what was seen. Exit status 1 where something is missing in it."""
    run = Run(target(c, options), options)
    fleet = run.target.fleet
    chosen = _chosen(fleet, named(fleet, run.target.hosts, run.target.roles, words))
    binary = packed(profiler_binary(lambda text: print(f"fab: {text}", file=sys.stderr)))
    look_into(run, chosen, binary, asked)


def look_into(run: Run, chosen: Chosen, binary: Payload, asked: Profiling) -> None:
    """Show what py-spy sees in the programs, then the recap: a host with one that it could not look into has failed.

    Raises Problem, after all is shown, where a flame graph can't be written.
    """
    fleet = run.target.fleet
    seen: dict[str, dict[str, Told]] = {}

    def one(host: Host, say: Say) -> Done | None:
        link = run.target.links[host]
        names = [program.name for program in chosen[host.name]]
        pids = _pids(link, fleet, host, names)
        say("dumping" if asked.dump else f"sampling {', '.join(pids)} for {asked.seconds} s")
        seen[host.name] = found = _looked_into(link, binary, pids, asked)
        if missed := _missed(names, found):
            raise Problem(missed)
        return None

    run.each(one, [host for host in run.target.hosts if chosen.get(host.name)], "sample")
    lost: list[Problem] = []
    run.tell("".join(f"{line}\n" for line in _report(run.target, seen, asked, lost.append)))
    run.finish()
    if lost:
        raise lost[0]


def seconds_of(text: str) -> int:
    """The value of --seconds. Raises WrongInput."""
    seconds = whole_number("--seconds", text, 1)
    if seconds > MOST_SECONDS:
        raise WrongInput(f"--seconds {text}: give at most {MOST_SECONDS}")
    return seconds


def _chosen(fleet: Fleet, every: Chosen) -> Chosen:
    """The programs that are Python. Raises WrongInput where none is left."""
    left = {host: [one for one in programs if one.role != PHANTOMJS.name] for host, programs in every.items()}
    if not any(left.values()):
        raise WrongInput(f"{fleet.file}: PhantomJS is no Python program; a profile is of the others")
    return left


def _pids(link: Link, fleet: Fleet, host: Host, names: Sequence[str]) -> dict[str, int]:
    """The processes of the programs. Raises Problem where none runs."""
    found = sight.parsed(*look(link, [LookAnywhere(plan.place(fleet), plan.questions(fleet, host))], keep_open=True))
    there = {one.name: one.pid for one in found.programs if one.name in names and one.pid} if found else {}
    if not there:
        link.rest()
        raise Problem(f"none of {', '.join(names)} runs; `fab status` tells why")
    return there


def _looked_into(link: Link, binary: Payload, pids: Mapping[str, int], asked: Profiling) -> dict[str, Told]:
    numbers = tuple(pids.values())
    wanted = Dumping(binary, numbers) if asked.dump else Sampling(binary, numbers, asked.seconds)
    (found,) = look(link, [wanted])
    answers = told(found, numbers)
    return {name: answers[pid] for name, pid in pids.items()}


def _missed(names: Sequence[str], found: Mapping[str, Told]) -> str:
    """The programs into which nothing has looked, and why; empty where there are none."""
    refused = ", ".join(name for name, one in found.items() if not one.ok)
    stopped = ", ".join(name for name in names if name not in found)
    parts = (
        f"py-spy could not look into {refused}: its own words are above" if refused else "",
        f"not running: {stopped}; `fab status` tells why" if stopped else "",
    )
    return "; ".join(filter(None, parts))


def _report(
    chosen: Target,
    seen: Mapping[str, Mapping[str, Told]],
    asked: Profiling,
    on_lost: Callable[[Problem], None],
) -> Iterator[str]:
    """The lines about all programs; `on_lost` is told of each flame graph that can't be written."""
    folder = chosen.fleet.path.parent / FOLDER
    scripts = _Scripts(chosen)
    for host in chosen.hosts:
        for name, one in seen.get(host.name, {}).items():
            yield f"\n{host.name} {name}"
            if not one.ok or asked.dump:
                yield from (f"  {printable(line)}" for line in one.text.splitlines())
            else:
                stacks = parsed(one.text)
                stacks = stacks.of_project(asked.project) if asked.project else stacks
                yield from _profile(stacks, asked, scripts)
                if stacks.total:
                    yield f"  {_graph(folder, host.name, name, stacks, on_lost)}"


def _profile(stacks: Stacks, asked: Profiling, scripts: _Scripts) -> Iterator[str]:
    of = f" of project {asked.project}" if asked.project else ""
    busy = f"{stacks.total / asked.seconds:.0f} % of a core" if asked.seconds else ""
    yield f"  {counted(stacks.total, 'sample')} at work{of} in {asked.seconds} s: about {busy}"
    if not stacks.total:
        yield "  it had nothing to do, or waited"
        return
    if lines := stacks.lines():
        yield "  lines of scripts, with all that they call:"
        for share, frame in shares(lines[:LINES], stacks.total):
            yield f"  {share:>8}  {frame}  {scripts.line(frame)}"
    yield "  functions at work themselves:"
    yield from (f"  {share:>8}  {function}" for share, function in shares(stacks.functions()[:LINES], stacks.total))


def _graph(folder: Path, host: str, name: str, stacks: Stacks, on_lost: Callable[[Problem], None]) -> str:
    try:
        return f"flame graph: {_kept(folder, host, name, stacks)}"
    except Problem as error:
        on_lost(error)
        return str(error)


def _kept(folder: Path, host: str, name: str, stacks: Stacks) -> Path:
    """The file with the flame graph, made now. Raises Problem."""
    when = time.strftime("%Y-%m-%d-%H%M%S")
    path = folder / f"{host.replace('/', '_')}-{name.replace('/', '_')}-{when}.svg"
    try:
        made_folder(folder)
        write_whole(path, flame(stacks, f"{host} {name}, {when}"))
    except OSError as error:
        raise Problem(f"{path}: the flame graph can't be written: {reason(error)}") from error
    return path


class _Scripts:
    """The lines of the projects' scripts, from MySQL; empty where it does not tell."""

    def __init__(self, chosen: Target) -> None:
        self._chosen = chosen
        self._known: dict[str, Sequence[str]] = {}

    def line(self, frame: Frame) -> str:
        """The text of a frame's line."""
        if frame.project not in self._known:
            self._known[frame.project] = self._script(frame.project)
        lines = self._known[frame.project]
        return printable(lines[frame.line - 1].strip()) if 0 < frame.line <= len(lines) else ""

    def _script(self, project: str) -> Sequence[str]:
        where = self._chosen.fleet.stores.mysql
        opener = route(self._chosen, list(self._chosen.hosts), self._chosen.fleet.mysql_address(), where.port)
        query = f"SELECT script FROM {mysql.table(where.databases.projectdb, 'projectdb')} WHERE name = %s"
        try:
            with mysql.connected(opener, where.user, where.password.reveal(), SECONDS, where.tls) as connection:
                found = mysql.rows(connection, query, (project,), missing_ok=True)
        except Problem:
            return ()
        script = found[0][0] if found else b""
        return (script.decode(errors="replace") if isinstance(script, bytes) else str(script)).splitlines()
