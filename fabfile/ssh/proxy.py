"""A ProxyCommand of ssh_config: its input and output in place of a TCP connection, and its own words when it fails."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from typing import Any

from .gate import last_words

_END_SECONDS = 1.0
"""The time that a command has to end after its output has ended."""


class CommandSocket(socket.socket):
    """A socket whose other end is a command."""

    process: subprocess.Popen[bytes]
    errors: Any
    command: str

    def failure(self) -> str:
        """How the command ended by itself, as a sentence's end; empty where it still runs."""
        try:
            status = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        self.errors.seek(0)
        words = last_words(self.errors.read()) or "it said nothing"
        return f"the ProxyCommand of ssh_config ({self.command}) ended with status {status}: {words}"


def through_command(command: str) -> CommandSocket:
    """The command, begun as OpenSSH begins it: by a shell that it replaces."""
    ours, theirs = socket.socketpair()
    one = CommandSocket(fileno=ours.detach())
    one.command, one.errors = command, tempfile.TemporaryFile()  # noqa: SIM115  it is read at the end
    with theirs:
        one.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=one.errors
        )
    return one
