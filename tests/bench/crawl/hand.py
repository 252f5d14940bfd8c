"""pyspider as people start it by hand, on the same hosts with the same packages: as many programs of each role."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from fabfile.demo.webui import WebUIClient
from fabfile.inventory import Host
from fabfile.inventory.fleet import Program

from ...waiting import until
from .contenders import HAND, Pyspider

BIN = "/opt/pyspider/current/bin"
HOME = "/srv/hand"
DB = 1
"""The number of its Redis database; the cluster has another."""
STOP_SECONDS = 30
ENV = f"env --default-signal=INT HOME={HOME} LANG=C.UTF-8 OPENSSL_CONF=/dev/null"
"""What a shell starts in the background ignores INT, by which pyspider ends in order."""
USER = f"setpriv --reuid=work --regid=work --clear-groups {ENV}"
END = f"""
cd {HOME}
for pid in $(cat pids 2>/dev/null); do kill -INT -$pid 2>/dev/null; done
n=0
while pgrep -f '[p]yspider -c {HOME}' >/dev/null && [ $n -lt 50 ]; do n=$((n+1)); sleep 0.1; done
for pid in $(cat pids 2>/dev/null); do kill -KILL -$pid 2>/dev/null; done
rm -f pids
"""


def options(host: Host, program: Program) -> list[str]:
    """What is not in config.json, as it differs from one program to the next."""
    return {
        "scheduler": ["--xmlrpc-host", host.address, "--xmlrpc-port", str(program.port)],
        "fetcher": ["--xmlrpc-host", host.address, "--xmlrpc-port", str(program.port)],
        "webui": ["--host", host.address, "--port", str(program.port)],
        "phantomjs": ["--phantomjs-path", "/opt/pyspider/bin/phantomjs", "--port", str(program.port)],
    }.get(program.role, [])


def script(host: Host, programs: list[Program]) -> str:
    """Starts a host's programs, each in a session of its own."""
    lines = [f"cd {HOME}"]
    for program in programs:
        words = [f"{BIN}/pyspider", "-c", f"{HOME}/config.json", program.role, *options(host, program)]
        # A shell that runs no jobs makes no process group: setsid becomes the program itself.
        lines.append(f"setsid {USER} {shlex.join(words)} </dev/null >{program.name}.log 2>&1 & echo $! >>pids")
    return "\n".join(lines)


@dataclass(frozen=True)
class ByHand(Pyspider):
    """pyspider itself: its own run.py, no launcher, no supervisor."""

    name = HAND
    prefix = "hand_"

    @property
    def webui(self) -> WebUIClient:
        return WebUIClient(f"http://{self._first('webui')}")

    def begin(self) -> None:
        self.prepare()
        for host, programs in self._hosts():
            self.place.cluster.on(host.name, script(host, programs))
        until(self.listens, 60)

    def end(self) -> None:
        for host, _ in self._hosts():
            self.place.cluster.on(host.name, END)

    def prepare(self) -> None:
        """A login for it in MySQL, and config.json on every host."""
        user = f"hand@'%' identified by '{self.place.password}'"
        self.place.sql(f"create or replace user {user}", "grant all on `hand\\_%`.* to hand@'%'")
        for host, _ in self._hosts():
            self.place.cluster.on(host.name, f"install -d -o work -g work {HOME}")
            self.place.put(host.name, f"{HOME}/config.json", self.config())

    def config(self) -> str:
        """config.json as pyspider's documentation has it. Holds passwords."""
        stores, password = self.place.stores, self.place.password
        config: dict[str, object] = {
            one: f"mysql+{one}://hand:{password}@{stores}:3306/hand_{one}"
            for one in ("taskdb", "projectdb", "resultdb")
        }
        config |= {
            "message_queue": f"redis://:{self.place.redis_password()}@{stores}:6379/{DB}",
            "phantomjs-proxy": self._first("phantomjs"),
            "fetcher": {"xmlrpc": True},
            "webui": {f"{role}-rpc": f"http://{self._first(role)}/" for role in ("scheduler", "fetcher")},
        }
        return json.dumps(config, indent=1)

    def listens(self) -> bool:
        """Whether every port that its programs open is open."""
        return all(
            f":{program.port} " in self.place.cluster.on(host.name, "ss -ltn")
            for host, programs in self._hosts()
            for program in programs
            if program.port
        )

    def _first(self, role: str) -> str:
        """address:port of the first program of a role."""
        return next(
            f"{host.address}:{program.port}"
            for host, programs in self._hosts()
            for program in programs
            if program.role == role
        )

    def _hosts(self) -> Iterator[tuple[Host, list[Program]]]:
        fleet = self.place.fleet
        for host in fleet.hosts:
            if programs := list(fleet.programs(host)):
                yield host, programs
