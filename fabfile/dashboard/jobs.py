"""The commands that the page has started: one at a time, each a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..errors import Locked, Problem, reason

SHOWN = 32_768
"""The characters of a command's output that are shown: its last ones."""
END_SECONDS = 20.0
"""A command that is interrupted ends its work on the hosts in good order, within these."""

# One that is started while SIGINT is ignored (`fab dashboard &` of a script) would ignore it as well. Beside other
# threads no code of ours may run between fork and exec: so a Python of its own comes before the command.
_HEEDS_INTERRUPTS = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


class Job(Struct, frozen=True):
    """A command and its output."""

    number: int
    words: list[str]
    output: str = ""
    status: int | None = None
    """Its exit status; None while it runs."""


@dataclass(frozen=True, slots=True)
class Installation:
    """How this `fab` is started once more, on the same cluster."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    answers: str = ""
    """What is typed where it asks for passwords."""


class Jobs:
    """The command that runs, or ran last."""

    def __init__(self, fab: Installation, told: Callable[[Job], None]) -> None:
        """`told` is called by another thread after each line of output, and at the end."""
        self._fab, self._told = fab, told
        self._lock = threading.Lock()
        self._last: Job | None = None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether a command runs."""
        return self._process is not None and self._process.poll() is None

    def begin(self, words: Sequence[str]) -> Job:
        """Start `fab` with these words. Raises Locked where a command runs already, and Problem."""
        with self._lock:
            if self.runs:
                raise Locked("a command runs already: wait until it has ended, or interrupt it")
            self._process = self._started(words)
            job = self._last = Job(self._last.number + 1 if self._last else 1, ["fab", *words])
        self._told(job)
        self._reader = threading.Thread(target=self._read, args=(self._process, job), daemon=True)
        self._reader.start()
        return job

    def interrupt(self) -> None:
        """As Ctrl-C would; nothing happens where no command runs."""
        if self._process and self.runs:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Interrupt the command, and wait for its end; one that does not end in time is interrupted once more."""
        for _ in range(2):
            self.interrupt()
            if not (self._reader and self._reader.is_alive()):
                return
            self._reader.join(END_SECONDS)

    def _started(self, words: Sequence[str]) -> subprocess.Popen[str]:
        try:
            # In a session of its own: a Ctrl-C at the terminal is passed on by `end`, and it asks nobody there.
            process = subprocess.Popen(
                [*_interruptible(), *self._fab.argv, *words],
                cwd=self._fab.folder,
                env=dict(self._fab.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise Problem(f"fab can't be started: {reason(error)}") from error
        assert process.stdin
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(self._fab.answers)
        return process

    def _read(self, process: subprocess.Popen[str], job: Job) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                job = replace(job, output=(job.output + line)[-SHOWN:])
                self._keep(job)
        self._keep(replace(job, status=process.wait()))

    def _keep(self, job: Job) -> None:
        self._last = job
        self._told(job)


def _interruptible() -> list[str]:
    """The words before a command that is to end by an interrupt, whatever this process does at one."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return [sys.executable, "-I", "-S", "-c", _HEEDS_INTERRUPTS] if ignored else []
