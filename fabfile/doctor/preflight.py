"""The checks that run by themselves before each deploy: faults that would make it fail, or do harm. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..inventory import Fleet, Host
from ..inventory.roles import STORES, Role
from ..steps.sight import Listener, Machine, Sight, Unwritable
from ..steps.usage import Disk
from .checks import CHECKS
from .checks.network import HOW
from .checks.resources import ENOUGH, FREE
from .checks.stores import BOOTSTRAP
from .facts import Facts
from .findings import Check, Finding, Hit, Patient, View, findings

FULL = 32 << 20
"""Bytes: with less, neither a release nor the programs' logs find room."""
FEW_INODES = 200
_BY_ID = {check.id: check for check in CHECKS}
_AS_THEY_ARE = tuple(_BY_ID[name] for name in ("two-supervisords", "inodes", "memory"))


@dataclass(frozen=True, slots=True)
class Objection:
    """Something that deploy should know, and whether going on would do harm."""

    finding: Finding
    grave: bool

    def __str__(self) -> str:
        return f"{self.finding.evidence} ({self.finding.id}); {self.finding.fix}"


def objections(fleet: Fleet, host: Host, sight: Sight, roles: Collection[str] = ()) -> list[Objection]:
    """The objections to a deploy that a look with a preflight gives; empty where all is well."""
    if (seen := sight.preflight) is None:
        return []
    patient = Patient(host, _facts(sight, seen))
    found = findings(View(fleet, (patient,)), _checks(fleet, host, sight, seen, roles))
    return [Objection(one, _grave(one, seen)) for one in found]


def _facts(sight: Sight, seen: Machine) -> Facts:
    return Facts(
        ours=True, sight=sight, disks=seen.disks, memory=seen.memory, daemons=seen.daemons, listeners=seen.listeners
    )


def _checks(fleet: Fleet, host: Host, sight: Sight, seen: Machine, roles: Collection[str]) -> Sequence[Check]:
    def checked(name: str, hits: Iterable[Hit]) -> Check:
        return replace(_BY_ID[name], find=lambda _: hits)

    return [
        *(checked(f"{store.name}-refused", _stores(fleet, host, seen, store)) for store in STORES),
        checked("port-in-use", _taken(fleet, host, sight, seen.listeners, roles)),
        checked("root-owned", _unwritable(fleet, host, seen.unwritable)),
        checked("disk-full", _disks(host, seen)),
        *_AS_THEY_ARE,
    ]


def _disks(host: Host, seen: Machine) -> Iterator[Hit]:
    for one in seen.disks:
        text = f"{one.path}: {one.free >> 20} of {one.bytes >> 20} MB are free"
        if one.free < _needed(one):
            text += f", and {_needed(one) >> 20} are needed there"
        elif one.free >= min(ENOUGH, one.bytes * FREE):
            continue
        yield Hit(host.name, text, items=(one.path,))


def _needed(disk: Disk) -> int:
    """The bytes that deploy wants on a disk; of a small one, that somebody has made for less, a part."""
    return min(FULL, disk.bytes // 4)


def _stores(fleet: Fleet, host: Host, seen: Machine, role: Role) -> Iterator[Hit]:
    how = seen.stores.get(role.name, "open")
    if how != "open":
        store = fleet.stores.of(role)
        text = f"{role.title} at {store.address}:{store.port}: {HOW.get(how, 'no such name')} from here"
        # Where a deploy of some hosts brings a new one, the firewall of the store's host does not know it. In the same
        # words for all: equal reasons are told once.
        new = "fab step.firewall, if the host is new in hosts.toml; else " if fleet.cluster.firewall else ""
        yield Hit(host.name, text, fix=f"{new}{BOOTSTRAP}" if new else "")


def _taken(
    fleet: Fleet, host: Host, sight: Sight, listeners: Sequence[Listener], roles: Collection[str]
) -> Iterator[Hit]:
    """Programs' ports with a holder that this deploy would neither end nor restart."""
    ours = {sight.supervisord.pid, *(one.pid for one in sight.supervisords), *(one.pid for one in sight.leftovers)}
    for program in fleet.programs(host):
        if roles and program.role not in roles:
            continue
        for one in listeners:
            if one.port == program.port and one.pid and not ours & set(one.line):
                yield Hit(
                    host.name, f"{program.name} wants port {program.port}, which {one.name} (pid {one.pid}) holds"
                )


def _unwritable(fleet: Fleet, host: Host, paths: Sequence[Unwritable]) -> Iterator[Hit]:
    """The paths that supervisord or a program would fail to open, and that the cluster's user can't replace."""
    user = fleet.cluster.user
    for one in paths:
        if one.mendable:
            continue
        of = f", which belongs to {one.owner}" if one.owner else ""
        made = one.path in (fleet.cluster.home, fleet.cluster.logs)
        elsewhere = "let that user write there, or name another path in hosts.toml"
        if one.path.startswith(("/run/", "/var/run/")):
            elsewhere = "name a path that outlives a reboot in hosts.toml: /run is empty after each"
        fix = f"fab -H {host.name} bootstrap" if made else elsewhere
        yield Hit(host.name, f"{user} can't write {one.path}{of}: {one.why}", fix=fix)


def _grave(finding: Finding, seen: Machine) -> bool:
    match finding.id:
        case "disk-full":
            return any(one.free < _needed(one) for one in seen.disks)
        case "inodes":
            return any(one.inodes and one.inodes_free < FEW_INODES for one in seen.disks)
        case "mysql-refused" | "redis-refused" | "port-in-use" | "root-owned":
            return True
        case _:
            return False
