"""Files under their sha256 in the project's cache, obtained from the first source that has the right bytes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from ..errors import Problem, Say
from ..local import cache_dir, cached, put_whole

READ_TIMEOUT = 30.0
DOWNLOAD_LIMIT = 900.0
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """One place to get a file from; `fetch` may write into the folder it is given, and raises Problem with a reason."""

    label: str
    fetch: Callable[[Path], Path]
    takes_time: bool = True
    """Whether the operator wants to know that it is tried."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_path(name: str, sha256: str) -> Path:
    """Where the file with this hash is kept, whether or not it is there."""
    return cache_dir("files") / sha256 / name


def obtain(name: str, sha256: str, sources: Sequence[Source], say: Say) -> Path:
    """The file `name` with exactly this hash, in the cache.

    Raises Problem naming every source and why it failed, NoCache where there is no place to fetch it to.
    """
    target, folder = kept_path(name, sha256), cache_dir("files")
    reasons = []
    for source in sources:
        with cached(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".fetch.") as scratch:
            try:
                if source.takes_time:
                    say(f"{name}: fetching from {source.label}")
                return _keep(_verified(source.fetch(Path(scratch)), sha256), target)
            except (Problem, OSError) as error:
                reasons.append(f"{source.label}: {error}")
                if source.takes_time:
                    say(f"{name}: {reasons[-1]}")
    raise Problem(f"{name}: no source has it: {'; '.join(reasons) or 'none is named'}")


def _verified(path: Path, sha256: str) -> Path:
    if (found := sha256_of(path)) != sha256:
        raise Problem(f"its sha256 is {found}, wanted is {sha256}")
    return path


def _keep(path: Path, target: Path) -> Path:
    if path == target:
        return target
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with put_whole(target) as fresh:
        shutil.copyfile(path, fresh)
    return target


def from_cache(name: str, sha256: str) -> Source:
    """The file that an earlier run kept."""

    def fetch(_scratch: Path) -> Path:
        if not (path := kept_path(name, sha256)).is_file():
            raise Problem("not there yet")
        return path

    return Source("cache", fetch, takes_time=False)


def from_path(text: str, base: Path) -> Source:
    """A file on this machine; a relative path is relative to `base`."""

    def fetch(_scratch: Path) -> Path:
        path = base / Path(text).expanduser()
        if not path.is_file():
            raise Problem(f"{path} is not a file")
        return path

    return Source(text, fetch)


def from_url(url: str) -> Source:
    """A file on a web server."""
    return Source(url, lambda scratch: _download(url, scratch / "download"))


def _download(url: str, target: Path) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=READ_TIMEOUT) as answer, target.open("wb") as file:  # noqa: S310  is_url
            _copy(answer, file)
    except (HTTPException, ValueError) as error:
        raise Problem(f"{type(error).__name__}: {error}") from error
    return target


def _copy(answer: IO[bytes], file: IO[bytes]) -> None:
    deadline = time.monotonic() + DOWNLOAD_LIMIT
    while chunk := answer.read(CHUNK):
        file.write(chunk)
        if time.monotonic() > deadline:
            raise Problem(f"not complete after {DOWNLOAD_LIMIT:.0f} s")


def is_url(text: str) -> bool:
    """Whether a source's text is a web address; anything else that is no keyword is a path."""
    return text.startswith(("http://", "https://"))
