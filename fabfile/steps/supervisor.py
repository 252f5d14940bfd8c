"""supervisord and its programs: the look at them, sockets, leftovers, and the programs themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .ground import SOUND
from .preflight import Preflight
from .shell import cmd, lines
from .shipped import as_root, as_work, shipped
from .sight import Sight, Stranger, parsed

FOLDER = "/opt/pyspider/boot"
"""The place of the files by which a host starts a cluster; only root writes there."""
REFUSED = 111
"""ECONNREFUSED on Linux: a socket file without a process behind it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a cluster's supervisord, the same on each of its hosts."""

    user: str
    home: str
    logs: str
    conf: str
    socket: str
    python: str
    unit: str = ""
    """The name of systemd's service for it, on hosts where systemd runs."""
    pidfile: str = ""
    stopped: str = ""
    """The file of the programs that were stopped on purpose."""

    def options(self, **more: object) -> dict[str, object]:
        where = {"socket": self.socket, "conf": self.conf, "home": self.home, "logs": self.logs, "unit": self.unit}
        own = {"pidfile": self.pidfile, "stopped": self.stopped, "folder": FOLDER}
        return {**where, **own, "user": self.user, **more}

    def as_root(self, verb: str, **more: object) -> str:
        """A script that runs what was shipped (its first payload) as root."""
        return as_root(self.python, verb, self.options(**more))

    def as_work(self, verb: str, **more: object) -> str:
        """The same as the cluster's user."""
        return as_work(self.user, self.python, verb, self.options(**more))


@dataclass(frozen=True, slots=True)
class Questions:
    """Further questions to this host: the web UI over HTTP, RPC servers by name."""

    webui: Mapping[str, object] = field(default_factory=dict)
    rpc: Mapping[str, str] = field(default_factory=dict)
    work: bool = False
    """Whether the work of its programs is looked at as well: with a halted one, that takes a second."""
    spent: bool = False
    """Whether it tells what its programs and the host use."""


def look(place: Place, questions: Questions | None = None, preflight: Preflight | None = None) -> Probe:
    """Everything about programs on one host, as one JSON object; shared by all steps here and by status.

    With a preflight, the look is at all that is beside supervisord as well.
    """
    asked = questions or Questions()
    beside = preflight and preflight.options()
    options = place.options(webui=dict(asked.webui), rpc=dict(asked.rpc), preflight=beside, work=asked.work)
    whose = f"{place.python}: others than root can change it, and root runs it; make all on the way there root's alone"
    script = lines(
        SOUND,
        f"[ -x {cmd(place.python)} ] || {{ echo null; exit 0; }}",
        f"sound {cmd(place.python)} || {{ {cmd('echo', whose)}; exit 0; }}",
        f'{cmd(place.python)} "$1" look "$2"',
    )
    return Probe(script, (shipped(), Payload(json.dumps(options).encode())), limit=45)


def own(place: Place, found: Found) -> Sight | None:
    """The sight of a host where supervisord is this project's to change.

    Raises Problem where its configuration or its socket is somebody else's: their programs would be ended.
    """
    sight = parsed(found)
    if sight and (why := claimed(place, sight)):
        raise Problem(f"nothing was changed here: {'; '.join(why)}")
    return sight


def claimed(place: Place, sight: Sight) -> tuple[str, str] | None:
    """Somebody else's claim on supervisord's place, and the way on; None where there is none."""
    if not (sight.strangers or sight.foreign_conf):
        return _hides(place, sight.hidden) if sight.hidden else None
    holder = next(iter(sight.strangers), None)
    if holder and holder.holds == "socket":
        return (
            f"on {place.socket} answers a supervisord that this project did not start ({_described(holder)})",
            "give the cluster a socket of its own in hosts.toml: [cluster] socket",
        )
    programs = ", ".join(sight.foreign_conf or ())
    under = _described(holder) if holder else f"it names {programs}, and no supervisord runs with it now"
    return (
        f"{place.conf} is somebody else's ({under})",
        "give the cluster a file of its own in hosts.toml: [cluster] "
        'supervisord_conf = "/etc/pyspider-supervisord.conf"',
    )


def _hides(place: Place, hidden: str) -> tuple[str, str]:
    return (
        f"{place.conf} would come before {hidden}, which is somebody else's, for every supervisorctl without -c, as in "
        "Debian's supervisor.service: its stop would end this cluster",
        'name another one in hosts.toml: [cluster] supervisord_conf = "/etc/pyspider-supervisord.conf"',
    )


def _described(holder: Stranger) -> str:
    running = ", ".join(holder.running) or "no program"
    return f"supervisord, pid {holder.pid} of {holder.user}, runs {running}"


def needed(place: Place, found: Found) -> Sight:
    """The same, where there is a runtime; raises CannotLook where there is none."""
    if (sight := own(place, found)) is None:
        raise CannotLook("there is no Python for pyspider; run `fab bootstrap` for this host first")
    return sight


def action(says: str, script: str, limit: float = 60) -> Action:
    """An action whose script runs what was shipped, its first payload."""
    return Action(says, script, (shipped(),), limit=limit)


@dataclass(frozen=True, slots=True)
class Untouched:
    """Configuration and socket of supervisord are this project's, or nobody's."""

    place: Place
    name: str = "nobody else's supervisord"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        own(self.place, found)
        return []


@dataclass(frozen=True, slots=True)
class Sockets:
    """No stale supervisor.sock: one on which nothing answers and whose process is gone."""

    place: Place
    name: str = "sockets"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = own(self.place, found)
        if sight is None:
            return []
        if sight.socket_kind not in (None, "a socket"):
            what = f"{self.place.socket}: {sight.socket_kind} is in the way, where supervisord makes its socket"
            raise Problem(f"nothing was changed here: {what}; see who put it there, and move it away")
        server = sight.supervisord
        # A live supervisord's socket is the only guard against a second one: never remove it.
        stale = sight.socket and not server.answers and server.errno == REFUSED and not sight.supervisords
        return [action(f"remove the stale {self.place.socket}", self.place.as_root("clear"))] if stale else []


@dataclass(frozen=True, slots=True)
class Leftovers:
    """No process of this cluster whose supervisord is dead: it would run beside its successor."""

    place: Place
    name: str = "leftovers"

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = own(self.place, found)
        left = [one for one in sight.leftovers if one.ours] if sight else []
        if not left:
            return []
        names = ", ".join(sorted(item.name for item in left))
        items = [item.as_data() for item in left]
        script = self.place.as_root("end", end=items, signals=[("SIGINT", 5), ("SIGTERM", 5), ("SIGKILL", 5)])
        return [action(f"end what a dead supervisord left running: {names}", script)]


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a host of which nothing is wanted."""

    place: Place
    questions: Questions | None = None
    name: str = "look"

    def probe(self) -> Probe:
        return look(self.place, self.questions)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []
