"""A host's answer to the look at supervisord: what a test does not say of it is as on a host where all is well."""

from __future__ import annotations

import json
from typing import Any

from fabfile.steps.base import Found
from fabfile.steps.sight import Sight, sighted

PROGRAM = {"state": "RUNNING", "pid": 7, "uptime_s": 9, "release": "r", "log": True, "why": ""}
SITUATION = {
    "deployed": True, "runtime": True, "conf": "/etc/supervisord.conf", "socket": "/s", "daemons": [], "processes": 5,
}  # fmt: skip
PARTS: dict[str, dict[str, Any]] = {
    "programs": PROGRAM,
    "leftovers": {"ticks": 1, "name": "?", "ours": True},
    "supervisords": {"ticks": 1, "conf": "d"},
    "strangers": {"user": "root", "conf": "/etc/supervisord.conf", "holds": "conf", "running": []},
    "unwritable": {"why": "no", "owner": None},
}
ANSWER: dict[str, Any] = {
    "supervisord": {"answers": True, "state": "RUNNING", "pid": 1, "errno": None},
    "socket": True,
    "socket_kind": "a socket",
    "programs": [],
    "leftovers": [],
    "supervisords": [],
    "unit": None,
    "strangers": [],
    "foreign_conf": None,
    "hidden": None,
    "schedulers": [],
    "log_sizes": {},
    "current": None,
    "answers": {},
    "firewall": {"mechanism": "nftables", "holds": True},
}
MACHINE: dict[str, Any] = {
    "disks": [],
    "memory": None,
    "daemons": [],
    "listeners": [],
    "stores": {},
    "unwritable": [],
}


def answer(**given: Any) -> dict[str, Any]:
    """The whole of an answer of which these parts are given."""
    whole = ANSWER | _parts(given)
    if whole["unit"]:
        whole["unit"] = {"state": "running", "stale": False} | whole["unit"]
    if whole.get("situation"):
        whole["situation"] = SITUATION | whole["situation"]
    if "preflight" in whole:
        whole["preflight"] = MACHINE | _parts(whole["preflight"])
    return whole


def _parts(given: dict[str, Any]) -> dict[str, Any]:
    return {key: [PARTS[key] | one for one in value] if key in PARTS else value for key, value in given.items()}


def sight(**given: Any) -> Sight:
    """The same, parsed."""
    return sighted(answer(**given))


def found(**given: Any) -> Found:
    """The same, as it comes from the host."""
    return Found(0, json.dumps(answer(**given)))
