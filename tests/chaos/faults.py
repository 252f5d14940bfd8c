"""What dies, hangs or is cut off: each fault as a block that causes it, and ends it when it is left."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from fabfile.inventory import load

from ..e2e.conftest import Cluster
from ..e2e.faults import SHELL

STORES = {"MySQL": ("mariadb", "mariadbd"), "Redis": ("redis-server", "redis-server")}
"""The unit and the process of each store; both are on node1."""
CRAWLING = ("scheduler", "fetcher", "processor", "result_worker")
HOSTS = ("node1", "node2", "node3")
ROLES = (*CRAWLING, "webui", "phantomjs")
LASTS = 60.0
Causing = Callable[[Cluster, random.Random], AbstractContextManager[str]]


@dataclass(frozen=True)
class Event:
    """One thing that happens to a cluster; `causing` says to what."""

    name: str
    causing: Causing
    lasts: float = 0
    """Seconds until it ends."""
    seen: bool = False
    """`fab status` must call the cluster unhealthy while it lasts."""
    before: Callable[[Cluster], None] | None = None
    """What it needs, done before the crawl begins."""
    after: Callable[[Cluster], None] | None = None
    """Makes the cluster again as it was, once the crawl is over."""


def programs(cluster: Cluster, role: str) -> list[tuple[str, str]]:
    """The hosts and names of a role's programs."""
    fleet = load(cluster.hosts_toml)
    every = ((host.name, program) for host in fleet.hosts for program in fleet.programs(host))
    return [(host, program.name) for host, program in every if program.role == role]


def kill_one_of_each(cluster: Cluster) -> None:
    """Of those that crawl, all at once."""
    for role in CRAWLING:
        host, name = programs(cluster, role)[-1]
        cluster.on(host, f"{SHELL}kill -KILL $(pid {name})")


@contextmanager
def killed(cluster: Cluster, rng: random.Random, role: str) -> Iterator[str]:
    host, name = rng.choice(programs(cluster, role))
    cluster.on(host, f"{SHELL}kill -KILL $(pid {name})")
    yield f"{host}/{name}"


@contextmanager
def halted(cluster: Cluster, rng: random.Random, role: str) -> Iterator[str]:
    """One that gets no time any more, as on a host that swaps."""
    host, name = rng.choice(programs(cluster, role))
    pid = cluster.on(host, f"{SHELL}pid {name}").strip()
    cluster.on(host, f"kill -STOP {pid}")
    try:
        yield f"{host}/{name}"
    finally:
        cluster.on(host, f"kill -CONT {pid} || true")


@contextmanager
def beheaded(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    host = rng.choice(HOSTS)
    cluster.on(host, f"{SHELL}kill -KILL $(daemon)")
    yield host


@contextmanager
def switched_off(cluster: Cluster, _rng: random.Random, host: str) -> Iterator[str]:
    cluster.sandbox.kill(host)
    try:
        yield host
    finally:
        cluster.sandbox.start(host)


@contextmanager
def cut_off(cluster: Cluster, _rng: random.Random, host: str) -> Iterator[str]:
    cluster.sandbox.cut(host)
    try:
        yield host
    finally:
        cluster.sandbox.heal(host)


@contextmanager
def store_off(cluster: Cluster, _rng: random.Random, store: str) -> Iterator[str]:
    unit, _ = STORES[store]
    cluster.on("node1", f"systemctl stop {unit}")
    try:
        yield store
    finally:
        cluster.on("node1", f"systemctl start {unit}")


@contextmanager
def store_killed(cluster: Cluster, _rng: random.Random, store: str) -> Iterator[str]:
    unit, process = STORES[store]
    cluster.on("node1", f"kill -KILL $(pidof {process})")
    try:
        yield store
    finally:
        # Its own supervisor may start it; one that has no such setting is started by hand.
        cluster.on("node1", f"systemctl start {unit}")


FAULTS = (
    *(Event(f"kill -9 of a {role}", partial(killed, role=role)) for role in ROLES),
    Event("kill -9 of supervisord", beheaded),
    *(Event(f"{host} off", partial(switched_off, host=host), LASTS, seen=True) for host in HOSTS),
    *(Event(f"{store} off", partial(store_off, store=store), LASTS, seen=True) for store in STORES),
    *(Event(f"kill -9 of {store}", partial(store_killed, store=store)) for store in STORES),
    *(Event(f"cable of {host} cut", partial(cut_off, host=host), LASTS, seen=True) for host in HOSTS),
    *(Event(f"SIGSTOP of a {role}", partial(halted, role=role), LASTS, seen=True) for role in ROLES),
)
