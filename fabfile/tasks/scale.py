"""`fab scale`: another number of programs, first in hosts.toml, then on the hosts."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Problem, WrongInput, reason
from ..inventory import Fleet, load
from ..inventory.scale import Counts, placed, scaled, wanted
from ..local import is_root, write_whole
from ..runs.options import Options
from ..runs.run import Run
from ..runs.target import Target, words
from . import deploy


def scale(c: Any, options: Options, given: Sequence[str]) -> None:
    """Write the numbers into hosts.toml, then deploy the hosts whose numbers they are.

    Raises WrongInput, with nothing written, also where hosts.toml would have a fault with them.
    """
    before = load()
    text = _text(before.path)
    counts = _counts(c, before, options, wanted(given))
    made = scaled(text, counts)
    after = load(before.path, made)
    # The chosen hosts are deployed as a whole: one that loses its last program of a role has that role no more.
    run = Run(_target(c, after, counts), replace(options, role="", limit="", exclude=""))
    with run.locked():
        if made != text:
            _show(before.path, text, made, run)
        if made != text and not run.dry:
            _write(before.path, text, made)
        deploy.converge(run, reload=False)
    run.finish()


def _counts(c: Any, fleet: Fleet, options: Options, numbers: dict[str, int]) -> Counts:
    names = tuple(c.config["chosen"])
    hosts = fleet.select(names, words(options.role), words(options.limit), words(options.exclude))
    return placed(fleet, numbers, hosts, by_name=bool(names))


def _target(c: Any, fleet: Fleet, counts: Counts) -> Target:
    hosts = tuple(host for host in fleet.hosts if any(host.name in numbers for numbers in counts.values()))
    links = c.config["links"].prepare(c.config, fleet, hosts)
    links.refuse_keys(fleet, hosts)
    return Target(fleet, hosts, (), links, c.config)


def _text(path: Path) -> str:
    """The file as it stands, with its own line ends."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path}: can't be read: {reason(error)}") from error


def _show(path: Path, text: str, made: str, run: Run) -> None:
    # With --json, stdout is one object.
    stream = sys.stderr if run.options.json else sys.stdout
    names = (str(path), f"{path} (scaled)")
    lines = difflib.unified_diff(text.splitlines(), made.splitlines(), *names, n=1, lineterm="")
    print("\n".join(lines), file=stream, flush=True)


def _write(path: Path, text: str, made: str) -> None:
    """Put the new text in place; the file keeps its owner and its mode. Raises Problem where it has changed."""
    real = path.resolve()
    if _text(real) != text:
        raise Problem(f"{path} was changed by somebody else meanwhile; nothing was written, run it again")
    try:
        was = real.stat()
        write_whole(real, made, stat.S_IMODE(was.st_mode))
        if is_root():
            os.chown(real, was.st_uid, was.st_gid, follow_symlinks=False)
    except OSError as error:
        raise Problem(f"{path}: can't be written: {reason(error)}; nothing was changed on any host") from error
