"""stdout and stderr: what is told to a person never ends what is done to hosts.

The reader of a pipe goes, a terminal is closed, the disk of a log is full: the work goes on to its end all the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from ..errors import INTERRUPTED, Problem, reason


class Unheard(Problem):
    """The reader of stdout (head, less) is gone."""

    exit_status = INTERRUPTED


class Fallible:
    """A stream that may fail at any time.

    A report without its middle would be taken for a whole one: so with `whole`, all that comes after the first error
    is dropped. Without, each line is tried anew: there may be room on the disk again.
    """

    def __init__(self, stream: TextIO, whole: bool) -> None:
        self._stream, self._whole = stream, whole
        self.may_end = False
        """Whether its first error ends the run: Unheard, or a Problem."""
        self.lost: OSError | None = None
        """The error at which something was dropped, and nobody was told."""
        self._failed = False

    def write(self, text: str) -> int:
        try:
            if not self._failed:
                self._stream.write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def writelines(self, several: Iterable[str]) -> None:
        for text in several:
            self.write(text)

    def flush(self) -> None:
        try:
            if not self._failed:
                self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failed = self._whole
        if not self.may_end:
            self.lost = error
        elif isinstance(error, BrokenPipeError):
            raise Unheard("nobody reads stdout any more") from error
        else:
            raise Problem(_sentence(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_closed() -> None:
    """Open /dev/null for a standard stream that is closed: its number must not become that of a connection."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def watch() -> None:
    """From now on no error of stderr ends anything, and one of stdout ends the run in good order: Unheard, Problem."""
    sys.stderr = _fallible(sys.stderr, whole=False)
    if not isinstance(sys.stdout, Fallible):
        sys.stdout = _fallible(sys.stdout, whole=True)
        sys.stdout.may_end = True


def go_on() -> None:
    """From now on no error of stdout ends anything either: hosts are being changed."""
    sys.stdout = _fallible(sys.stdout, whole=True)
    sys.stdout.may_end = False


def ending(status: int) -> int:
    """Write the rest of stdout; the exit status of a run that would end with `status`.

    Where a part could not be written, and its reader is still there, a report is not whole: that is said, and is no
    success.
    """
    try:
        sys.stdout.flush()
    except Unheard as error:
        return error.exit_status
    except Problem as error:
        sys.stderr.write(f"fab: {error}\n")
        return status or error.exit_status
    lost = sys.stdout.lost if isinstance(sys.stdout, Fallible) else None
    if lost is None or isinstance(lost, BrokenPipeError):
        return status
    sys.stderr.write(f"fab: {_sentence(lost)}; the work itself has gone on to its end\n")
    return status or Problem.exit_status


def _fallible(stream: TextIO | None, whole: bool) -> Any:
    if isinstance(stream, Fallible):
        return stream
    # Python has none for a descriptor that was closed when it started.
    return Fallible(stream or open(os.devnull, "w", encoding="utf-8"), whole)  # noqa: PTH123


def _sentence(error: OSError) -> str:
    return f"not all of the output is there: stdout can't be written: {reason(error)}"
