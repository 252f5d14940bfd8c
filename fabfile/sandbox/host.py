"""One host of a sandbox: a disk that stays, and namespaces with a real sshd that come and go."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import Problem
from . import cgroups, processes
from .image import Init
from .network import Port

Power = Literal["up", "off", "paused"]

WATCH = Path(__file__).with_name("watch.sh")
INIT = Path(__file__).with_name("hostinit.sh")
RUNLEVEL = "#!/bin/sh\necho N 2\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM {pam}
UseDNS no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
"""


@dataclass(frozen=True, slots=True)
class HostState:
    """The state of a host, as `status` tells it."""

    name: str
    address: str
    power: Power
    link: Literal["up", "cut"]
    processes: int
    """How many run inside, its own first one included."""


@dataclass(frozen=True, slots=True)
class SandboxHost:
    """A host whose disk is in `folder`, plugged in at `port`."""

    folder: Path
    port: Port

    @property
    def name(self) -> str:
        return self.port.name

    @property
    def address(self) -> str:
        return self.port.address

    @property
    def public_host_key(self) -> str:
        """Type and key, as a line of known_hosts ends."""
        return " ".join((self.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    @property
    def base(self) -> Path:
        """The image that its disk lies over."""
        return (self.folder / "base").readlink()

    @property
    def init(self) -> Init:
        """The kind of its first process."""
        return "systemd" if (self.folder / "systemd").exists() else "none"

    @property
    def release(self) -> str:
        """The code name of its image's release."""
        return self.base.name.rpartition("-")[0]

    def install(self, base: Path, files: Mapping[str, str], *, init: Init = "none") -> None:
        """Make a new disk: `files` (path on the host -> text) over the image. A host that is on is killed."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        upper = self.folder / "upper"
        # A host's root may give a file the set-uid bit: nobody else on this machine may run it.
        self.folder.mkdir(mode=0o700)
        for folder in (self.folder / "work", self.folder / "root"):
            folder.mkdir(parents=True)
        for path, (text, mode) in self._files(files, init).items():
            (upper / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / path).write_text(text)
            (upper / path).chmod(mode)
        if init == "systemd":
            (self.folder / "systemd").touch()
        make_key(upper / "etc/ssh/ssh_host_ed25519_key", self.name)
        for folder in (upper, *(path for path in upper.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        # Last, and at once: a disk without it is half made.
        (self.folder / "base").symlink_to(base)

    def _files(self, files: Mapping[str, str], init: Init) -> dict[str, tuple[str, int]]:
        """Path on the disk -> text and mode: the files that were asked for, and those that make it a host."""
        plain = {**files, "etc/hostname": f"{self.name}\n"}
        if init == "systemd":
            # Without a number of its own a machine counts as new, and systemd enables all that is installed.
            plain |= {"etc/machine-id": f"{uuid.uuid4().hex}\n", "etc/ssh/sshd_config": SSHD.format(pam="yes")}
            return {path: (text, 0o644) for path, text in plain.items()}
        plain |= {"etc/ssh/sshd_sandbox": SSHD.format(pam="no")}
        # With an init and a run level, a package's daemon starts when it is installed, as on any host.
        programs = {"usr/sbin/init": INIT.read_text(), "usr/sbin/runlevel": RUNLEVEL}
        return {path: (text, 0o644) for path, text in plain.items()} | {
            path: (text, 0o755) for path, text in programs.items()
        }

    def write(self, path: str, text: str) -> None:
        """Put a file on the disk, whether the host is on or off."""
        first = self.first()
        # Through the host's own eyes: below a mounted overlay nothing may be changed.
        root = self.folder / "upper" if first is None else Path(f"/proc/{first}/root")
        (root / path).write_text(text)

    def installed(self) -> bool:
        """Whether there is a whole disk, over an image that is still there."""
        return (self.folder / "base").is_dir()

    def start(self) -> None:
        """Power on; a host that is on stays as it is. `wait` tells when it can be logged in to."""
        self.port.connect()
        if self.power() == "off":
            # Remains of a start that was stopped half way.
            processes.end(self._inside())
            cgroup = cgroups.make(self._cgroup_name) if self.init == "systemd" else ""
            processes.daemon(
                ["nsenter", f"--net={self.port.namespace}", "bash", WATCH, self.folder, self.name, str(cgroup)],
                self.folder / "console.log",
            )

    def answers(self, limit: float) -> bool:
        """Whether its sshd says hello, and users may log in, within the limit."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((self.address, 22), 1) as connection:
                    connection.settimeout(1)
                    if connection.recv(4) == b"SSH-" and not self._closed():
                        return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def _closed(self) -> bool:
        """Whether systemd, which is booting still, lets nobody in but root."""
        return Path(f"/proc/{self.first()}/root/run/nologin").exists()

    def wait(self) -> None:
        """Raises Problem when no sshd answers in time."""
        if not self.answers(15):
            log = self.folder / "console.log"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise Problem(f"{self.name} of the sandbox did not start; its console is in {log}", detail=tail)

    def kill(self) -> None:
        """Power off without a word; the disk stays."""
        # The link first: a host without power sends no FIN and no RST.
        self.port.plug(False)
        processes.end(self._inside())
        if (cgroup := cgroups.cgroup(self._cgroup_name)) is not None:
            cgroups.remove(cgroup)

    def pause(self) -> None:
        """Stop every process, until none runs that another has just started."""
        deadline = time.monotonic() + 10
        while not all(processes.state(pid) in "Tt" for pid in processes.found(self._inside())):
            processes.send(self._inside(), signal.SIGSTOP)
            if time.monotonic() > deadline:
                raise Problem(f"{self.name} cannot be paused: it starts processes faster than they can be stopped")
            time.sleep(processes.POLL_SECONDS)

    def resume(self) -> None:
        """Let every process go on."""
        processes.send(self._inside(), signal.SIGCONT)

    def power(self) -> Power:
        """Off is a host without a first process, whatever else may be left of it."""
        first = self.first()
        if first is None:
            return "off"
        return "paused" if processes.state(first) in "Tt" else "up"

    def state(self) -> HostState:
        """The state that can be seen from outside."""
        count = sum(1 for pid in processes.found(self._inside()) if _inner(pid))
        return HostState(self.name, self.address, self.power(), "up" if self.port.plugged() else "cut", count)

    def first(self) -> int | None:
        """The number, on this machine, of the host's process 1."""
        return processes.first(self._inside())

    def exec(self, argv: tuple[str, ...], stdin: bytes | None, limit: float) -> subprocess.CompletedProcess[bytes]:
        """Run a command as root at the host's console: not by ssh. Raises Problem when the host is not up."""
        first = self.first()
        if first is None or self.power() != "up":
            raise Problem(f"{self.name} is {self.power()}: nothing can run there; start or resume it first")
        enter = [*self._console(), f"--target={first}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        # Ended from inside: if only nsenter were killed, the command would run on.
        bounded = ["timeout", "--signal=KILL", f"{limit:g}"]
        command = [*enter, *clean, *bounded, *argv]
        begun = time.monotonic()
        try:
            result = subprocess.run(command, input=stdin or b"", capture_output=True, check=False, timeout=limit + 5)
        except subprocess.TimeoutExpired as error:
            raise Problem(f"{self.name}: {argv[0]} took more than {limit:.0f} s") from error
        if result.returncode in (-9, 137) and time.monotonic() - begun >= limit:
            raise Problem(f"{self.name}: {argv[0]} took more than {limit:.0f} s")
        return result

    def _console(self) -> list[str]:
        """The words of a command that lead into the host; where systemd runs, into a cgroup beside its own as well."""
        cgroup = cgroups.cgroup(self._cgroup_name) if self.init == "systemd" else None
        if cgroup is None:
            return ["nsenter"]
        return ["sh", "-c", _ENTER_CGROUP, str(cgroup / "console"), "nsenter", "--cgroup"]

    @property
    def _cgroup_name(self) -> str:
        return self.port.namespace.name

    def _inside(self) -> processes.Belongs:
        network = processes.in_network(self.port.namespace)
        if self.init == "none":
            return network
        # A service of systemd may have a network of its own.
        cgroup = cgroups.in_cgroup(self._cgroup_name)
        return lambda pid: network(pid) or cgroup(pid)


_ENTER_CGROUP = 'mkdir -p "$0" && echo $$ >"$0/cgroup.procs" && exec "$@"'


def _inner(pid: int) -> bool:
    """Whether it is in a pid namespace of its own: `unshare`, which waits for the first, is not."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    except OSError:
        return False


def make_key(key: Path, comment: str) -> None:
    """A new ed25519 pair. The private half appears last, and only whole."""
    fresh = key.with_name(f"{key.name}.new")
    for left in (fresh, fresh.with_name(f"{fresh.name}.pub")):
        left.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", fresh], check=True, timeout=30)
    fresh.with_name(f"{fresh.name}.pub").rename(f"{key}.pub")
    fresh.rename(key)
