"""Why a channel ended, or went silent, before its answer was there: one sentence, with the words of who ended it."""

from __future__ import annotations

from ..errors import Problem, Unreachable
from ..inventory import Host
from .gate import EATEN, FOREIGN, SHELL, STARTUP_SECONDS, Gate
from .protocol import CHANNEL_SECONDS, Reader

NO_DIRECTORY = 73
"""The exit status of the receiver where it can't keep payloads."""
_ADVICE = "; nothing was run there; begin that file with: [ -t 0 ] || return"
_NOT_ALLOWED = ("is not allowed to execute", "is not in the sudoers file", "may not run sudo", "' as root on ")
"""sudo's words; of those that repeat a long command only the end may be left."""
_LINES = "`fab doctor --sudoers` prints the lines that it needs"
_STARTUP = "a start-up file of the login shell (such as ~/.bashrc)"


class WantsTerminal(Problem):
    """sudo runs nothing without a terminal (requiretty)."""


def ended(host: Host, status: int, reader: Reader, connected: bool) -> Problem:
    """A channel's end before all answers were there, by its exit status; -1 stands for none."""
    if reader.here:
        return in_the_receiver(host, status, reader.said)
    if not connected:
        return lost(host)
    if reader.gate.entered:
        return behind_the_gate(host, status, reader.said)
    return at_the_gate(host, status, reader.gate)


def lost(host: Host) -> Problem:
    """The connection is gone, or the receiver was ended from outside."""
    return Unreachable(f"{host.name}: the connection was lost in the middle of a command")


def at_the_gate(host: Host, status: int, gate: Gate) -> Problem:
    """The login shell's end, before the gate."""
    return Problem(f"{host.name}: {_login_shell(status, gate.said)}")


def _login_shell(status: int, said: str) -> str:
    if status == FOREIGN:
        return f"{_STARTUP} starts another shell, which would get the input of the command{_ADVICE}"
    if status == EATEN:
        return f"the login shell waits for input: {_STARTUP} took what was sent to the command{_ADVICE}"
    if status < 0:
        return f"its sshd ended the command before it ran anything: {said or 'it said nothing'}"
    said = said or f"it said nothing; does {_STARTUP} end it?"
    return f"the login shell ended before it ran anything{_with(status, said)}"


def _with(status: int, said: str) -> str:
    return f" (status {status}): {said or 'it said nothing'}"


def behind_the_gate(host: Host, status: int, said: str) -> Problem:
    """The end of sudo, or of the shell in its place, before the receiver was there."""
    if host.user == "root":
        return Problem(f"{host.name}: the shell that runs commands there did not start{_with(status, said)}")
    return refused(host, said)


def refused(host: Host, said: str) -> Problem:
    """sudo's refusal, in its own words; they are English, since the gate asks for them so."""
    if any(words in said for words in _NOT_ALLOWED):
        # Its words repeat the whole command.
        return Problem(f"{host.name}: sudo does not allow {host.user} to run {SHELL[0]} as root; {_LINES}")
    sentence = f"{host.name}: sudo refuses {host.user}: {said.replace('sudo: ', '') or 'it said nothing'}"
    if "a password is required" in said:
        return Problem(f"{sentence}; give it with --prompt-for-sudo-password ({_LINES})")
    if "must have a tty" in said:
        return WantsTerminal(f"{sentence} (requiretty)")
    return Problem(sentence)


def in_the_receiver(host: Host, status: int, said: str) -> Problem:
    """The receiver's own end, before it had answered everything."""
    if status == NO_DIRECTORY:
        return Problem(f"{host.name}: its temporary directory can't be written: {said or 'is the disk full?'}")
    if status > 0:
        return Problem(f"{host.name}: the shell that runs commands there ended{_with(status, said)}")
    return lost(host)


def late(host: Host, gate: Gate) -> Problem:
    """The login shell has not come to the command, although the host's sshd answers."""
    said = f"; it said: {gate.said}" if gate.said else ""
    return Problem(
        f"{host.name}: the login shell has not come to the command within {STARTUP_SECONDS:.0f} s: "
        f"{_STARTUP} hangs, or waits for input{_ADVICE}{said}"
    )


def patience(reader: Reader) -> float:
    """The seconds for which an answer is waited for, by what has come so far."""
    if not reader.here:
        return STARTUP_SECONDS
    # The first item begins when all payloads are written down.
    return reader.message.limits[reader.current] + (0 if reader.heard else CHANNEL_SECONDS)
