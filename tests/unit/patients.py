"""Hosts on which all is well, as doctor's look answers, and changes of one fact."""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabfile.doctor.checks import CHECKS
from fabfile.doctor.facts import Facts, parsed
from fabfile.doctor.findings import Patient, View, findings
from fabfile.inventory import Fleet, Host
from fabfile.render import config_json_masked, program_sections
from fabfile.steps.base import Found

from . import sights

PROJECT = Path(__file__).parent.parent.parent
Answer = dict[str, Any]
CONF = "/etc/supervisord.conf"
SOCKET = "/home/work/supervisor/supervisor.sock"
BIN = "/opt/pyspider/current/bin"
CONFIG = "/home/work/distri_pyspider/current/config.json"
RPC = {"scheduler": ["newtask", "size"], "fetcher": ["fetch", "size"]}


def sections(fleet: Fleet, host: Host) -> list[Answer]:
    commands = [line[8:] for line in program_sections(fleet, host, "r").splitlines() if line.startswith("command=")]
    return [
        {"name": program.name, "role": program.role, "words": shlex.split(command), "log": program.log, "merged": True}
        for program, command in zip(fleet.programs(host), commands, strict=True)
    ]


def asked(fleet: Fleet, roles: list[str]) -> Answer:
    address = fleet.hosts[0].address
    config = json.loads(config_json_masked(fleet))
    for name in ("taskdb", "projectdb", "resultdb"):
        config[name] = {"scheme": f"mysql+{name}", "host": address, "port": 3306, "path": name, "odd_password": False}
    config["message-queue"] = {"scheme": "redis", "host": address, "port": 6379, "path": "0", "odd_password": False}
    mysql = {"errno": 0, "error": None, "max_connections": 500, "max_allowed_packet": 64 << 20, "connected": 20}
    queues = {"newtask_queue": 0, "status_queue": 0, "scheduler2fetcher": 0}
    return {
        "python": "/opt/pyspider/current/bin/python", "path": CONFIG, "roles": roles,
        "file": {"path": CONFIG, "mode": 0o600, "mtime": 100.0},
        "interpreter": {
            "version": [2, 7, 18], "modules": {}, "versions": {"click": "6.7", "tornado": "4.5.3"}, "cext": False,
            "curl_https": True, "curl": "libcurl",
        },
        "config": config,
        "places": {name: f"{address}:3306/{name}" for name in ("taskdb", "projectdb", "resultdb")}
        | {"message_queue": f"{address}:6379/0"},
        "mysql": {name: dict(mysql) for name in ("taskdb", "projectdb", "resultdb")},
        "redis": {
            "db": 0, "error": None, "code": "", "policy": "noeviction", "clients": [],
            "queues": queues | {"fetcher2processor": 0, "processor2result": 0},
        },
        "rpc": {role: {"url": f"http://{address}/", "methods": RPC[role], "error": None} for role in RPC},
        "phantomjs": {"where": "p:25555", "status": 403, "error": None},
    }  # fmt: skip


def facts_of(fleet: Fleet, host: Host) -> Answer:
    """The answer of remote/doctor.py on a host on which all is well."""
    configured = sections(fleet, host)
    live = [
        {
            "pid": 100 + index, "parent": 50, "role": one["role"], "name": one["name"], "words": one["words"],
            "held": True, "nofile": 4096, "state": "S", "kb": 40000, "user": "work", "ticks": 1,
        }
        for index, one in enumerate(configured)
    ]  # fmt: skip
    programs = [
        {"name": one["name"], "state": "RUNNING", "pid": one["pid"], "uptime_s": 500, "log": True, "why": ""}
        for one in live
    ]
    ports = {"webui": 5000, "scheduler": 23333, "fetcher": 24444, "phantomjs": 25555}
    listeners = [
        {
            "address": host.address,
            "port": ports[one["role"]],
            "pid": one["pid"],
            "name": "python2.7",
            "line": [one["pid"], 50],
            "waiting": 0,
        }
        for one in live
        if one["role"] in ports
    ]
    conf = {
        "path": CONF, "sections": ["unix_http_server", "rpcinterface:supervisor", "supervisorctl", "supervisord"],
        "programs": configured, "socket": SOCKET, "ctl": SOCKET, "inet": None,
    }  # fmt: skip
    return {
        "ours": True, "clock": 1000.0, "clock_off": 0.1, "conf": conf, "socket_path": SOCKET,
        "socket": {"path": SOCKET, "owner": "work", "mode": 0o700, "kind": "socket"},
        "layout": {
            "supervisord": f"{BIN}/supervisord", "supervisorctl": f"{BIN}/supervisorctl", "user": "work", "unit": "",
            "rooted": True, "lost": [],
        },
        "pidfile": {"path": "p", "pid": 50, "alive": True},
        "sight": {
            "supervisord": {"answers": True, "pid": 50, "errno": None, "why": ""}, "programs": programs,
            "leftovers": [], "supervisords": [{"pid": 50}], "schedulers": [], "unit": None,
            "strangers": [], "foreign_conf": None,
        },
        "daemons": [{"pid": 50, "user": "work", "conf": CONF, "programs": len(live)}],
        "components": live, "listeners": listeners,
        "webuis": [
            {**one, "status": 401, "kind": "answer", "error": None} for one in listeners if one["port"] == 5000
        ],
        "disks": [{"path": "/", "bytes": 100 << 30, "free": 50 << 30, "inodes": 1000000, "inodes_free": 900000}],
        "foreign": {"count": 0, "paths": []},
        "logs": {one["name"]: {"files": [{"path": one["log"], "size": 9}], "tail": []} for one in configured},
        "daemon_log": [], "clients": [], "boot": ["/etc/rc2.d/S01pyspider-demo"], "files": {},
        "memory": {"bytes": 8 << 30, "free": 4 << 30},
        "asked": [asked(fleet, sorted({one["role"] for one in configured}))],
    }  # fmt: skip


def understood(answer: Answer) -> Facts:
    facts = parsed(Found(0, json.dumps(answer | {"sight": sights.answer(**answer["sight"])})))
    assert facts
    return facts


def view(fleet: Fleet, changes: dict[str, Callable[[Answer], Any]] | None = None) -> View:
    patients = []
    for host in fleet.hosts:
        seen = copy.deepcopy(facts_of(fleet, host))
        if changes and host.name in changes:
            changes[host.name](seen)
        patients.append(Patient(host, understood(seen)))
    return View(fleet, tuple(patients))


def diagnosis(fleet: Fleet, **changes: Callable[[Answer], Any]) -> list[tuple[str, str]]:
    return [(one.id, one.host) for one in findings(view(fleet, changes), CHECKS)]


def set_in(path: str, value: Any) -> Callable[[Answer], None]:
    """Change one fact: `asked.0.redis.error`."""

    def change(seen: Answer) -> None:
        *parents, last = path.split("/")
        place: Any = seen
        for word in parents:
            place = place[int(word)] if isinstance(place, list) else place[word]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def both(*changes: Callable[[Answer], Any]) -> Callable[[Facts], None]:
    def change(seen: Answer) -> None:
        for one in changes:
            one(seen)

    return change
