"""`fab status --watch` on 128 hosts: what it takes of a core here (`./run bench live`).

The hosts are 16 machines of the sandbox, each under eight addresses, since a look reads all processes of its machine.
They share the cores with fab: so a look takes longer than on hosts of their own, and what counts is the CPU.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Sandbox, free_network

from .contenders import PROJECT
from .farm import PORT, SSHD
from .logs import FAB, ROLES, cpu
from .section import replaced

MACHINES, EACH = 16, 8
HOSTS, SECONDS, EVERY, RUNS = MACHINES * EACH, 60, 2.0, 3
COMMAND = "./run bench live"
TOOK = re.compile(rb"a look takes ([\d.]+) s")
FIRST = 100
"""The last number of the first address beside the machines' own."""


@contextmanager
def machines() -> Iterator[tuple[Path, Sandbox]]:
    """A folder, and machines with an sshd of the benchmark's own; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        sandbox = Sandbox(Path(folder) / "sandbox", free_network())
        try:
            sandbox.up(MACHINES)
            for name in sandbox.names():
                sandbox.exec(name, "tee", "/etc/ssh/sshd_bench", input=SSHD.encode())
                sandbox.exec(name, "/usr/sbin/sshd", "-f", "/etc/ssh/sshd_bench")
            yield Path(folder), sandbox
        finally:
            sandbox.down()


def addresses(sandbox: Sandbox) -> dict[str, tuple[str, str]]:
    """Per host its address, and its machine's own; `node1-0` is the machine node1 itself. The others are added here."""
    found = {f"{name}-0": (sandbox.address(name), sandbox.address(name)) for name in sandbox.names()}
    for number, name in enumerate(sandbox.names()):
        namespace = Port(sandbox.network, name, 0).namespace.name
        for more in range(1, EACH):
            address = f"{sandbox.network.prefix}.{FIRST + number * (EACH - 1) + more}"
            subprocess.run(["ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
            found[f"{name}-{more}"] = address, sandbox.address(name)
    return found


def described(work: Path, sandbox: Sandbox) -> str:
    """The path of a hosts.toml for all of them."""
    lines = [line.split(" ", 1) for line in sandbox.known_hosts.read_text().splitlines()]
    keys = {name: key for names, key in lines for name in names.split(",")}
    places = addresses(sandbox)
    known = "".join(f"[{address}]:{PORT} {keys[machine]}\n" for address, machine in places.values())
    (work / "known_hosts").write_text(known)
    first, *others = (f'[hosts.{name}]\naddress = "{address}"\n' for name, (address, _) in places.items())
    rest = "".join(f"{one}roles = {{ processor = 4 }}\n" for one in others)
    login = f'key = "{sandbox.key}"\nknown_hosts = "known_hosts"\nport = {PORT}\n'
    path = work / "live.toml"
    path.write_text(f'[cluster]\nname = "live"\n[defaults]\n{login}{first}roles = {ROLES}\n{rest}')
    return str(path)


def command(hosts_toml: str, *words: str) -> dict[str, object]:
    environment = {**os.environ, "HOSTS_TOML": hosts_toml, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50"}
    return {"args": [str(FAB), *words], "cwd": PROJECT, "env": environment}


@dataclass(frozen=True, slots=True)
class Watched:
    """The CPU of a minute of looks here, and how long the last of them took."""

    used: float
    took: float

    @property
    def each(self) -> float:
        """Seconds of CPU of a look, with all that goes on between two."""
        return self.used * max(EVERY, self.took) / SECONDS

    def __str__(self) -> str:
        return f"{self.each:.2f} s of CPU a look, which takes {self.took:.1f} s"


def watched(hosts_toml: str) -> Watched:
    main, side = os.openpty()
    drawn = bytearray()

    def read() -> None:
        with suppress(OSError):
            while data := os.read(main, 65536):
                drawn.extend(data)
                del drawn[:-100_000]

    process = subprocess.Popen(stdin=side, stdout=side, stderr=side, **command(hosts_toml, "status", "--watch"))  # type: ignore[call-overload]
    threading.Thread(target=read, daemon=True).start()
    while not TOOK.search(drawn) and process.poll() is None:
        time.sleep(0.5)
    time.sleep(EVERY)
    before = cpu(process.pid)
    time.sleep(SECONDS)
    used = cpu(process.pid) - before
    took = [float(one) for one in TOOK.findall(bytes(drawn))] or [0.0]
    os.write(main, b"q")
    process.wait(30)
    return Watched(used, took[-1])


def told(runs: list[Watched]) -> str:
    """The section in docs/benchmark.md."""
    each = [one.each for one in runs]
    took = median(one.took for one in runs)
    return (
        f"## `fab status --watch` on {HOSTS} hosts\n"
        f"A look costs the control machine {median(each):.2f} s of CPU ({min(each):.2f}-{max(each):.2f}, "
        f"{len(runs)} runs of {SECONDS} s):\n"
        f"{100 * median(each) / EVERY:.0f} % of a core at one every {EVERY:.0f} s. Here a look takes {took:.1f} s, "
        f"since {MACHINES} machines under {EACH} addresses each\nshare the cores with fab, which looks less often for "
        "that; the signs of life of all that time are in the CPU.\n"
    )


def main() -> None:
    with machines() as (work, sandbox):
        path = described(work, sandbox)
        nodes = ",".join(f"{name}-0" for name in sandbox.names())
        for step in ("account", "python"):
            subprocess.run(**command(path, "-H", nodes, f"step.{step}"), check=True)  # type: ignore[call-overload]
        runs = []
        for _ in range(RUNS):
            runs.append(watched(path))
            print(runs[-1], flush=True)
    page = PROJECT / "docs/benchmark.md"
    page.write_text(replaced(page.read_text(), COMMAND, told(runs)))
