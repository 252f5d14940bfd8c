"""The finished runtimes that this machine keeps: each with the digests that its build told, checked at every use.

Hosts of other clusters run them as root later: a packed runtime without its digests is never used.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import Problem
from ..local import cache_dir, cached, only_writer, write_whole
from .kept import sha256_of

_RECORD = re.compile(r"([0-9a-f]{64})  \S+\n([0-9a-f]{64})  \S+\n")


@dataclass(frozen=True, slots=True)
class KeptRuntime:
    """The runtime `id` as the host that built it told of it at the end of the build."""

    id: str
    sha256: str
    """Of the packed runtime."""
    manifest: str
    """The sha256 of the list of its files, which holds theirs."""


def kept_runtimes() -> tuple[KeptRuntime, ...]:
    """The runtimes whose digests this machine knows, by id. Raises NoCache."""
    folder = _folder()
    with cached(folder):
        records = [(path.stem, _RECORD.fullmatch(path.read_text())) for path in folder.glob("*.sha256")]
    return tuple(sorted((KeptRuntime(name, *one.groups()) for name, one in records if one), key=lambda one: one.id))


def packed_runtime(runtime_id: str) -> tuple[Path, KeptRuntime] | None:
    """The packed runtime with its digests; None where there is none. Raises Problem where it is not what was built."""
    archive = _archive(runtime_id)
    if not archive.is_file():
        return None
    known = next((one for one in kept_runtimes() if one.id == runtime_id), None)
    if known is None:
        raise Problem(f"{archive}: an older version kept it without a digest, and it is not used")
    with cached(archive):
        found = sha256_of(archive)
    if found != known.sha256:
        raise Problem(f"{archive}: its bytes are not those that were built, and it is not used")
    return archive, known


def try_to_keep(megabytes: int) -> None:
    """Raises NoCache where no packed runtime of this size could be kept. Nothing is left of the trial."""
    folder = _folder()
    with cached(folder), tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
        file.flush()
        # A quota, and a disk over the network, tell only now that there is no room.
        os.fsync(file.fileno())


def keep_runtime(built: KeptRuntime, fetch: Callable[[BinaryIO], None]) -> Path:
    """The packed runtime that `fetch` writes, kept. Raises Problem where it is not what the build told of, NoCache."""
    target = _archive(built.id)
    with cached(target), tempfile.TemporaryDirectory(dir=_folder(), prefix=".fetch.") as scratch:
        came = Path(scratch) / target.name
        came.touch(0o600)
        with came.open("wb") as stream:
            fetch(stream)
        if (found := sha256_of(came)) != built.sha256:
            raise Problem(
                f"the packed Python that came has the sha256 {found}, but its build told {built.sha256}: it was changed"
                " in between, and is thrown away; see by whom, or build on another host first (fab -H NAME bootstrap)"
            )
        with only_writer(_folder() / ".lock"):
            came.replace(target)
            write_whole(_record(built.id), f"{built.sha256}  {target.name}\n{built.manifest}  {built.id}/.manifest\n")
    return target


def _folder() -> Path:
    return cache_dir("runtimes")


def _archive(runtime_id: str) -> Path:
    return _folder() / f"{runtime_id}.tar.gz"


def _record(runtime_id: str) -> Path:
    return _folder() / f"{runtime_id}.sha256"
