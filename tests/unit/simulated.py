"""A cluster behind the SSH boundary: hosts whose supervisord, releases and pulses behave, or misbehave, as told."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fabfile import plan
from fabfile.errors import Unreachable
from fabfile.health.pulse import KEY
from fabfile.inventory import Fleet, Host, load
from fabfile.inventory.order import role_of
from fabfile.runs.lock import TAKEN
from fabfile.runs.options import Options
from fabfile.runs.run import Looked, Run
from fabfile.runs.target import Target
from fabfile.ssh.pool import Links
from fabfile.ssh.protocol import Event, Message
from fabfile.steps.base import Action, Found, Probe, Step

from . import sights
from .patients import PROJECT
from .redis_server import RedisServer, serving

OLD = "01d01d01d01d"
ITEM = re.compile(r"^i(\d+)\(\) \{\nset --[^\n]*\n(.*?)\n\}\n(?:p|\[[^\n]* a) \1$", re.DOTALL | re.MULTILINE)
EXTERNAL_REDIS = '[stores.redis]\nhost = "192.0.2.9"\npassword = false\n'


@dataclass(frozen=True)
class Made:
    """The step by which a release is made current."""

    id: str
    name: str = "release"

    def probe(self) -> Probe:
        return Probe("read current")

    def diff(self, found: Found) -> Sequence[Action]:
        return [] if found.text == self.id else [Action(f"make release {self.id} current", f"R={self.id} current")]


@dataclass
class SimulatedHost:
    """One host; `breaks` names programs that the new release breaks, and how: fatal, failing, silent."""

    fleet: Fleet
    host: Host
    server: RedisServer
    breaks: dict[str, str] = field(default_factory=dict)
    down: bool = False
    first: bool = False
    """Whether the new release is the only one that is kept."""
    told: list[str] = field(default_factory=list)
    operator: str = ""

    def __post_init__(self) -> None:
        self.current, self.pid = OLD, 100
        self.kept_stopped: list[str] = []
        self.schedulers: list[int] = []
        self.installed = self.supervised = self.page = True
        self.away = self.locked = False
        names = [one.name for one in self.fleet.programs(self.host)]
        supervision = plan.supervision(self.fleet, self.host)
        self.new = plan.release(self.fleet, self.host).id
        self.prints = {OLD: dict.fromkeys(names, "01d"), self.new: dict(supervision.programs.wanted)}
        self.digest = supervision.start.digest
        self.programs: dict[str, dict[str, Any]] = {}
        for name in names:
            self.begin(name)

    def begin(self, name: str) -> None:
        self.pid += 1
        release = self.prints[self.current][name]
        how = self.breaks.get(name, "") if self.current == self.new else ""
        self.programs[name] = {"name": name, "state": "FATAL" if how == "fatal" else "RUNNING",
                               "pid": None if how == "fatal" else self.pid, "release": release}  # fmt: skip
        pulse = {"pid": self.pid, "role": role_of(name), "at": 9.0, "began": 1.0, "asked_at": 8.0, "state": "works"}
        if how == "failing":
            pulse |= {"taken": 1, "failed": 5, "last_error": "KeyError: 'x'"}
        if how != "silent":
            self.server.client.hset(KEY, f"{self.host.name}/{name}", json.dumps(pulse))
        if how == "failing":
            self.server.client.rpush("fetcher2processor:failed", b"KeyError: 'x'\npage of " + name.encode())

    # The link.

    def exchange(self, message: Message, on_event: Callable[[Event], None] = lambda _: None) -> dict[int, Found]:
        if self.down:
            raise Unreachable(f"{self.host.name}: no route to host")
        scripts = ITEM.findall(message.script.decode())
        found: dict[int, Found] = {}
        failed = False
        for index, (_, script) in enumerate(scripts):
            if index < message.actions and failed:
                continue
            found[index] = self.run(script.replace("'\"'\"'", "'"))
            failed = failed or found[index].status != 0
            on_event(Event("end", index, found[index].text, found[index].status))
        return found

    def run(self, script: str) -> Found:
        if made := re.search(r"^R=(\w+)", script, re.MULTILINE):
            self.current = made[1]
            self.told.append(f"current {'old' if made[1] == OLD else 'new'}")
            return Found(0)
        if script == "read current":
            return Found(0, self.current)
        if " look " in script:
            return self.sight()
        if "each take" in script:
            self.told.append("remove files")
            self.installed = False
            return Found(0)
        if "each there" in script:
            return Found(0, "there /home/work/distri_pyspider\n" if self.installed else "")
        if 'echo "kind $kind"' in script:
            return Found(0, "kind cron\n")
        if '"$L/owner"' in script:
            takes = 'mkdir "$N"' in script
            if not (takes and self.locked):
                self.told.append("lock" if takes else "unlock")
            return Found(TAKEN if takes and self.locked else 0)
        if '"$1" logins' in script:
            return Found(0, '{"mysql": {}, "redis": null}')
        verbs = re.findall(r" (apply|stop|purpose|releases|end) '?(\{.*\})", script)
        assert verbs, script
        answers = [self.releases() if verb == "releases" else self.changed(verb, json.loads(options))
                   for verb, options in verbs]  # fmt: skip
        return answers[-1]

    def changed(self, verb: str, options: dict[str, Any]) -> Found:
        if verb == "end":
            self.told.append("end supervisord")
            self.supervised = False
            return Found(0)
        if verb == "purpose":
            self.told.append(f"keep {' '.join(options['stop'])} stopped")
            self.kept_stopped = options["stop"]
            return Found(0)
        if verb == "stop":
            self.told.append(f"stop {' '.join(options['stop'])}")
            for name in options["stop"]:
                self.programs[name] |= {"state": "STOPPED", "pid": None}
            return Found(0)
        self.told.append(f"restart {' '.join(options['restart'])}")
        for name in options["restart"]:
            self.begin(name)
        fatal = [name for name in options["restart"] if self.programs[name]["state"] == "FATAL"]
        return Found(1, f"{fatal[0]} is FATAL\n  | ImportError: no module x") if fatal else Found(0)

    def sight(self) -> Found:
        return sights.found(
            programs=list(self.programs.values()), current=f"releases/{self.current}",
            supervisord={"answers": not self.away, "state": "RUNNING", "pid": 1, "errno": 2},
            answers={"webui": {"ok": self.page, "why": "500"}},
            supervisords=[{"pid": 1, "conf": self.digest}] if self.supervised else [], situation={"deployed": True},
            stopped=self.kept_stopped, schedulers=self.schedulers,
        )  # fmt: skip

    def releases(self) -> Found:
        texts = {
            name: "\n".join(f'[program:{one}]\nenvironment=PYSPIDER_RELEASE="{mark}"\n' for one, mark in marks.items())
            for name, marks in self.prints.items()
        }
        kept = [
            {
                "id": name,
                "before": "",
                "deployed": at,
                "deploy": f"d{at}",
                "runtime": "",
                "files": {"programs.conf": name},
            }
            for at, name in ((2, self.new), (1, OLD))
            if not (self.first and name == OLD)
        ]
        answer = {"current": self.current, "releases": kept, "texts": texts, "runtime": None, "runtimes": []}
        return Found(0, json.dumps(answer))

    def tunnel(self, _address: str, _port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), 5)

    def rest(self) -> None:
        pass

    resume = close = rest


class Simulated(Links):
    """The links of a simulated cluster."""

    def __init__(self, fleet: Fleet, server: RedisServer) -> None:
        super().__init__()
        server.client.flushall()
        self.fleet = fleet
        self.hosts = {host.name: SimulatedHost(fleet, host, server) for host in fleet.hosts}

    def __getitem__(self, host: Host) -> Any:
        return self.hosts[host.name]

    def prepare(self, *_: Any) -> Links:
        return self

    def run(self, **flags: str) -> Run:
        config = SimpleNamespace(run=SimpleNamespace(dry=False))
        return Run(Target(self.fleet, self.fleet.hosts, (), self, config), Options(**flags), reports=False)

    def steps(self, host: Host) -> list[Step]:
        """As those of a deploy: the release, then the programs."""
        return [Made(self.hosts[host.name].new), plan.supervision(self.fleet, host, take_files=True)]

    def look(self, run: Run, hosts: Sequence[Host] | None = None) -> dict[str, Looked]:
        return run.look(self.steps, hosts)

    def outcomes(self, run: Run) -> dict[str, str]:
        return {one.host: one.status for one in run.recorder.outcomes(self.fleet.hosts)}

    def causes(self, run: Run) -> dict[str, str]:
        return {one.host: one.cause for one in run.recorder.outcomes(self.fleet.hosts) if one.cause}

    def now(self) -> dict[str, str]:
        """The release that each host has."""
        return {name: "old" if one.current == OLD else "new" for name, one in self.hosts.items()}


# A module of tests names those of these fixtures that it wants.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with serving(tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """The shipped cluster, with a Redis of somebody else that wants no password."""
    path = tmp_path / "hosts.toml"
    text = (PROJECT / "hosts.toml").read_text().replace("mysql = 1, redis = 1,", "mysql = 1,")
    path.write_text(text.replace("[stores.redis]\n", EXTERNAL_REDIS))
    return load(path)


@pytest.fixture
def cluster(fleet: Fleet, server: RedisServer) -> Simulated:
    return Simulated(fleet, server)
