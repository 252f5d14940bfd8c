"""A module of this package that works in a network namespace as long as a block lasts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def carried(module: str, namespace: Path, *words: str, what: str) -> Iterator[int]:
    """The pid of nsenter, which becomes the module's; it has said `ready`. Raises RuntimeError, with `what`."""
    line = ["nsenter", f"--net={namespace}", "--", sys.executable, "-m", module, *words]
    # In a session of its own: a Ctrl-C is for the caller, who then ends it in order.
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin and process.stdout
        try:
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"{what} could not be made")
            yield process.pid
        finally:
            # The end of its stdin ends it, also when this process is killed.
            process.stdin.close()
