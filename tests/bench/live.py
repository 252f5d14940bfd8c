"""`fab status --watch` on 128 hosts: what it takes of a core here (`./run bench live`).

The hosts are one machine under 128 addresses, which shares the cores with fab: so a look takes longer than on hosts of
their own, and what counts is the CPU of one look.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from contextlib import suppress

from .contenders import PROJECT
from .farm import PORT, Farm, farm, inside
from .logs import FAB, ROLES, cpu

HOSTS, SECONDS, EVERY = 128, 60, 2.0
TOOK = re.compile(rb"a look takes ([\d.]+) s")


def described(made: Farm) -> str:
    """The path of a hosts.toml for all of them."""
    addresses = made.addresses(HOSTS, far=False)
    (made.work / "known_hosts").write_text(made.known_hosts(addresses))
    first, *others = (f'[hosts.h{number}]\naddress = "{address}"\n' for number, address in enumerate(addresses))
    rest = "".join(f"{one}roles = {{ processor = 4 }}\n" for one in others)
    login = f'key = "{made.key}"\nknown_hosts = "known_hosts"\nport = {PORT}\n'
    path = made.work / "live.toml"
    path.write_text(f'[cluster]\nname = "live"\n[defaults]\n{login}{first}roles = {ROLES}\n{rest}')
    return str(path)


def command(made: Farm, hosts_toml: str, *words: str) -> dict[str, object]:
    environment = {**os.environ, "HOSTS_TOML": hosts_toml, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50"}
    return {"args": [*inside(made.near), str(FAB), *words], "cwd": PROJECT, "env": environment}


def watched(made: Farm, hosts_toml: str) -> None:
    main, side = os.openpty()
    drawn = bytearray()

    def read() -> None:
        with suppress(OSError):
            while data := os.read(main, 65536):
                drawn.extend(data)
                del drawn[:-100_000]

    process = subprocess.Popen(stdin=side, stdout=side, stderr=side, **command(made, hosts_toml, "status", "--watch"))  # type: ignore[call-overload]
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
    looks = SECONDS / max(EVERY, took[-1])
    share = f"{100 * used / SECONDS:.0f} % of a core while a look takes {took[-1]:.1f} s"
    each = (
        f"{used / looks:.2f} s of CPU a look, {100 * used / looks / EVERY:.0f} % of a core at one every {EVERY:.0f} s"
    )
    print(f"{HOSTS} hosts: {share}; {each}", flush=True)


def main() -> None:
    with farm() as made:
        path = described(made)
        for step in ("account", "python"):
            subprocess.run(**command(made, path, "-H", "h0", f"step.{step}"), check=True)  # type: ignore[call-overload]
        watched(made, path)
