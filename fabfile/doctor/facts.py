"""The facts of one host: doctor.py's answer as values, parsed once, where it arrives.

A default means that the thing was not seen; fields that nothing here names are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from ..steps.base import CannotLook, Found, parsed_in_threads
from ..steps.sight import Listener, Sight
from ..steps.situation import LiveSupervisord
from ..steps.usage import Disk, Memory
from .answers import Asked, Fact, FileSeen


class ProgramSection(Fact, frozen=True):
    """A program of pyspider's in a supervisord.conf."""

    name: str
    role: str
    words: tuple[str, ...] = ()
    section: str = ""
    """Its section is [program:…] of this; several processes may have one section."""
    file: str = ""
    """The file that the section is in."""


class Layout(Fact, frozen=True):
    """How a host's supervisord is started and asked; paths are empty where none was found."""

    supervisord: str = ""
    supervisorctl: str = ""
    user: str = ""
    """The user that it runs as, or would be started as."""
    unit: str = ""
    """The systemd unit that it runs in; where it does not run, the one that starts it."""
    rooted: bool = True
    """Whether only root can change supervisorctl and the configuration."""
    lost: tuple[str, ...] = ()
    """The folders of its files that a reboot took away."""


class OpenPort(Fact, frozen=True):
    """The [inet_http_server] of a supervisord.conf."""

    port: str = ""
    password: bool = False
    """Whether there is one."""


class Conf(Fact, frozen=True):
    """The supervisord.conf that counts."""

    path: str
    sections: tuple[str, ...] = ()
    programs: tuple[ProgramSection, ...] = ()
    socket: str | None = None
    """The socket that supervisord listens on."""
    ctl: str = ""
    """The socket that supervisorctl asks."""
    inet: OpenPort | None = None
    writer: str = ""
    """The user who wrote what it says of supervisord itself; empty where that is root."""


class Pidfile(Fact, frozen=True):
    """supervisord's pidfile, and whether its process lives."""

    pid: int
    alive: bool = False
    path: str = ""


class Component(Fact, frozen=True):
    """A live process of pyspider, with or without a supervisord."""

    pid: int
    role: str
    parent: int = 0
    name: str | None = None
    """Its program's name, where a supervisord has started it."""
    words: tuple[str, ...] = ()
    held: bool = True
    """Whether a supervisord is among its ancestors."""
    user: str = ""
    nofile: int | None = None
    """The files that it may open."""
    state: str = ""
    """Its letter in /proc; `T` is stopped."""
    kb: int = 0
    """The memory that it and its children hold."""


class ForeignClient(Fact, frozen=True):
    """A supervisorctl of another installation, and its answer."""

    path: str
    status: int | None = None
    says: str = ""
    beside: str = ""
    """The supervisorctl beside the supervisord that runs."""


class AnsweringPort(Listener, frozen=True):
    """A web UI's port, and its answer to a request without a password."""

    status: int | None = None
    kind: str = ""
    """`answer`, `empty`, `refused` or `other`."""


class OwnedPath(Fact, frozen=True):
    """A path and its owner."""

    path: str
    owner: str = ""


class StrangeFiles(Fact, frozen=True):
    """The paths in the cluster's directories that its user does not own: their number, and the first of them."""

    count: int = 0
    paths: tuple[OwnedPath, ...] = ()


class LogFile(Fact, frozen=True):
    """A log file, and its bytes; None where it is not there."""

    path: str
    size: int | None = None


class ProgramLog(Fact, frozen=True):
    """A program's log files, and the last lines of the one with its errors."""

    files: tuple[LogFile, ...] = ()
    tail: tuple[str, ...] = ()


@parsed_in_threads
class Facts(Fact, frozen=True):
    """Everything that doctor.py saw on a host."""

    sight: Sight
    ours: bool = False
    """Whether this project has deployed the host; if not, its files are somebody's own."""
    clock: float = 0.0
    """The host's Unix time."""
    clock_off: float | None = None
    """Seconds that its clock is ahead of this machine's; measured here."""
    from_here: Mapping[int, str] = {}
    """How connections from this machine to its web UIs end, by port; measured here."""
    doors: Mapping[int, str] = {}
    """How a request of this machine ends at the ports that are for the cluster alone; empty where this machine is no
    stranger, or can't tell. Measured here."""
    conf: Conf | None = None
    layout: Layout = Layout()
    refusal: str = ""
    """The words by which a supervisord that does not run would refuse its configuration; empty where it would not."""
    socket: FileSeen | None = None
    socket_path: str = ""
    pidfile: Pidfile | None = None
    daemons: tuple[LiveSupervisord, ...] = ()
    components: tuple[Component, ...] = ()
    listeners: tuple[Listener, ...] = ()
    webuis: tuple[AnsweringPort, ...] = ()
    clients: tuple[ForeignClient, ...] = ()
    disks: tuple[Disk, ...] = ()
    memory: Memory | None = None
    foreign: StrangeFiles | None = None
    logs: Mapping[str, ProgramLog] = {}
    daemon_log: tuple[str, ...] = ()
    """The last lines of supervisord's log."""
    boot: tuple[str, ...] = ()
    """The files that start supervisord when the host starts."""
    denials: tuple[str, ...] = ()
    """The refusals of SELinux within the last hour, each as a sentence."""
    files: Mapping[str, str | None] = {}
    """The SHA-256 of files that deploy writes; None where there is none."""
    asked: tuple[Asked, ...] = ()


def parsed(found: Found) -> Facts | None:
    """The facts in doctor.py's answer; None where the host has no Python at all. Raises CannotLook."""
    # A broken Python complains before it works.
    text = found.text.strip().rpartition("\n")[2]
    try:
        facts: Facts | None = msgspec.convert(json.loads(text), Facts | None, str_keys=True)
    except msgspec.ValidationError as error:
        raise CannotLook(f"the answer to doctor's look is not as doctor.py gives it: {error}") from error
    except (ValueError, RecursionError) as error:
        raise CannotLook(f"the answer to doctor's look is no JSON: {found.text[-300:]}") from error
    return facts
