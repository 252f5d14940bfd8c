"""A ProxyCommand of ssh_config: its input and output in place of a TCP connection, and its own words when it fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .gate import last_words

_END_SECONDS = 1.0
"""The time that a command has to end after its output has ended."""


class CommandSocket(socket.socket):
    """A socket whose other end is a command."""

    process: subprocess.Popen[bytes]
    errors: Any
    command: str

    @property
    def name(self) -> str:
        return f"the ProxyCommand of ssh_config ({self.command})"

    def failure(self) -> str:
        """How the command ended by itself, as a sentence's end; empty where it still runs."""
        try:
            status = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return f"{self.name} ended with status {status}: {self.words() or 'it said nothing'}"

    def words(self) -> str:
        """The last that it said beside its output."""
        self.errors.seek(0)
        return last_words(self.errors.read())

    def shutdown(self, how: int) -> None:
        """End the connection, and the command with it."""
        with suppress(OSError):
            super().shutdown(how)
        self.end()

    def end(self) -> None:
        """End the command and those that it has begun: one may never look at its input.

        OpenSSH sends SIGHUP, which is ignored under nohup.
        """
        ended_with_children(self.process)


def ended_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it has begun."""
    if process.poll() is None:
        for pid in [*_begun(process.pid), process.pid]:
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)


def through_command(command: str, environment: Mapping[str, str] | None = None) -> CommandSocket:
    """The command, begun as OpenSSH begins it: by a shell that it replaces.

    One with an environment of its own is out of reach of this terminal's Ctrl-C.
    """
    ours, theirs = socket.socketpair()
    one = CommandSocket(fileno=ours.detach())
    one.command, one.errors = command, tempfile.TemporaryFile()  # noqa: SIM115  it is read at the end
    with theirs:
        one.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=one.errors,
            env=environment,
            start_new_session=environment is not None,
        )
    return one


def _begun(pid: int) -> Iterator[int]:
    """The processes that a process has begun, and theirs, as far as this system tells."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError, ValueError):
            for child in map(int, task.read_text().split()):
                yield from _begun(child)
                yield child
