"""The pinned packages of the runtime, fetched through pip as it is configured on this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from ..errors import Problem, Say
from ..local import cache_dir, cached, only_writer, put_whole

BACKEND = Path(__file__).parent / "backend"
LOCK_NAME = "requirements.txt"
"""The lock's name inside a wheelhouse."""
LIMIT = 1800.0
TARGET = (
    *("--python-version", "2.7", "--implementation", "cp", "--abi", "cp27mu"),
    *("--platform", "manylinux1_x86_64", "--platform", "manylinux2010_x86_64", "--platform", "manylinux2014_x86_64"),
)


def lock_digest(pins: Path) -> str:
    """The sha256 of a lock's requirements; comments and order don't count."""
    lines = (line.strip() for line in pins.read_text().splitlines())
    asked = sorted(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def wheelhouse(pins: Path, say: Say) -> Path:
    """One uncompressed tar with exactly the files of the lock `pins` and the lock itself, to be sent to a host.

    Raises Problem.
    """
    target = cache_dir("wheelhouses") / f"{lock_digest(pins)[:16]}.tar"
    with cached(target), only_writer(target.parent / ".lock"):
        if not target.is_file():
            with put_whole(target) as fresh:
                folder = fresh.with_name("files")
                download(pins, folder, say)
                (folder / LOCK_NAME).write_bytes(pins.read_bytes())
                _tar(folder, fresh)
    return target


def _tar(folder: Path, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)


def download(pins: Path, folder: Path, say: Say) -> None:
    """Fetch every file of a lock into `folder`, checked by hash. Raises Problem with pip's own words."""
    say(f"fetching the packages of {pins.name} through pip")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        # Metadata of source packages comes from BACKEND, which only copies the package's own:
        # the setup.py of a package for Python 2 can't run here, and should not.
        *("--no-deps", "--no-build-isolation", "--use-pep517"),
        *("--require-hashes", "-r", str(pins), "-d", str(folder), *TARGET),
    ]
    # Constraints of this machine are about its own environments, and would refuse these old versions.
    # Where root is at work in a user's checkout, it leaves no bytecode of BACKEND there.
    environment = dict(os.environ, PYTHONPATH=str(BACKEND), PYTHONDONTWRITEBYTECODE="1", PIP_CONSTRAINT=os.devnull)
    try:
        done = subprocess.run(command, env=environment, timeout=LIMIT, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired as error:
        raise Problem(f"{pins.name}: pip takes longer than {LIMIT:.0f} s") from error
    if done.returncode != 0:
        raise Problem(f"{pins.name}: pip can't fetch it: {_cause(done.stderr)}", detail=done.stderr)


def _cause(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it gives no reason"])[-1].removeprefix("ERROR: ")
