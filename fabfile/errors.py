"""What can go wrong, as one sentence for the person at the terminal.

A subclass exists only where somebody catches it or where the exit status differs.
"""

from __future__ import annotations

from typing import ClassVar


class Problem(Exception):
    """One clear sentence: what, where, what to do. Ends the run with `exit_status`."""

    exit_status: ClassVar[int] = 1


class WrongInput(Problem):
    """The operator's input (file, flag, name) is not usable; nothing was touched."""

    exit_status = 2


class Unreachable(Problem):
    """No usable SSH connection to a host: down, hung, refused, wrong key, login denied."""

    exit_status = 3


class Locked(Problem):
    """Somebody else is changing this cluster right now."""

    exit_status = 4
