"""Many addresses, one real sshd: a host of the sandbox, whose loopback has all of 127.0.0.0/8."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Sandbox, free_network

from .delay import FAR, delayed
from .job import FOLDER

PORT = 2222
SSHD = f"""\
Port {PORT}
PidFile none
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
UsePAM no
UseDNS no
# As Debian ships it.
Subsystem sftp /usr/lib/openssh/sftp-server
# All connections come from one machine, and plain Fabric opens them all at once.
MaxStartups 2000
PerSourceMaxStartups none
"""


@dataclass(frozen=True, slots=True)
class Farm:
    """The place where contenders run, and the addresses that they may reach from there."""

    work: Path
    """For the files that contenders read."""
    sandbox: Sandbox
    near: Path
    """The network namespace of the host itself: 127.0.1.1 and up are right there."""
    far: Path
    """A namespace from which 10.77.255.0/24 is a round trip of 50 ms away."""

    @property
    def key(self) -> Path:
        return self.sandbox.key

    def known_hosts(self, addresses: list[str]) -> str:
        """The text of a known_hosts file with a line per address, as for that many hosts."""
        key = " ".join(self.sandbox.known_hosts.read_text().split()[1:3])
        return "".join(f"[{address}]:{PORT} {key}\n" for address in addresses)

    def addresses(self, count: int, far: bool) -> list[str]:
        """127.0.1.1, 127.0.1.2 … or, from afar, 10.77.255.1 …"""
        if far:
            return [f"{FAR}.{last}" for last in range(1, count + 1)]
        return [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(count)]

    def clear(self, pattern: str) -> None:
        """Remove the host's files in FOLDER whose names match."""
        self.shell(f"find {FOLDER} -name '{pattern}' -delete")

    def put(self, paths: list[str], content: bytes) -> None:
        """The same file at many paths of the host."""
        words = " ".join(paths)
        self.sandbox.exec("node1", "sh", "-c", f"tee {words} >/dev/null && chmod 644 {words}", input=content)

    def ran(self) -> dict[str, bytes]:
        """The files that the command left for every address: its proof that it ran there."""
        output = self.shell(f"cd {FOLDER} && find . -name '*.ran' -exec tar cf - {{}} +")
        return _untar(output)

    def shell(self, script: str) -> bytes:
        """The output of a script at the host's console."""
        return self.sandbox.exec("node1", "sh", "-c", script).stdout


@contextmanager
def farm() -> Iterator[Farm]:
    """A host with an sshd of the benchmark's own; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        work = Path(folder)
        sandbox = Sandbox(work / "sandbox", free_network())
        try:
            sandbox.up(1)
            sandbox.exec("node1", "tee", "/etc/ssh/sshd_bench", input=SSHD.encode())
            sandbox.exec("node1", "/usr/sbin/sshd", "-f", "/etc/ssh/sshd_bench")
            sandbox.exec("node1", "mkdir", "-p", FOLDER)
            near = Port(sandbox.network, "node1", 0).namespace
            with delayed(near) as far:
                yield Farm(work, sandbox, near, far)
        finally:
            sandbox.down()


def _untar(archive: bytes) -> dict[str, bytes]:
    if not archive:
        return {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return {
            Path(member.name).stem: stream.read()
            for member in files
            if member.isfile() and (stream := files.extractfile(member))
        }


def inside(namespace: Path) -> list[str]:
    """The words that run a command in a network namespace; they become it, so that its usage is its own."""
    return ["nsenter", f"--net={namespace}", "--"]
