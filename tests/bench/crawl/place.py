"""The hosts of the race: the shipped cluster with its stores on a host of their own."""

from __future__ import annotations

import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fabfile.inventory import Fleet
from fabfile.inventory import load as load_fleet
from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Sandbox, free_network

from ...e2e.conftest import Cluster, brought_up
from ...e2e.faults import SHELL
from .site import Site, serving

STORES = "node4"
HOSTS = ("node1", "node2", "node3", STORES)
FIRST = "mysql = 1, redis = 1, scheduler = 1"
BEFORE = "\n# MySQL holds the tasks"
OWN = f"""
[hosts.{STORES}]
address = "10.77.0.14"
roles = {{ mysql = 1, redis = 1 }}
"""


@dataclass(frozen=True)
class Place:
    """A deployed cluster, and the site that is crawled."""

    cluster: Cluster
    site: Site
    password: str
    """For what the contenders need in the stores, besides the cluster's own."""

    @property
    def fleet(self) -> Fleet:
        return load_fleet(self.cluster.hosts_toml)

    @property
    def stores(self) -> str:
        """The address of both stores."""
        return self.cluster.sandbox.address(STORES)

    def namespace(self, host: str) -> Path:
        return Port(self.cluster.sandbox.network, host, 0).namespace

    @property
    def namespaces(self) -> list[Path]:
        return [self.namespace(host) for host in HOSTS]

    def sql(self, *statements: str) -> list[list[str]]:
        """The rows that the last statement gives."""
        text = ";\n".join(statements).encode()
        output = self.cluster.sandbox.exec(STORES, "mariadb", "-N", input=text).stdout.decode()
        return [line.split("\t") for line in output.splitlines()]

    def redis(self, db: int, *commands: str) -> list[str]:
        """The lines of the answers to commands in that database."""
        lines = "\n".join((f"SELECT {db}", *commands))
        # The first two lines tell of the login and of the choice.
        return self.cluster.on(STORES, f"{SHELL}redis '{lines}'").splitlines()[2:]

    def redis_password(self) -> str:
        return self.fleet.stores.redis.password.reveal() if self.fleet.stores.redis.password else ""

    def put(self, host: str, path: str, text: str) -> None:
        """A file on a host that only its user `work` can read."""
        script = f"umask 077; cat >{path}; chown work: {path}"
        self.cluster.sandbox.exec(host, "sh", "-c", script, input=text.encode())


def described(text: str) -> str:
    """hosts.toml, with the stores on a host of their own."""
    assert FIRST in text and BEFORE in text
    return text.replace(FIRST, "scheduler = 1").replace(BEFORE, OWN + BEFORE)


@contextmanager
def place() -> Iterator[Place]:
    """Hosts of their own, gone at the end, also after Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="pyspider-bench-") as scratch:
        folder = Path(scratch)
        sandbox = Sandbox(folder / ".sandbox", free_network())
        try:
            made = brought_up(folder, sandbox, threading.Lock(), "systemd", count=len(HOSTS), change=described)
            made.fab("stop")
            with serving(sandbox) as site:
                yield Place(made, site, secrets.token_hex(16))
        finally:
            # A second Ctrl-C would leave hosts behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sandbox.down()
