"""The gate of a channel: nothing passes that a shell other than the receiver could execute.

A login shell may run start-up files that replace it by another shell, or that read the input. So
the first bytes on a channel are lines that end every shell and no work of anybody's. The gate, in
argv, expects exactly these lines, says that it is there, and becomes the command. Messages follow
at once: a successor of the login shell ends at the first line and never reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import printable
from ..steps.shell import cmd, in_any_shell

FOREIGN = 97
"""The exit status of a shell that read the first line."""
EATEN = 98
"""The exit status of the gate when lines that were meant for it are missing."""
STARTUP_SECONDS = 15.0
"""How long the login shell may take to come to the command."""
MOST_WORDS = 1 << 20
"""Bytes of a login shell's words."""
ENTERED = b"\n@fab in\n"

_EXIT = f"exit {FOREIGN}"
# Some of them may be read by something else before. The others are for shells in which `exit` is a function of
# somebody's, for Python and for other prompts.
_LINES = (_EXIT, _EXIT, f"exec /bin/sh -c '{_EXIT}'", _EXIT, f"exit({FOREIGN})", _EXIT, "quit")
WARD = "".join(f"{line}\n" for line in _LINES).encode()
"""The first bytes on a channel."""

_ENGLISH = "LC_ALL=C; export LC_ALL\n"
_GREETING = "printf '\\n@fab in\\n'\n"
# ssh has words of its own for its errors: those from here on are told apart from them.
_ERRORS = "exec 2>&1\n"
_WAIT = f'for w in {cmd(*_LINES)}; do IFS= read -r l && [ "$l" = "$w" ] || exit {EATEN}; done\n'
GATE = f"{_ERRORS}{_WAIT}{_ENGLISH}{_GREETING}"
"""The beginning of a script for sh."""
PROMPT = "@fab password"
"""sudo's, in a terminal."""
_RAW = "stty raw -echo\n"
_BECOME = 'exec "$@"'
SHELL = ("/bin/sh", "-c")
"""The one program that sudo has to allow, and the way in which all is given to it."""


def gated(*words: str, sudo: tuple[str, ...] = (), terminal: bool = False) -> str:
    """A command line that becomes `words` behind the gate, by way of `sudo`.

    In a terminal the gate has no ward, and stands behind sudo: sudo throws away the bytes that come before it has
    asked, and raw is what a terminal has to be before it takes no byte for a key.
    """
    if terminal:
        inner = (*SHELL, _RAW + _GREETING + _BECOME, "sh", *words)
        return str(in_any_shell(f"{_RAW}{_ENGLISH}exec {cmd(*sudo, *inner)}"))
    return str(in_any_shell(f"{GATE}exec {cmd(*sudo, *words)}"))


class Nonsense(Exception):
    """An answer that the receiver does not give: the host has something else in its place."""


@dataclass
class Gate:
    """Tells the login shell's own words from those that come from behind the gate."""

    entered: bool = False
    before: bytes = field(default=b"", repr=False)
    """The words of the login shell."""

    @property
    def said(self) -> str:
        """The login shell's last words."""
        return last_words(self.before)

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the stream; those that come from behind the gate."""
        if self.entered:
            return data
        if len(self.before) > MOST_WORDS:
            raise Nonsense(f"its login shell says more than {MOST_WORDS >> 20} MB before a command")
        before, found, behind = (self.before + data).partition(ENTERED)
        self.before, self.entered = before, bool(found)
        return behind


def last_words(text: bytes) -> str:
    """The last lines of a text, as a part of a sentence, which steers no terminal; empty where there are none."""
    lines = [printable(" ".join(line.split())) for line in text.decode(errors="replace").split("\n")]
    return "; ".join([line for line in lines if line][-3:])
