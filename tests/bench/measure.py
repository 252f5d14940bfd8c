"""One process with all its descendants: how long, how much CPU, how much memory."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of a run: seconds on the clock and of CPU, and the largest process' memory in MB."""

    wall: float
    cpu: float
    memory: float
    status: int
    output: str


def measure(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> Usage:
    """Run a command to its end; after LIMIT_SECONDS it is killed, with all it started."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            words,
            # Open and silent, as the operator's terminal is.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(os.environ, **environment),
            cwd=folder,
            start_new_session=True,
        )
        guard = threading.Timer(LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        guard.start()
        try:
            # Usage of this child and of the children it waited for, unlike getrusage: not of earlier ones.
            _, status, used = os.wait4(process.pid, 0)
        finally:
            guard.cancel()
        wall = time.monotonic() - start
        assert process.stdin
        process.stdin.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, text)
