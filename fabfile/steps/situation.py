"""How a host was set up, and what runs there beside the cluster's programs: parts of its answer to the look."""

from __future__ import annotations

from msgspec import Struct


class Part(Struct, frozen=True):
    """A part of a host's answer."""


class LiveSupervisord(Part, frozen=True):
    """A supervisord that holds a pyspider program, or runs with a configuration that names one."""

    pid: int
    user: str
    conf: str | None
    state: str = ""
    """Its letter in /proc; `T` is stopped."""


class OtherProcess(Part, frozen=True):
    """A process of another user that looks like pyspider's or its supervisord: it is not judged."""

    pid: int
    role: str
    user: str


class Situation(Part, frozen=True):
    """How a host was set up, by this project or by somebody else."""

    deployed: bool
    """Whether this project has deployed it."""
    runtime: bool
    """Whether this project has set up its Python."""
    conf: str
    """The supervisord.conf that counts; empty where there is none."""
    socket: str
    daemons: tuple[LiveSupervisord, ...]
    processes: int
    """pyspider's live processes."""

    @property
    def bare(self) -> bool:
        """Whether nothing of pyspider is there but a Python, perhaps."""
        return not (self.deployed or self.conf or self.daemons or self.processes)
