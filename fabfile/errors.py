"""The words for the person at the terminal: the work that goes on, and each error as one sentence.

A subclass of Problem exists only where somebody catches it or where the exit status differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

Say = Callable[[str], None]
"""Shows the operator the next step or phase of the work."""
INTERRUPTED = 130
"""The exit status after a Ctrl-C, and where the reader of the output is gone."""


class Problem(Exception):
    """One clear sentence: what, where, what to do. Ends the run with `exit_status`."""

    exit_status: ClassVar[int] = 1

    def __init__(self, text: str, *, changes: Sequence[str] = (), detail: str = "") -> None:
        super().__init__(text)
        self.changes = tuple(changes)
        """The changes that had been made before it went wrong."""
        self.detail = detail
        """The output of the failing command."""


def reason(error: BaseException) -> str:
    """Why a call failed, in the system's words."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).lower()


class Doing(str):
    """The words of a phase, with its place among all of the work on its host, like `3 of 17`; empty where unknown."""

    __slots__ = ("place",)
    place: str

    def __new__(cls, words: str, place: str = "") -> Doing:
        made = super().__new__(cls, words)
        made.place = place
        return made


def printable(text: str) -> str:
    """The text with each character that would break the line, steer the terminal, or hide in it, written out."""
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shown(line: str) -> str:
    """A line of somebody else's words: it keeps its tabs, and steers no terminal."""
    return "\t".join(map(printable, line.split("\t")))


def unforeseen(error: Exception) -> str:
    """What is told where somebody's answer, or a fault of this code, ended a look that is taken again and again."""
    return f"the last look failed ({type(error).__name__}: {printable(str(error))}); what is shown is from before"


def counted(number: int, word: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


class WrongInput(Problem):
    """The operator's input (file, flag, name) is not usable; nothing was touched."""

    exit_status = 2


class Unreachable(Problem):
    """No usable SSH connection to a host: down, hung, refused, wrong key, login denied."""

    exit_status = 3


class NotReached(Problem):
    """A host's work was not begun, or not finished, because of something that is no fault of its own."""


class NoCache(Problem):
    """This machine's cache can't be read or written."""


class Locked(Problem):
    """Somebody else is changing this cluster right now."""

    exit_status = 4
