"""Throw-away hosts on this machine, with real namespaces and a real sshd: the demo and the tests use the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import Problem, Say, WrongInput
from ..local import only_writer, write_whole
from .archive import archive_of
from .cgroups import make_room
from .host import HostState, SandboxHost, make_key
from .image import Base, Init, image
from .network import Network, Port, free_network
from .services import Proxy, serve
from .state import hand_over_keys, make_state, refuse_foreign

__all__ = ["Base", "HostState", "Init", "Sandbox", "free_network"]

FIRST = 11
"""The last number of node1's address."""
MOST = 200
TOOLS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "ssh-keygen": "openssh-client",
    "tinyproxy": "tinyproxy-bin",
}


class Sandbox:
    """Hosts node1, node2 … at 10.77.N.11, .12 …; all there is to know about them is in one directory.

    Everything needs root on Linux. The directory is root's, the key and the files for ssh are the
    caller's; that key is as good as root on this machine: a host is no prison. A change waits for the change
    that another process makes. A sandbox that exists keeps the network it was made on, whatever `network` says.
    """

    def __init__(self, state: Path, network: str = "10.77.0") -> None:
        # Its own name is not resolved: root works in no link that somebody has put there.
        self.state = state.parent.resolve() / state.name
        self._new_network = Network.parse(network)
        self.key = self.state / "id_ed25519"
        self.known_hosts = self.state / "known_hosts"
        self.ssh_config = self.state / "ssh_config"

    @property
    def network(self) -> Network:
        """Where the hosts are, or will be."""
        kept = self.state / "network"
        return Network.parse(kept.read_text()) if kept.exists() else self._new_network

    def up(
        self,
        hosts: int = 3,
        base: Base = "full",
        say: Say = lambda _: None,
        *,
        init: Init | Mapping[str, Init] | None = None,
        release: str = "",
    ) -> None:
        """See to it that node1 to node<hosts> run and answer, whatever state they are in: off, cut, half made.

        `init` is that of all hosts, or by name. A host that it does not name keeps its own; a new one
        gets none. New hosts have that `release` of this machine's distribution, without it the machine's own.
        Hosts that run go on undisturbed, and disks stay. Raises Problem when the network or the tools
        are missing, and when the hosts that there are lie over another base, or have another init or release.
        """
        if not 1 <= hosts <= MOST:
            raise WrongInput(f"a sandbox has 1 to {MOST} hosts, not {hosts}")
        if release and not release.isidentifier():
            raise WrongInput(f"{release!r} is no code name of a release; name one like trixie")
        _require()
        with self._locked(make=True):
            self.network.claim(self.state)
            write_whole(self.state / "network", self.network.prefix, 0o644)
            wanted = [self._host(number) for number in range(1, hosts + 1)]
            inits = _inits(wanted, init)
            self._refuse_other_base(wanted, base, inits, release)
            if "systemd" in inits.values():
                make_room(say)
            self._install(wanted, base, say, inits, release)
            for host in wanted:
                host.resume()
                host.start()
            hand_over_keys(self.state, (self.key, self.key.with_suffix(".pub"), self.known_hosts, self.ssh_config))
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(_settle, wanted))

    def down(self) -> None:
        """Remove hosts, network and files, whole, whatever is left of them; nothing left is fine."""
        _require()
        with self._locked(make=False):
            Proxy(self.network, self.state).stop()
            self.network.release(self.state)
            shutil.rmtree(self.state, ignore_errors=True)

    def status(self) -> list[HostState]:
        """How each host is, in the order of their numbers."""
        _require()
        return [host.state() for host in self._hosts()]

    def names(self) -> list[str]:
        """The hosts that have been made."""
        return [host.name for host in self._hosts()]

    def address(self, name: str) -> str:
        """A host's address, whether it runs or not."""
        return self._named(name).address

    def kill(self, name: str) -> None:
        """Power off at once; connections just go silent. The disk stays."""
        with self._changing(name) as host:
            host.kill()

    def start(self, name: str) -> None:
        """Power on with the same disk and plug the cable in; returns when sshd answers."""
        with self._changing(name) as host:
            self._require_up()
            host.start()
            host.wait()

    def cut(self, name: str) -> None:
        """Pull the network cable; the host runs on."""
        with self._changing(name) as host:
            host.port.plug(False)

    def heal(self, name: str) -> None:
        """Plug the network cable in again."""
        with self._changing(name) as host:
            host.port.plug(True)

    def pause(self, name: str) -> None:
        """Freeze all of a host: it accepts connections and never answers."""
        with self._changing(name) as host:
            host.pause()

    def resume(self, name: str) -> None:
        """Let a paused host go on."""
        with self._changing(name) as host:
            host.resume()

    def exec(
        self, name: str, *argv: str, input: bytes | None = None, check: bool = True, limit: float = 60.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as root at the host's console, not by ssh: it works on a host whose cable is cut.

        Raises Problem when it fails (unless `check` is false), takes more than `limit` seconds or the
        host is not up.
        """
        _require()
        result = self._named(name).exec(argv, input, limit)
        if check and result.returncode != 0:
            words = result.stderr.decode(errors="replace").strip()
            raise Problem(f"{name}: {argv[0]} ended with status {result.returncode}: {words[-300:]}", detail=words)
        return result

    def serve(self, directory: Path, port: int = 8000) -> str:
        """The URL at which hosts find the files of a directory; served until `down`."""
        _require()
        with self._locked(make=False):
            self._require_up()
            return serve(self.network, directory.resolve(), port, self.state / "site.log")

    def _require_up(self) -> None:
        if self.network.holder() != self.state:
            raise Problem(f"the sandbox in {self.state} is not up: run fab sandbox.up first")

    def _install(
        self, wanted: list[SandboxHost], base: Base, say: Say, inits: Mapping[str, Init], release: str
    ) -> None:
        """Keys, disks and the files that tell ssh about them; whole ones stay."""
        if not self.key.exists():
            make_key(self.key, "sandbox")
        files = {"etc/ssh/authorized_keys": self.key.with_suffix(".pub").read_text(), "etc/resolv.conf": ""}
        if base == "bare":
            archive, proxy = archive_of(release), Proxy(self.network, self.state)
            proxy.start(archive)
            files |= proxy.apt_files(archive)
        for host in wanted:
            if not host.installed():
                init = inits[host.name]
                host.install(image(base, say, init=init, release=release), files, init=init)
        self._introduce()

    def _introduce(self) -> None:
        """Tell every host all names, and ssh on this machine all keys, if there are new ones."""
        hosts = [host for host in self._hosts() if host.installed()]
        known = "".join(f"{host.name},{host.address} {host.public_host_key}\n" for host in hosts)
        if self.known_hosts.exists() and self.known_hosts.read_text() == known:
            return
        names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in hosts)
        for host in hosts:
            host.write("etc/hosts", names)
        each = "".join(f"Host {host.name}\n  HostName {host.address}\n" for host in hosts)
        write_whole(self.ssh_config, each + _SSH.format(key=self.key, known_hosts=self.known_hosts), 0o644)
        # Last: while it is not complete, this is done again.
        write_whole(self.known_hosts, known, 0o644)

    def _refuse_other_base(
        self, wanted: list[SandboxHost], base: Base, inits: Mapping[str, Init], release: str
    ) -> None:
        for host in wanted:
            if host.installed() and host.init != inits[host.name]:
                raise Problem(
                    f"{host.name} was made with --init {host.init}, not {inits[host.name]}: take the sandbox down first"
                )
            if host.installed() and release not in ("", host.release):
                raise Problem(f"{host.name} is of {host.release}, not of {release}: take the sandbox down first")
            if host.installed() and host.base.parent.name != base:
                raise Problem(
                    f"{host.name} lies over the {host.base.parent.name} base, not the {base} one: "
                    "take the sandbox down first"
                )

    def _host(self, number: int) -> SandboxHost:
        name = f"node{number}"
        return SandboxHost(self.state / name, Port(self.network, name, FIRST + number - 1))

    def _hosts(self) -> list[SandboxHost]:
        numbers = (path.name.removeprefix("node") for path in self.state.glob("node*"))
        return [self._host(number) for number in sorted(int(text) for text in numbers if text.isdigit())]

    def _named(self, name: str) -> SandboxHost:
        hosts = {host.name: host for host in self._hosts()}
        if name not in hosts:
            there = ", ".join(hosts) or "none: run fab sandbox.up first"
            raise WrongInput(f"the sandbox has no host {name!r} (its hosts: {there})")
        return hosts[name]

    @contextmanager
    def _changing(self, name: str) -> Iterator[SandboxHost]:
        _require()
        with self._locked(make=False):
            yield self._named(name)

    @contextmanager
    def _locked(self, make: bool) -> Iterator[None]:
        """One change at a time. Where there is no directory there is nothing to lock, unless `make`."""
        if make:
            make_state(self.state)
        refuse_foreign(self.state)
        with ExitStack() as held:
            with suppress(FileNotFoundError):
                held.enter_context(only_writer(self.state / "lock"))
            yield


def _inits(hosts: list[SandboxHost], init: Init | Mapping[str, Init] | None) -> dict[str, Init]:
    """The init of each host by name: the one that was asked for, else its own."""
    asked: Mapping[str, Init] = {}
    if init is not None:
        asked = {host.name: init for host in hosts} if isinstance(init, str) else init
    if unknown := asked.keys() - {host.name for host in hosts}:
        raise WrongInput(f"init: the sandbox has no host {', '.join(sorted(unknown))}")
    return {host.name: asked.get(host.name, host.init) for host in hosts}


_SSH = """\
Host node*
  User root
  IdentityFile "{key}"
  IdentitiesOnly yes
  UserKnownHostsFile "{known_hosts}"
  StrictHostKeyChecking yes
  ConnectTimeout 5
"""


def _settle(host: SandboxHost) -> None:
    """Wait until it can be logged in to; one that runs without answering (a dead sshd) is restarted once."""
    if not host.answers(10):
        host.kill()
        host.start()
    host.wait()


def _require() -> None:
    """Raises Problem, in one sentence, where a sandbox cannot be."""
    if not sys.platform.startswith("linux"):
        raise Problem("the sandbox needs Linux: it is made of network namespaces")
    if os.geteuid() != 0:
        raise Problem("the sandbox needs root, for network namespaces: run it as root or with sudo")
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        raise Problem(
            f"the sandbox needs Debian packages that are not installed: apt-get install {' '.join(sorted(missing))}"
        )
