"""What status and doctor saw, as faults with keys that stay the same while their texts change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..doctor.findings import Finding
from ..doctor.findings import View as Examined
from ..health.host import HostStatus
from ..health.verdict import ClusterView
from ..inventory import Fleet
from ..inventory.order import role_of
from ..inventory.roles import QUEUES, ROLES, STORES
from .changes import Observed
from .speed import Speed

CLUSTER = "@cluster"
REACH = "@ssh"
DOCTOR = "@doctor"
OF_STATUS = (
    *("unreachable", "unseen", "not-set-up", "bare", "backoff", "stopped", "halted", "failing", "restarting"),
    *("rpc-mute", "hung", "queue-stuck", "tasks-lost", "two-schedulers", "supervisord-hung"),
)
"""Findings that status tells of, within seconds."""


def of_status(view: ClusterView, speed: Speed | None) -> Observed:
    """The faults of hosts, programs, stores, queues and the crawl."""
    hosts = [of_host(one) for one in view.hosts]
    own = sum(len(one.faults) for one in hosts)
    # A cluster's problems follow those of its hosts.
    shared = {f"{_name(text)}{CLUSTER}/fault": text for text in view.problems()[own:]}
    waiting = sum(view.redis.queues.values()) if view.redis and view.redis.ok else 0
    if speed and (slow := speed.fallen(waiting)):
        shared[f"crawl{CLUSTER}/fault"] = slow
    blind = frozenset(_unknown(view)) | _unasked(view.fleet, (one.host.name for one in view.hosts))
    whole = Observed(blind=blind)
    whole = Observed({key: text for key, text in shared.items() if whole.sees(key)}, blind)
    for one in hosts:
        whole |= one
    return whole


def _unknown(view: ClusterView) -> Iterator[str]:
    """The areas of the cluster of which nothing can be said.

    A host that is away is one fault, and not one for each store and program on it.
    """
    away = {one.host.name for one in view.hosts if one.unseen}
    if not view.complete or away == {one.host.name for one in view.hosts}:
        yield CLUSTER
    yield from (f"{role.name}{CLUSTER}" for role in STORES if view.fleet.stores.of(role).host in away)
    yield from (f"{name}{CLUSTER}" for name in view.fleet.asked if view.answers(name) is None and away)
    # Status judges queues and tasks where all programs are well, and Redis tells of them.
    mute = not (view.redis and view.redis.ok)
    if mute or any(one.problems() for one in view.hosts):
        yield from (f"{name}{CLUSTER}" for name in (*QUEUES, "tasks"))
    if mute:
        yield f"crawl{CLUSTER}"


def of_host(one: HostStatus) -> Observed:
    """The faults of one host; nothing is known of its programs where it could not be looked at."""
    name = one.host.name
    problems = one.problems()
    if one.unseen:
        return Observed({f"{name}{REACH}/reach": text for text in problems}, frozenset({name}))
    faults: dict[str, str] = {}
    for text in problems:
        key = f"{name}/{_name(text.removeprefix(f'{name}: '))}"
        faults[_free(key, faults)] = text
    return Observed(faults)


def of_doctor(fleet: Fleet, view: Examined, found: Iterable[Finding]) -> Observed:
    """Doctor's findings, but those that status tells of."""
    faults: dict[str, str] = {}
    for one in found:
        if one.id not in OF_STATUS:
            kind = f"{one.id} (a warning)" if one.warning else one.id
            key = f"{one.host}{DOCTOR}/{one.id}{_about(one.evidence)}"
            faults[_free(key, faults)] = f"{one.host}: {kind}: {one.evidence}; fix: {one.fix}"
    return Observed(faults, unexamined(fleet, (one.name for one in view.seen)))


def unexamined(fleet: Fleet, examined: Iterable[str] = ()) -> frozenset[str]:
    """The areas of doctor's findings on hosts that it did not see."""
    seen = set(examined)
    return frozenset(f"{host.name}{DOCTOR}" for host in fleet.hosts if host.name not in seen)


def _about(evidence: str) -> str:
    """The path or program that a finding's evidence names first: two full disks are two faults."""
    words = [word.strip("'\"`:;,()") for word in evidence.split()]
    return next((f" {word}" for word in words if word.startswith("/") or role_of(word) in ROLES), "")


def _unasked(fleet: Fleet, asked: Iterable[str]) -> frozenset[str]:
    seen = set(asked)
    names = [host.name for host in fleet.hosts if host.name not in seen]
    return frozenset(area for name in names for area in (name, f"{name}{REACH}"))


def _name(text: str) -> str:
    """The subject of a problem, which is the first word of its sentence."""
    words = [word.strip(":,") for word in text.split()]
    return next((word for word in words if not word.isdigit() and word not in ("the", "its")), "fault")


def _free(key: str, taken: Mapping[str, str]) -> str:
    """The key, with a number where another fault of the same look has it."""
    number = 1
    while (numbered := key if number == 1 else f"{key}#{number}") in taken:
        number += 1
    return numbered
