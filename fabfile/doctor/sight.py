"""The sight of one host: remote/look.py's answer as values, with the preflight of remote/machine.py."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from ..steps.base import CannotLook


class Fact(Struct, frozen=True, kw_only=True):
    """A part of a host's answer. Defaults mean that it was not seen; fields that it does not name are ignored."""


class FileSeen(Fact, frozen=True):
    """A file, directory or socket that stands on the host."""

    path: str
    owner: str = ""
    mode: int = 0
    mtime: float = 0.0
    """Unix time."""
    kind: str = "file"
    """`file`, `dir` or `socket`."""


class SocketAnswer(Fact, frozen=True):
    """The answer of the supervisord behind the socket."""

    answers: bool = False
    errno: int | None = None
    why: str = ""
    """Why it does not answer."""
    pid: int | None = None


class RunProgram(Fact, frozen=True):
    """A program that supervisord knows."""

    called: str | int = field(name="name")
    """As supervisord gives it: a name of digits alone comes as a number."""
    state: str = ""
    pid: int | None = None
    uptime_s: float | None = None
    why: str = ""
    """Why it could not be started."""

    @property
    def name(self) -> str:
        return str(self.called)


class Leftover(Fact, frozen=True):
    """A process of a supervisord that is dead."""

    pid: int
    name: str = "?"


class HeldPid(Fact, frozen=True):
    """A supervisord that runs with the cluster's configuration."""

    pid: int


class Stranger(Fact, frozen=True):
    """A supervisord of somebody else, in the place of the cluster's."""

    pid: int
    user: str = "?"
    conf: str = ""
    holds: str = "conf"
    """`conf` or `socket`."""
    running: tuple[str, ...] = ()


class Unit(Fact, frozen=True):
    """systemd's unit for supervisord."""

    main: int | None = None
    """The pid of its main process; 0 without one, None where systemd does not answer."""
    stale: bool = False
    """Whether its files have changed since systemd read them."""


class Disk(Fact, frozen=True):
    """A file system, by the path that led to it. `free` is bytes."""

    path: str
    bytes: int = 0
    free: int = 0
    inodes: int = 0
    inodes_free: int = 0


class Memory(Fact, frozen=True):
    """Bytes of memory: all of it, and how much programs can still get."""

    bytes: int
    free: int


class LiveSupervisord(Fact, frozen=True):
    """A supervisord that holds a pyspider program, or runs with a configuration that names one."""

    pid: int
    user: str = ""
    conf: str | None = None


class Listener(Fact, frozen=True):
    """A TCP port with its listener."""

    address: str
    port: int
    pid: int | None = None
    """None where it can't be seen."""
    name: str = "?"
    line: tuple[int, ...] = ()
    """The listener and its ancestors."""
    waiting: int = 0
    """Connections that nobody has taken yet."""


class Unwritable(Fact, frozen=True):
    """A path that the cluster's user has to write, and can't."""

    path: str
    why: str = ""
    owner: str | None = None
    mendable: bool = False
    """Whether that user may put another file in its place."""


class PreflightSight(Fact, frozen=True):
    """The machine, as deploy looks at it before it changes anything."""

    disks: tuple[Disk, ...] = ()
    memory: Memory | None = None
    daemons: tuple[LiveSupervisord, ...] = ()
    listeners: tuple[Listener, ...] = ()
    stores: Mapping[str, str] = {}
    """How a connection to each store ends: `open`, `refused`, `silent` or `unknown`."""
    unwritable: tuple[Unwritable, ...] = ()


class HostSight(Fact, frozen=True):
    """remote/look.py's answer."""

    supervisord: SocketAnswer = SocketAnswer()
    programs: tuple[RunProgram, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    supervisords: tuple[HeldPid, ...] = ()
    unit: Unit | None = None
    strangers: tuple[Stranger, ...] = ()
    foreign_conf: tuple[str, ...] | None = None
    hidden: str | None = None
    preflight: PreflightSight | None = None


def sighted(answer: Mapping[str, object]) -> HostSight:
    """remote/look.py's answer. Raises CannotLook where it is none."""
    try:
        return msgspec.convert(answer, HostSight)
    except msgspec.ValidationError as error:
        raise CannotLook(f"the answer to the look is not as remote/look.py gives it: {error}") from error
