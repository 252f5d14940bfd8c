"""The contenders, and the command line with which each does a job."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .job import WORKERS, Job, Workload

PROJECT = Path(__file__).parent.parent.parent
PEERS = PROJECT / ".venv-peers" / "bin"
"""Where pyinfra and Ansible may be: pyinfra needs an older paramiko than this project."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to do a job, for the workloads that it can do."""

    name: str
    words: Callable[[Job, Path], list[str]]
    workloads: tuple[Workload, ...]
    needs: str = ""
    """A program that has to be installed."""
    few: bool = False
    """Too slow for many hosts: it does the smaller workloads only."""

    def missing(self) -> bool:
        return bool(self.needs) and found(self.needs) is None


def found(program: str) -> str | None:
    """Where a program is, among the peers or on the PATH."""
    return shutil.which(program, path=f"{PEERS}:{os.environ.get('PATH', '')}")


def _module(name: str) -> Callable[[Job, Path], list[str]]:
    return lambda _job, file: [sys.executable, "-m", f"tests.bench.{name}", str(file)]


def _fab(job: Job, _file: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("fab")), "run", job.command]


def _xargs(job: Job, file: Path) -> list[str]:
    listed = file.with_suffix(".addresses")
    listed.write_text("\n".join(job.addresses) + "\n")
    words = ["xargs", "-a", str(listed), f"-P{WORKERS}", "-I{}", "ssh", *_ssh_options(job)]
    # OpenSSH's default, which resists quantum computers, costs more; paramiko has not got it.
    return [*words, "-o", "KexAlgorithms=curve25519-sha256", "root@{}", job.command]


def _ssh_options(job: Job) -> list[str]:
    options = {"StrictHostKeyChecking": "yes", "UserKnownHostsFile": job.known_hosts, "IdentitiesOnly": "yes"}
    pairs = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", "-i", job.key, "-p", str(job.port), *pairs]


def _pyinfra(_job: Job, _file: Path) -> list[str]:
    peers = Path(__file__).parent / "peers"
    return [str(found("pyinfra")), "-y", str(peers / "inventory.py"), str(peers / "deploy.py")]


def _ansible(job: Job, file: Path) -> list[str]:
    inventory = file.with_suffix(".ini")
    inventory.write_text("\n".join(job.addresses) + "\n")
    login = f"--user=root --forks={WORKERS}".split()
    # Its connections stay open for a minute otherwise, and the next run would not begin cold.
    ssh = ["--ssh-common-args", " ".join([*_ssh_options(job), "-o ControlMaster=no -o ControlPath=none"])]
    return [str(found("ansible")), "all", "-i", str(inventory), *login, *ssh, "-m", "raw", "-a", job.command]


def environment(job: Job, file: Path) -> dict[str, str]:
    """The variables that some contenders read."""
    return {
        "BENCH_JOB": str(file),
        "BENCH_COMMAND": job.command,
        "HOSTS_TOML": job.hosts_toml,
        "PYTHONPATH": str(PROJECT),
    }


TYPED, ENGINE = "fab run", "the engine alone"
"""The command that a user of this project types; the same work without the command line, from Python."""
FABRIC, XARGS = "plain Fabric", "xargs ssh"
ALL: tuple[Workload, ...] = ("command", "changed", "unchanged")
CONTENDERS = (
    Contender(TYPED, _fab, ("command",)),
    Contender(ENGINE, _module("ours"), ALL),
    Contender(FABRIC, _module("plain"), ALL),
    Contender("bare paramiko", _module("bare"), ("command",)),
    Contender(XARGS, _xargs, ("command",), "xargs"),
    Contender("pyinfra", _pyinfra, ALL, "pyinfra"),
    # Its other modules need Python on the hosts; a bare host has none.
    Contender("Ansible raw", _ansible, ("command",), "ansible", few=True),
)


def installed(module: str) -> bool:
    """Whether a Python module is there, without importing it."""
    return importlib.util.find_spec(module) is not None
