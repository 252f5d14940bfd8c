"""POSIX shell commands as values; the one place that quotes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A piece of POSIX shell in which every value is already quoted."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __and__(self, other: Command) -> Command:
        return Command(f"{self.text} && {other.text}")

    def __or__(self, other: Command) -> Command:
        return Command(f"{self.text} || {other.text}")

    def quiet(self) -> Command:
        """The same command with both outputs thrown away."""
        return Command(f"{self.text} >/dev/null 2>&1")


def cmd(*words: object) -> Command:
    """One command from its words; each becomes exactly one argument on the far side."""
    return Command(shlex.join(str(word) for word in words))


def lines(*commands: Command | str) -> str:
    """Commands one below the other, as the text of a script."""
    return "\n".join(str(command) for command in commands)


_ODD = str.maketrans({"\n": r"\n", "'": r"\047", "!": r"\041", "\\": r"\134", "%": "%%"})
"""Signs that a login shell of some kind reads within single quotes, as printf writes them: csh takes no line end there
and looks for `!`, fish for a backslash."""


def in_any_shell(script: str) -> Command:
    """A command line that runs a script of sh, whatever shell it is given to: one of sh's kind, csh, fish or zsh."""
    told = script.translate(_ODD)
    return Command(f"""/bin/sh -c 'eval "$(printf "$1")"' sh '{told}'""")


def as_user(user: str | Command, command: Command | str) -> Command:
    """The command run by `user`; `su` is the one tool for it that every host has.

    A Command in place of a name is a shell word that expands to it on the host.
    """
    name = user if isinstance(user, Command) else cmd(user)
    return Command(f"su -s /bin/sh {name} {cmd('-c', command)}")


def as_user_within(seconds: int, user: str | Command, script: str) -> Command:
    """A script run by `user`, ended after `seconds`: that user may have put something in its way that never answers.

    A host without `timeout` does not end it.
    """
    ended = cmd("timeout", seconds, "/bin/sh", "-c", script)
    return as_user(user, f"! command -v timeout >/dev/null || exec {ended}\n{script}")


def assign(name: str, value: object) -> Command:
    """The shell assignment name=value, for scripts that name a value more than once."""
    if not name.isidentifier():
        raise ValueError(f"not a shell variable name: {name!r}")
    return Command(f"{name}={shlex.quote(str(value))}")
