"""The job of every contender, as one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

FOLDER = "/srv/bench"
WORKERS = 32

Workload = Literal["command", "changed", "unchanged"]
"""A command; a changed file of 4 KiB and a command; the same file, already there."""


@dataclass(frozen=True, slots=True)
class Job:
    """One workload over many addresses of one port, with root's key."""

    workload: Workload
    addresses: list[str]
    port: int
    key: str
    known_hosts: str
    hosts_toml: str
    source: str
    """The 4 KiB on the control machine; on a host they go to FOLDER/ADDRESS.conf."""

    @property
    def command(self) -> str:
        """Leaves its proof in FOLDER/ADDRESS.ran, and says so. The same words for every host."""
        made = "uname -n" if self.workload == "command" else f"cat {FOLDER}/$3.conf"
        return f"set -- $SSH_CONNECTION; {made} >{FOLDER}/$3.ran && echo ran"

    def proof(self) -> bytes:
        """The file that the command leaves on a host."""
        return b"node1\n" if self.workload == "command" else Path(self.source).read_bytes()

    def save(self, path: Path) -> Path:
        path.write_text(json.dumps(asdict(self)))
        return path


def target(address: str) -> str:
    """Where an address has its file."""
    return f"{FOLDER}/{address}.conf"


def load(path: str) -> Job:
    """The job in a file that `save` wrote."""
    return Job(**json.loads(Path(path).read_text()))
