"""The sight of a host: its answer to the look at supervisord, parsed once, where it arrives.

Fields that nothing here names are ignored; one that is missing, or of another kind, makes the answer none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from .base import CannotLook, Found, parsed_in_threads
from .firewall_answer import FirewallAnswer
from .situation import LiveSupervisord, OtherProcess, Part, Situation
from .usage import Disk, HostSpent, Memory, Spent

DOWN = ("STOPPED", "EXITED", "FATAL", "BACKOFF", "UNKNOWN", "STOPPING")


class SupervisordAnswer(Part, frozen=True):
    """The supervisord behind the socket."""

    answers: bool
    state: str = ""
    pid: int | None = None
    errno: int | None = None
    why: str = ""
    """Why it does not answer."""


class Handled(Part, frozen=True):
    """How a program fares with the crawl's messages, as its log tells."""

    quiet: float
    """Seconds since its last message, at least."""
    done: int
    failed: int
    """The failed messages in a row, until now."""
    fault_s: float | None
    """Seconds since the last of these."""
    loops: int
    """Errors beside messages in its last minute."""
    loop_s: float | None
    """Seconds since the last of these."""
    error: str
    """The last error's words."""


class CallAnswer(Part, frozen=True):
    """The answer of a program's own RPC server."""

    ok: bool
    why: str = ""


class Work(Part, frozen=True):
    """The work of a program: RUNNING alone does not tell whether it does anything."""

    role: str | None = None
    state: str = ""
    """The letter in /proc of a process that stands still, for a second at least; `T` is stopped."""
    halted: int | None = None
    """The pid of that process."""
    ends: tuple[str, ...] = ()
    """Its own ends of its connections, `address:port`."""
    listens: tuple[int, ...] = ()
    rpc: CallAnswer | None = None
    """None where no RPC server of its own listens."""
    log: Handled | None = None
    """None where its log is none of pyspider's."""
    exits: tuple[float, ...] = ()
    """The seconds since each of its ends that nobody wanted, in the last half an hour; the newest last."""


class KnownProgram(Part, frozen=True):
    """A program that supervisord knows."""

    called: str | int = field(name="name")
    """As supervisord gives it: a name of digits alone comes as a number."""
    state: str
    pid: int | None
    uptime_s: int | float | None
    release: str | None
    """The fingerprint of the release that its process was started with."""
    log: bool
    """Whether its log file is there."""
    why: str
    """Why it could not be started."""
    apart: bool = False
    """Whether its process is run by another one of the project's Pythons than the current one."""
    work: Work | None = None
    """None where it was not looked at."""
    role: str | None = None
    """Its role by what it runs; None where it is no program of pyspider's, or was not looked for."""
    spent: Spent | None = None
    """None without a process, or where it was not asked for."""

    @property
    def name(self) -> str:
        return str(self.called)

    def as_data(self) -> dict[str, Any]:
        """The object that `fab status --json` prints."""
        return {"name": self.called, "state": self.state, "pid": self.pid, "uptime_s": self.uptime_s}


class ProcessId(Part, frozen=True):
    """A process; with its start, so that another one with its number is not taken for it."""

    pid: int
    ticks: int
    """When it began, in ticks of the kernel's clock."""

    def as_data(self) -> dict[str, int]:
        """How the host is told which process is meant."""
        return {"pid": self.pid, "ticks": self.ticks}


class Leftover(ProcessId, frozen=True):
    """A process of a supervisord that is dead."""

    name: str
    ours: bool
    """Whether it is of this project; else it is somebody else's, and stays."""


class LiveDaemon(ProcessId, frozen=True):
    """A supervisord that runs with the cluster's configuration."""

    conf: str | None
    """The digest of the configuration that it was started with; None where this project did not start it."""


class Stranger(Part, frozen=True):
    """A supervisord of somebody else, in the place of the cluster's."""

    pid: int
    user: str
    conf: str
    holds: Literal["conf", "socket"]
    running: tuple[str, ...]


class Unit(Part, frozen=True):
    """systemd's unit for supervisord."""

    main: int | None
    """The pid of its main process; 0 without one, None where systemd does not answer."""
    state: str | None
    stale: bool
    """Whether its files have changed since systemd read them."""


