"""What an operator does while the cluster crawls."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ..e2e.conftest import Cluster
from .faults import Event

OPTIONS = {
    "scheduler": ("scheduler", "loop-limit = 900"),
    "fetcher": ("fetcher", "timeout = 110"),
    "processor": ("processor", "process-time-limit = 29"),
    "result_worker": ("result_worker", 'result-cls = "pyspider.result.ResultWorker"'),
    "webui": ("webui", "max-rate = 500.0"),
    "phantomjs": ("phantomjs", 'args = ["--load-images=false"]'),
}
BROKEN = ("processor", 'processor-cls = "nowhere.Processor"')
"""A release whose processors end at their start."""


def with_option(text: str, section: str, line: str) -> str:
    """hosts.toml with one option of pyspider's more, or another value of it."""
    key = line.partition(" =")[0]
    head, heading, rest = text.partition(f"[pyspider.{section}]\n")
    assert heading, f"hosts.toml has no [pyspider.{section}]"
    own, bracket, others = rest.partition("\n[")
    own = re.sub(rf"^{re.escape(key)} = .*\n?", "", own, flags=re.MULTILINE)
    return f"{head}{heading}{line}\n{own}{bracket}{others}"


@contextmanager
def deployed(cluster: Cluster, _rng: random.Random, role: str) -> Iterator[str]:
    text = cluster.hosts_toml.read_text()
    cluster.hosts_toml.write_text(with_option(text, *OPTIONS[role]))
    try:
        cluster.fab("deploy")
        yield role
    finally:
        cluster.hosts_toml.write_text(text)


@contextmanager
def broken(cluster: Cluster, _rng: random.Random) -> Iterator[str]:
    """It is refused by its own trial; the others still run the old one."""
    text = cluster.hosts_toml.read_text()
    cluster.hosts_toml.write_text(with_option(text, *BROKEN))
    try:
        told = cluster.fab("deploy", status=1)
        assert "No module named nowhere" in told.stdout, told.stdout
        yield "processor"
    finally:
        cluster.hosts_toml.write_text(text)


@contextmanager
def typed(cluster: Cluster, _rng: random.Random, *words: str) -> Iterator[str]:
    cluster.fab(*words)
    yield " ".join(words)


@contextmanager
def scaled(cluster: Cluster, rng: random.Random) -> Iterator[str]:
    role, host = rng.choice(("fetcher", "processor", "result_worker")), rng.choice(("node2", "node3"))
    before = cluster.hosts_toml.read_text()
    cluster.fab("scale", f"{role}=4", "-H", host)
    number = 2 if role == "processor" else 1
    cluster.fab("scale", f"{role}={number}", "-H", host)
    assert cluster.hosts_toml.read_text() == before
    yield f"{host}/{role}"


def another_release(cluster: Cluster) -> None:
    """There is a release to go back to: the one of hosts.toml as it is."""
    text = cluster.hosts_toml.read_text()
    cluster.hosts_toml.write_text(with_option(text, *OPTIONS["processor"]))
    cluster.fab("deploy")
    cluster.hosts_toml.write_text(text)


@contextmanager
def rolled_back(cluster: Cluster, _rng: random.Random) -> Iterator[str]:
    cluster.fab("rollback")
    yield "all hosts"


@contextmanager
def moved(cluster: Cluster, _rng: random.Random) -> Iterator[str]:
    cluster.fab("move-scheduler", "--to", "node2")
    yield "node1 to node2"


@contextmanager
def taken_out(cluster: Cluster, _rng: random.Random) -> Iterator[str]:
    kept = cluster.folder / "whole.toml"
    kept.write_text(cluster.hosts_toml.read_text())
    cluster.fab("-H", "node3", "decommission", "--yes")
    yield "node3"


def back_in(cluster: Cluster) -> None:
    cluster.hosts_toml.write_text((cluster.folder / "whole.toml").read_text())
    cluster.fab("-H", "node3", "bootstrap")
    cluster.fab("deploy")


def deployed_again(cluster: Cluster) -> None:
    cluster.fab("deploy")


def moved_back(cluster: Cluster) -> None:
    cluster.fab("move-scheduler", "--to", "node1")


CHANGES = (
    *(Event(f"deploy, option of {role}", partial(deployed, role=role), after=deployed_again) for role in OPTIONS),
    Event("deploy of a broken release", broken, after=deployed_again),
    Event("reload", lambda cluster, rng: typed(cluster, rng, "reload")),
    Event("restart", lambda cluster, rng: typed(cluster, rng, "restart")),
    Event("scale up and down", scaled),
    Event("passwords.rotate", lambda cluster, rng: typed(cluster, rng, "passwords.rotate")),
    Event("rollback", rolled_back, before=another_release, after=deployed_again),
    Event("move-scheduler", moved, after=moved_back),
    Event("decommission", taken_out, after=back_in),
)
