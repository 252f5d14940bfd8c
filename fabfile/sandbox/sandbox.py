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
from .wishes import Wish, refuse_odd, refuse_others, wished

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
        base: Base | Mapping[str, Base] = "full",
        say: Say = lambda _: None,
        *,
        init: Init | Mapping[str, Init] | None = None,
        release: str | Mapping[str, str] = "",
    ) -> None:
        """See to it that node1 to node<hosts> run and answer, whatever state they are in: off, cut, half made.

        `base`, `init` and `release` are those of all hosts, or by name. A host that is not named keeps its own; a new
        one gets the full base, no init, and this machine's own release of its distribution.
        Hosts that run go on undisturbed, and disks stay. Raises Problem when the network or the tools
        are missing, and when the hosts that there are lie over another base, or have another init or release.
        """
        if not 1 <= hosts <= MOST:
            raise WrongInput(f"a sandbox has 1 to {MOST} hosts, not {hosts}")
        refuse_odd(release)
        _require()
        with self._locked(make=True):
            self.network.claim(self.state)
            write_whole(self.state / "network", self.network.prefix, 0o644)
            wanted = [self._host(number) for number in range(1, hosts + 1)]
            wishes = wished(wanted, base, init, release)
            refuse_others(wanted, wishes)
            if any(one.init == "systemd" for one in wishes.values()):
                make_room(say)
            self._install(wanted, wishes, say)
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

    def _install(self, wanted: list[SandboxHost], wishes: Mapping[str, Wish], say: Say) -> None:
        """Keys, disks and the files that tell ssh about them; whole ones stay."""
        if not self.key.exists():
            make_key(self.key, "sandbox")
        files = {"etc/ssh/authorized_keys": self.key.with_suffix(".pub").read_text(), "etc/resolv.conf": ""}
        for host in wanted:
            wish = wishes[host.name]
            # A host that was made before needs the proxy again.
            more = self._way_out(wish) if wish.base == "bare" else {}
            if not host.installed():
                root = image(wish.base, say, init=wish.init, release=wish.release)
                host.install(root, files | more, init=wish.init)
        self._introduce()

    def _way_out(self, wish: Wish) -> dict[str, str]:
        """The files by which a host reaches the packages of its release, through a proxy that runs."""
        archive, proxy = archive_of(wish.release), Proxy(self.network, self.state)
        proxy.start(archive)
        return proxy.apt_files(archive)

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
