"""Processes found by what the kernel says about them, never by a remembered number.

A number may by now belong to a stranger; membership of a namespace, or the very command line that
the sandbox started, may not. Signals go through a pidfd, after a second look.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import Problem

POLL_SECONDS = 0.01

Belongs = Callable[[int], bool]


def in_network(namespace: Path) -> Belongs:
    """Whether a process lives in the named network namespace. Nobody does when there is none."""
    try:
        here = namespace.stat()
    except FileNotFoundError:
        return lambda _: False

    def belongs(pid: int) -> bool:
        try:
            other = Path(f"/proc/{pid}/ns/net").stat()
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (other.st_dev, other.st_ino)

    return belongs


def running(argv: Sequence[str | Path]) -> Belongs:
    """Whether a process runs exactly this command line."""
    wanted = b"".join(os.fsencode(word) + b"\0" for word in argv)

    def belongs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes() == wanted
        except OSError:
            return False

    return belongs


def found(belongs: Belongs) -> list[int]:
    """The living processes that belong, oldest number first."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(pid for pid in numbers if belongs(pid) and state(pid) not in ("", "Z", "X"))


def state(pid: int) -> str:
    """The kernel's letter (R, S, D, T, Z …), or nothing when there is no such process."""
    return _fields(pid)[0]


def started(pid: int) -> int:
    """When the process began, in clock ticks since boot: with its number this names it for good. 0: no such process."""
    return int(_fields(pid)[19] or 0)


def lineage() -> list[int]:
    """This process, its parent, and so on up."""
    pids = [os.getpid()]
    while (parent := int(_fields(pids[-1])[1] or 0)) > 0:
        pids.append(parent)
    return pids


def first(belongs: Belongs) -> int | None:
    """Of the processes that belong, the one that is number 1 of a pid namespace below ours: the outermost."""
    numbers = {pid: _numbers(pid) for pid in found(belongs)}
    ones = [pid for pid, levels in numbers.items() if len(levels) > 1 and levels[-1] == "1"]
    return min(ones, key=lambda pid: len(numbers[pid]), default=None)


def _fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from its third on, all empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return [""] * 20


def _numbers(pid: int) -> list[str]:
    """The numbers that a process has in our pid namespace and in each one below it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return []
    return next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])


def send(belongs: Belongs, number: signal.Signals) -> int:
    """Signal every process that belongs; how many there were."""
    pids = found(belongs)
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            # From here on the number cannot pass to another process unnoticed.
            if belongs(pid):
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)
    return len(pids)


def end(belongs: Belongs, limit: float = 10.0) -> None:
    """Kill every process that belongs, and what they start meanwhile. Raises Problem if one outlives the limit."""
    deadline = time.monotonic() + limit
    while send(belongs, signal.SIGKILL):
        if time.monotonic() > deadline:
            raise Problem(f"processes {found(belongs)} of the sandbox cannot be killed; a reboot ends them")
        time.sleep(POLL_SECONDS)


def daemon(argv: Sequence[str | Path], log: Path) -> None:
    """Start a process that outlives this one; its output goes to the end of `log`."""
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            check=True,
        )
