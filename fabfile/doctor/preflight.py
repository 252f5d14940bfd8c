"""The checks that run by themselves before each deploy: what would make it fail, or do harm. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..inventory import Fleet, Host
from .checks import CHECKS
from .checks.network import HOW
from .findings import Check, Finding, Hit, Patient, View, findings

FULL = 32 << 20
"""Bytes: with less, neither a release nor the programs' logs find room."""
FEW_INODES = 200
TITLES = {"mysql": "MySQL", "redis": "Redis"}
_BY_ID = {check.id: check for check in CHECKS}
_AS_THEY_ARE = tuple(_BY_ID[name] for name in ("two-supervisords", "disk-full", "inodes", "memory"))


@dataclass(frozen=True, slots=True)
class Objection:
    """Something that deploy should know, and whether going on would do harm."""

    finding: Finding
    grave: bool

    def __str__(self) -> str:
        return f"{self.finding.evidence} ({self.finding.id}); {self.finding.fix}"


def objections(fleet: Fleet, host: Host, sight: Mapping[str, Any], roles: Collection[str] = ()) -> list[Objection]:
    """What supervise.py's look with a preflight tells about a host; empty where all is well."""
    if "preflight" not in sight:
        return []
    view = View(fleet, (Patient(host, {"ours": True, "sight": sight, **sight["preflight"]}),))
    return [
        Objection(one, _grave(one, sight["preflight"])) for one in findings(view, _checks(fleet, host, sight, roles))
    ]


def _checks(fleet: Fleet, host: Host, sight: Mapping[str, Any], roles: Collection[str]) -> Sequence[Check]:
    def checked(name: str, hits: Iterable[Hit]) -> Check:
        return replace(_BY_ID[name], find=lambda _: hits)

    return [
        checked("mysql-refused", _stores(fleet, host, sight, "mysql")),
        checked("redis-refused", _stores(fleet, host, sight, "redis")),
        checked("port-in-use", _taken(fleet, host, sight, roles)),
        checked("root-owned", _unwritable(fleet, host, sight)),
        *_AS_THEY_ARE,
    ]


def _stores(fleet: Fleet, host: Host, sight: Mapping[str, Any], name: str) -> Iterator[Hit]:
    how = sight["preflight"]["stores"].get(name, "open")
    if how != "open":
        store = getattr(fleet.stores, name)
        yield Hit(
            host.name, f"{TITLES[name]} at {store.address}:{store.port}: {HOW.get(how, 'no such name')} from here"
        )


def _taken(fleet: Fleet, host: Host, sight: Mapping[str, Any], roles: Collection[str]) -> Iterator[Hit]:
    """Programs' ports that somebody holds whom this deploy would neither end nor restart."""
    ours = {sight["supervisord"].get("pid")}
    ours.update(one["pid"] for one in (*sight["supervisords"], *sight["leftovers"]))
    for program in fleet.programs(host):
        for one in sight["preflight"]["listeners"]:
            mine = roles and program.role not in roles
            if one["port"] == program.port and one["pid"] and not mine and not ours & set(one["line"]):
                yield Hit(
                    host.name, f"{program.name} wants port {program.port}, which {one['name']} (pid {one['pid']}) holds"
                )


def _unwritable(fleet: Fleet, host: Host, sight: Mapping[str, Any]) -> Iterator[Hit]:
    """What supervisord or a program would fail to open, and deploy can't mend as the cluster's user."""
    user = fleet.cluster.user
    for one in sight["preflight"]["unwritable"]:
        if one["mendable"]:
            continue
        of = f", which belongs to {one['owner']}" if one["owner"] else ""
        made = one["path"] in (fleet.cluster.home, fleet.cluster.logs)
        elsewhere = "let that user write there, or name another path in hosts.toml"
        if one["path"].startswith(("/run/", "/var/run/")):
            elsewhere = "name a path that outlives a reboot in hosts.toml: /run is empty after each"
        fix = f"fab -H {host.name} bootstrap" if made else elsewhere
        yield Hit(host.name, f"{user} can't write {one['path']}{of}: {one['why']}", fix=fix)


def _grave(finding: Finding, seen: Mapping[str, Any]) -> bool:
    match finding.id:
        case "disk-full":
            return any(one["bytes"] and one["free"] < FULL for one in seen["disks"])
        case "inodes":
            return any(one["inodes"] and one["inodes_free"] < FEW_INODES for one in seen["disks"])
        case "mysql-refused" | "redis-refused" | "port-in-use" | "root-owned":
            return True
        case _:
            return False
