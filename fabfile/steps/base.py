"""The vocabulary of every step: payload, probe, found, action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from ..errors import Problem


class CannotLook(Problem):
    """A probe's answer does not tell the state of the host."""


Answer = TypeVar("Answer")


def parsed_in_threads(kind: type[Answer]) -> type[Answer]:
    """A struct of msgspec that several threads may parse answers into.

    msgspec examines a type at its first use, and crashes where two threads do so at once: hence here, once.
    """
    msgspec.json.Decoder(kind)
    return kind


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that travel on the channel's stdin, never in argv: file contents, secrets, archives.

    On the host they are a 0600 file in a 0700 directory that goes away with the channel.
    """

    content: bytes | Path

    def size(self) -> int:
        """The number of bytes that will travel."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


@dataclass(frozen=True, slots=True)
class Probe:
    """A script that only looks. `$1`, `$2` … in it are the paths of its payloads."""

    script: str
    payloads: tuple[Payload, ...] = ()
    limit: float = 30.0
    """Seconds after which the host counts as hung."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a script: its exit status and all it printed (both streams)."""

    status: int
    text: str = ""

    def rows(self, kind: str) -> list[str]:
        """The lines that begin with this word, without it."""
        return [line.removeprefix(f"{kind} ") for line in self.text.splitlines() if line.startswith(f"{kind} ")]


@dataclass(frozen=True, slots=True)
class Action:
    """One change. `$1`, `$2` … in the script are the paths of its payloads.

    The script runs under `set -e`, as root, without stdin. The shell function
    `say WORDS` shows the operator a phase while it runs. A script must survive being
    stopped anywhere and run again.
    """

    says: str
    """The change in the imperative, for the report: `install packages gcc, make`."""
    script: str
    payloads: tuple[Payload, ...] = ()
    limit: float = 60.0
    diff: str = field(default="", compare=False)
    """A unified diff for the operator, secrets already masked; empty where there is none."""


class Step(Protocol):
    """A desired state of one host."""

    @property
    def name(self) -> str:
        """Unique within a host's plan; shown in reports."""

    def probe(self) -> Probe:
        """The script that looks."""

    def diff(self, found: Found, /) -> Sequence[Action]:
        """The actions that lead to the desired state; empty when the host is right.

        Raises CannotLook when the answer does not tell.
        """


class Repeated(Protocol):
    """A look that is repeated over one channel."""

    def staying(self) -> Probe:
        """The script that looks, and leaves a process that looks again, as long as the channel is open."""

    def again(self) -> Probe:
        """The script that asks this process; it fails, or prints nothing, where there is none."""


@runtime_checkable
class Naming(Protocol):
    """A step whose changes can be named better when they are made."""

    def named(self, says: str, found: Found, /) -> str:
        """The words of a change, by what is there now; those of any other step's change as they are."""


@runtime_checkable
class Whole(Protocol):
    """A step of several parts that are seen in one look."""

    @property
    def parts(self) -> Sequence[Step]:
        """The parts, in the order of their work."""


def parts(step: Step) -> Sequence[Step]:
    """The parts of a step; a simple one is its only part."""
    return step.parts if isinstance(step, Whole) else (step,)
