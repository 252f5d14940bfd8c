"""The root file systems that hosts are laid over: built once by mmdebstrap, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from ..errors import Problem, Say
from ..local import cache_dir, cached, only_writer
from .archive import Archive, archive_of

Base = Literal["full", "bare"]
Init = Literal["systemd", "none"]
"""The first process of a host: systemd, or a shell that starts SysV scripts."""

BUILD_SECONDS = 1800.0
BARE = ("openssh-server",)
FULL = (
    *("openssh-server", "iproute2", "nftables", "procps", "ca-certificates", "sudo", "util-linux", "curl"),
    *("build-essential", "libssl-dev", "zlib1g-dev", "libbz2-dev", "libreadline-dev", "libsqlite3-dev"),
    *("libncurses-dev", "libffi-dev", "libcurl4-openssl-dev"),
    *("libfontconfig1", "libfreetype6", "mariadb-server", "mariadb-client", "redis-server"),
)
PACKAGES: dict[Base, tuple[str, ...]] = {"full": FULL, "bare": BARE}
SYSTEMD = ("systemd", "systemd-sysv", "dbus", "libpam-systemd")
PREPARE = Path(__file__).with_name("prepare.sh")
PREPARE_SYSTEMD = PREPARE.with_name("prepare-systemd.sh")

# In namespaces of their own the build and all it mounts are gone as soon as its starter is, even
# when that is killed: a plain directory is left, which can be removed.
_CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def image(base: Base, say: Say, *, init: Init = "none", release: str = "") -> Path:
    """The root directory of a base, built where the cache has none. Never changed once it is there.

    It is of that release, without one of this machine's own.
    Waits for a build of the same base that somebody else has begun. Raises Problem when it fails.
    """
    archive = archive_of(release)
    folder = cache_dir("bases", base)
    root = folder / f"{archive.release}-{digest(base, init=init)}"
    if root.is_dir():
        return root
    with cached(folder), only_writer(folder / "lock"):
        if not root.is_dir():
            _discard_half_built(folder)
            with_systemd = " with systemd" if init == "systemd" else ""
            say(f"building the {base} base of {archive.release}{with_systemd}: once, takes a minute or two")
            _build(archive, packages(base, init), hooks(init), root)
    return root


def packages(base: Base, init: Init) -> tuple[str, ...]:
    """The packages beside Debian's smallest system."""
    return (*PACKAGES[base], *(SYSTEMD if init == "systemd" else ()))


def hooks(init: Init) -> tuple[str, ...]:
    """The scripts that make a disk of the installed system."""
    return tuple(path.read_text() for path in (PREPARE, *((PREPARE_SYSTEMD,) if init == "systemd" else ())))


def digest(base: Base, *, init: Init = "none") -> str:
    """A digest of all in which two builds of a base differ, beside the release."""
    return hashlib.sha256("\n".join((*packages(base, init), *hooks(init))).encode()).hexdigest()[:12]


def _discard_half_built(folder: Path) -> None:
    for left in folder.glob("*.partial"):
        shutil.rmtree(left)


def _build(archive: Archive, include: tuple[str, ...], scripts: tuple[str, ...], root: Path) -> None:
    partial = root.with_name(root.name + ".partial")
    log = root.with_name(root.name + ".log")
    argv = [
        *_CONTAINED,
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase"),
        f"--include={','.join(include)}",
        *(f"--aptopt={option}" for option in archive.options),
        *(f"--customize-hook={script}" for script in scripts),
        *(archive.release, str(partial), *archive.sources),
    ]
    with log.open("wb") as output:
        result = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, timeout=BUILD_SECONDS
        )
    if result.returncode != 0:
        tail = log.read_text(errors="replace")[-2000:]
        raise Problem(f"mmdebstrap could not build a base of {archive.release}; its output is in {log}", detail=tail)
    partial.chmod(0o755)
    partial.rename(root)