class WatcherAnswer(Part, frozen=True):
    """This project's watcher of supervisord."""

    pids: tuple[int, ...]
    digest: str
    """The digest of what it runs; empty where there is none."""


class ServiceAnswer(Part, frozen=True):
    """The answer of a web UI or an RPC server."""

    ok: bool
    why: str | UnsetType = UNSET
    size: Any = UNSET
    """The length of its queue, in any form that an RPC server gave."""

    @property
    def reason(self) -> str:
        """Why it is not ok."""
        return "its answer makes no sense" if self.why is UNSET else self.why

    def as_data(self) -> dict[str, Any]:
        """The object that `fab status --json` prints."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


class Listener(Part, frozen=True):
    """A TCP port with its listener."""

    address: str
    port: int
    pid: int | None
    """None where it can't be seen."""
    name: str
    line: tuple[int, ...]
    """The listener and its ancestors."""
    waiting: int
    """Connections that nobody has taken yet."""


class Unwritable(Part, frozen=True):
    """A path that the cluster's user has to write, and can't."""

    path: str
    why: str
    owner: str | None
    mendable: bool
    """Whether that user may put another file in its place."""


class Machine(Part, frozen=True):
    """The machine, as deploy looks at it before it changes anything."""

    disks: tuple[Disk, ...]
    memory: Memory | None
    daemons: tuple[LiveSupervisord, ...]
    listeners: tuple[Listener, ...]
    stores: Mapping[str, Literal["open", "refused", "silent", "unknown"]]
    """How a connection to each store ends."""
    unwritable: tuple[Unwritable, ...]


@parsed_in_threads
class Sight(Part, frozen=True):
    """Everything about supervisord and its programs on one host."""

    supervisord: SupervisordAnswer
    socket: bool
    """Whether anything stands at the socket's path."""
    socket_kind: str | None
    """In words: `a socket`, `a link` …"""
    programs: tuple[KnownProgram, ...]
    leftovers: tuple[Leftover, ...]
    supervisords: tuple[LiveDaemon, ...]
    unit: Unit | None
    """None on a host that systemd does not run."""
    strangers: tuple[Stranger, ...]
    foreign_conf: tuple[str, ...] | None
    """The programs of a supervisord.conf that is somebody else's; None where it is ours or absent."""
    hidden: str | None
    """A configuration of somebody else that supervisorctl would find no more."""
    schedulers: tuple[int, ...]
    """The pids of live schedulers, also of those that no supervisord started."""
    log_sizes: Mapping[str, int]
    current: str | None
    """The release in use."""
    answers: Mapping[str, ServiceAnswer]
    """The answers to the questions of status, by the name of the role."""
    firewall: FirewallAnswer | None
    """None where `fab deploy` has set none."""
    others: tuple[OtherProcess, ...] = ()
    stopped: tuple[str, ...] = ()
    """The programs that were stopped on purpose."""
    watcher: WatcherAnswer | None = None
    """None where it was not looked for."""
    situation: Situation | None = None
    """Asked by status only, which may meet any host."""
    preflight: Machine | None = None
    spent: HostSpent | None = None
    projects: Mapping[str, Any] = field(default_factory=dict)
    """The scheduler's counts of tasks by project, as it gave them to a web UI's host."""

    def rests(self, name: str) -> bool:
        """Whether a program was stopped on purpose, and does not run all the same."""
        return name in self.stopped and all(one.state in DOWN for one in self.programs if one.name == name)


def parsed(found: Found) -> Sight | None:
    """The sight in the answer to the look; None where the host has no runtime. Raises CannotLook."""
    try:
        answer = json.loads(found.text)
    except (ValueError, RecursionError) as error:
        raise CannotLook(f"what runs there can't be seen: {found.text[-300:]}") from error
    return None if answer is None else sighted(answer)


def sighted(answer: object) -> Sight:
    """The sight in an answer that is JSON. Raises CannotLook where it is none."""
    try:
        return msgspec.convert(answer, Sight)
    except msgspec.ValidationError as error:
        raise CannotLook(f"what runs there can't be seen: the host's answer is not as it should be: {error}") from error
