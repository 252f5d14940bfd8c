"""The needs of hosts that run systemd: a cgroup each on this machine, and room in one limit of its kernel."""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import Problem, Say
from .processes import POLL_SECONDS, Belongs

MOUNTS = Path("/proc/mounts")
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 2048
"""inotify instances of one user: a host takes about ten, and all hosts have the same root."""


def hierarchy(mounts: str) -> Path | None:
    """Where cgroup v2 is mounted, from the text of /proc/mounts; None where it is not."""
    fields = (line.split() for line in mounts.splitlines())
    return next((Path(words[1]) for words in fields if words[2] == "cgroup2"), None)


def make_room(say: Say) -> None:
    """Raise the kernel's limit of inotify instances, until the next boot, where it is too low for many hosts.

    Without it systemd hangs at its boot from about the twelfth host on. Raises Problem where it can't be set.
    """
    limit = int(INSTANCES.read_text())
    if limit >= ENOUGH:
        return
    try:
        INSTANCES.write_text(f"{ENOUGH}\n")
    except OSError as error:
        raise Problem(
            f"fs.inotify.max_user_instances of this machine is {limit}, too low for hosts with systemd, and can't be "
            f"set ({error.strerror}): sysctl -w fs.inotify.max_user_instances={ENOUGH}, or use --init none"
        ) from error
    say(f"fs.inotify.max_user_instances of this machine is {ENOUGH} now (was {limit}), until its next boot")


def cgroup(name: str) -> Path | None:
    """The place of a host's cgroup, made or not; None on a machine without cgroup v2."""
    root = hierarchy(MOUNTS.read_text())
    return root / name if root else None


def make(name: str) -> Path:
    """The cgroup of a host, without the rest of an earlier host. Raises Problem where none can be made."""
    folder = cgroup(name)
    try:
        if folder is None:
            raise OSError("no cgroup2 in /proc/mounts")
        remove(folder)
        folder.mkdir()
    except OSError as error:
        why = error.strerror or error
        raise Problem(
            f"a host with systemd needs a cgroup v2 hierarchy that can be written, and this machine has none ({why}): "
            "use --init none"
        ) from error
    return folder


def remove(folder: Path, limit: float = 10.0) -> None:
    """Remove a cgroup and those below it, none of which has a living process; nothing there is fine."""
    deadline = time.monotonic() + limit
    for one in sorted((folder, *folder.rglob("*/")), key=lambda path: len(path.parts), reverse=True):
        while one.is_dir():
            try:
                one.rmdir()
            except OSError as error:
                # A process counts until it is reaped.
                if time.monotonic() > deadline:
                    raise Problem(f"{one} of the sandbox cannot be removed: {error.strerror}") from error
                time.sleep(POLL_SECONDS)


def remove_all(prefix: str) -> None:
    """Remove the cgroups whose names begin so."""
    root = hierarchy(MOUNTS.read_text())
    for folder in root.glob(f"{prefix}*/") if root else ():
        remove(folder)


def in_cgroup(name: str) -> Belongs:
    """Whether a process lives in the cgroup of a host, or below it."""

    def belongs(pid: int) -> bool:
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("0::") and name in line.split("/") for line in lines)

    return belongs
