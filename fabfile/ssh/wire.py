"""The connection under a link, as one of two libraries makes it: paramiko, or the OpenSSH client."""

from __future__ import annotations

from typing import Any, Protocol


class Channel(Protocol):
    """One command on a host: its input, its output and its end."""

    listening: bool
    """Whether the receiver there reads what is sent at once, so that its silence says something."""

    @property
    def connected(self) -> bool:
        """Whether the connection lasts, also where the command has ended."""

    def begin(self, command: str, terminal: bool = False) -> None:
        """Begin it, without waiting. A command that is refused shows in the end of the output."""

    def await_login(self) -> None:
        """Wait until the host has let us in. Raises Unreachable with the reason where it does not."""

    def told(self, data: bytes) -> bool:
        """Send all of it; whether the far side still took it. One that has ended left last words, which are to be read.

        Raises TimeoutError.
        """

    def ask(self, mark: str, /) -> None:
        """Ask for a sign of life, which shows in Wire.packets."""

    def recv(self, size: int) -> bytes:
        """The next bytes of the output, and of the errors with them; none at its end. Raises TimeoutError."""

    def settimeout(self, seconds: float) -> None:
        """The limit of each `told` and `recv` from now on."""

    def end_input(self) -> None:
        """Nothing more will be sent."""

    def exit_status(self, seconds: float) -> int:
        """The exit status after the end of the output, waited for that long; -1 on a lost connection."""

    def close(self) -> None:
        """End it, and what runs there on its behalf."""


class Wire(Protocol):
    """One connection to one host, with as many channels as are wanted."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""

    @property
    def seconds(self) -> float:
        """How long its login took where that was not before the first command; else 0."""

    def channel(self) -> Channel:
        """A channel for one command. Raises OSError, EOFError, SSHException."""

    def tunnel(self, address: str, port: int, seconds: float) -> Any:
        """A socket-like channel to address:port as seen from the host. Raises OSError, SSHException."""

    def packets(self) -> int:
        """A number that changes with every sign of life, and where a silence would say nothing."""

    def answers(self) -> bool:
        """Whether the host's sshd is well, as far as can be told, where a command gives no sign of life."""

    def end(self) -> None:
        """End it with all its channels; may be called from another thread."""
