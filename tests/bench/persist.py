"""`fab status` on 32 hosts 50 ms away, by each client, cold and over open connections: `./run bench persist`.

Nothing is installed on the hosts: the time is that of logins, of one look, and of the questions to the stores.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median

from .contenders import PROJECT
from .farm import PORT, Farm, farm, inside
from .measure import Usage, measure

HOSTS, ROUNDS = 32, 5
ROLES = "roles = { mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }\n"
PERSIST = "Host *\n ControlMaster auto\n ControlPath {folder}/%C\n ControlPersist 60\n"


def described(made: Farm, client: str) -> Path:
    """A hosts.toml for hosts that are reached by this client."""
    addresses = made.addresses(HOSTS, far=True)
    (made.work / "known_hosts").write_text(made.known_hosts(addresses))
    login = f'key = "{made.key}"\nknown_hosts = "known_hosts"\nport = {PORT}\nssh = "{client}"\n'
    tables = [f'[hosts.h{number}]\naddress = "{address}"\n' for number, address in enumerate(addresses)]
    path = made.work / f"{client}.toml"
    path.write_text(f'[cluster]\nname = "persist"\n[defaults]\n{login}{tables[0]}{ROLES}{"".join(tables[1:])}')
    return path


def status(made: Farm, hosts_toml: Path, *words: str) -> Usage:
    """One run; every host has to be looked at. They are not healthy, since there is nothing on them."""
    command = [PROJECT / ".venv/bin/fab", *words, "status"]
    used = measure([*inside(made.far), *map(str, command)], {"HOSTS_TOML": str(hosts_toml)}, PROJECT)
    assert used.status == 1 and "unreachable" not in used.output, used.output[-3000:]
    return used


def disconnect(folder: Path) -> None:
    """End the connections that wait for a next command."""
    for socket in folder.iterdir():
        end = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"]
        subprocess.run(end, capture_output=True, check=False)


def main() -> None:
    found: dict[str, list[Usage]] = {}

    def one(name: str, client: str, *words: str) -> None:
        found.setdefault(name, []).append(status(made, described(made, client), *words))

    with farm() as made:
        sockets = made.work / "open"
        sockets.mkdir()
        config = made.work / "persist"
        config.write_text(PERSIST.format(folder=sockets))
        for _ in range(ROUNDS):
            one("paramiko", "paramiko")
            one("ssh", "openssh")
            try:
                one("ssh, ControlPersist, cold", "openssh", "-S", str(config))
                one("ssh, ControlPersist, warm", "openssh", "-S", str(config))
            finally:
                disconnect(sockets)
    for name, runs in found.items():
        walls = sorted(run.wall for run in runs)
        cpu = median(run.cpu for run in runs)
        print(f"{name:28} {median(walls):5.2f} s ({walls[0]:.2f} to {walls[-1]:.2f})   {cpu:5.2f} s of CPU")
