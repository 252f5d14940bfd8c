"""The plan: (fleet, host) -> steps. Pure; nothing is asked and nothing is sent here."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import render
from .inventory import Fleet, Host, Program
from .sources import lock_digest
from .steps.account import Account
from .steps.base import Step
from .steps.boot import FOLDER as BOOT_FOLDER
from .steps.boot import Boot
from .steps.daemon import Supervisord
from .steps.directory import Directory
from .steps.files import File
from .steps.logins import Logins
from .steps.packages import Packages
from .steps.phantomjs import PHANTOMJS_PACKAGES
from .steps.release import Release
from .steps.runtime import PYTHON, RUNTIME_PACKAGES, RuntimeSpec
from .steps.stores import STORE_PACKAGES, MySQL, Redis
from .steps.supervisor import Leftovers, Place, Programs, Questions, Sockets, Untouched
from .steps.writable import Writable

WITHOUT = {"mysql": ("phantomjs", "fetcher"), "redis": ("phantomjs",)}
"""The roles that have nothing to do with a store."""
PINS = Path(__file__).parent / "pins" / "py27.txt"


def runtime_spec(fleet: Fleet) -> RuntimeSpec:
    """The Python and the packages that every host of the cluster runs pyspider with."""
    return RuntimeSpec(fleet.python.version, fleet.python.sha256, lock_digest(PINS))


def place(fleet: Fleet) -> Place:
    """Where supervisord lives."""
    cluster = fleet.cluster
    unit = f"pyspider-{cluster.name}"
    return Place(cluster.user, cluster.home, cluster.logs, cluster.supervisord_conf, cluster.socket, PYTHON, unit=unit)


def preflight(fleet: Fleet, host: Host, roles: Collection[str] = ()) -> dict[str, Any]:
    """The preflight of deploy beside supervisord: the disks it writes to, its programs' ports, the stores they need."""
    cluster, stores = fleet.cluster, fleet.stores
    chosen = chosen_programs(fleet, host, roles)
    wanted = [name for name, without in WITHOUT.items() if any(program.role not in without for program in chosen)]
    return {
        "conf": cluster.supervisord_conf,
        "folders": [cluster.home, cluster.logs, "/tmp", "/"],  # noqa: S108  where the exchange itself unpacks
        "ports": [program.port for program in chosen if program.port],
        "stores": {name: [getattr(stores, name).address, getattr(stores, name).port] for name in wanted},
        "user": cluster.user,
        "writes": _writes(fleet, chosen),
    }


def _writes(fleet: Fleet, chosen: Sequence[Program]) -> dict[str, object]:
    """The paths that supervisord and these programs open for writing, all as the cluster's user."""
    cluster = fleet.cluster
    data = fleet.pyspider.data_path or f"{cluster.home}/data"
    files = [program.log for program in chosen] + [f"{cluster.logs}/supervisord.log", cluster.pidfile]
    folders = [cluster.home, cluster.logs, posixpath.dirname(cluster.socket), posixpath.dirname(cluster.pidfile)]
    return {"files": files, "folders": list(dict.fromkeys(folders)), "data": data}


def packages(host: Host) -> Packages:
    """The runtime's libraries, phantomjs' and the stores' servers where the host has their role."""
    tables = {"mysql": STORE_PACKAGES["mysql"], "redis": STORE_PACKAGES["redis"], "phantomjs": PHANTOMJS_PACKAGES}
    wanted = [RUNTIME_PACKAGES, *(table for role, table in tables.items() if host.roles.get(role))]
    families = sorted({family for table in wanted for family in table})
    return Packages({family: tuple(name for table in wanted for name in table.get(family, ())) for family in families})


def account(fleet: Fleet) -> list[Step]:
    """The user that everything runs as, and the directories it owns."""
    cluster = fleet.cluster
    own = [
        Directory(path, cluster.user, cluster.user, mode)
        for path, mode in ((cluster.home, 0o750), (cluster.logs, 0o755))
    ]
    return [Account(cluster.user), *own]


def stores(fleet: Fleet, host: Host) -> list[Step]:
    """The managed MySQL and Redis, on the hosts that have their role."""
    steps: list[Step] = []
    mysql, redis = fleet.stores.mysql, fleet.stores.redis
    if host.roles.get("mysql"):
        names = tuple(sorted(mysql.databases.names()))
        steps.append(MySQL(names, mysql.user, mysql.password.reveal(), host.address, mysql.port))
    if host.roles.get("redis"):
        assert redis.password is not None
        steps.append(Redis(redis.password.reveal(), host.address, redis.port))
    return steps


def release(fleet: Fleet, host: Host) -> Release:
    """config.json, the launcher and the program sections of a host."""
    made = render.release(fleet, host, runtime_spec(fleet).digest)
    return Release(fleet.cluster.user, fleet.cluster.home, made.id, made.files)


def supervisord_conf(fleet: Fleet, host: Host) -> list[Step]:
    """The daemon's own configuration, by itself; nobody else's is touched."""
    return [Untouched(place(fleet)), _conf(fleet, host)]


def _conf(fleet: Fleet, host: Host) -> File:
    """supervisord.conf; it includes the release's program sections."""
    text = render.supervisord_conf(fleet, host)
    return File(fleet.cluster.supervisord_conf, text.encode(), "root", "root", 0o644, keep=True, keep_last=True)


def boot(fleet: Fleet, host: Host) -> list[Step]:
    """The start of supervisord at boot, by itself; files of others are not touched."""
    return [Untouched(place(fleet)), _boot(fleet, host)]


def boot_files(fleet: Fleet, host: Host) -> list[tuple[str, bytes, int]]:
    """The files by which systemd starts supervisord: (path, content, mode)."""
    return _boot(fleet, host).files("systemd")


def _boot(fleet: Fleet, host: Host, only_unit: bool = False) -> Boot:
    where = place(fleet)
    unit = render.boot_unit(fleet, host, f"{BOOT_FOLDER}/{where.unit}")
    return Boot(where, fleet.cluster.name, unit, only_unit)


def chosen_programs(fleet: Fleet, host: Host, roles: Collection[str]) -> list[Program]:
    """The host's programs, or those of the given roles only."""
    return [program for program in fleet.programs(host) if not roles or program.role in roles]


def _looked(fleet: Fleet, host: Host, roles: Sequence[str]) -> Place:
    """The place with all that is looked at before a deploy: one look for all its steps."""
    return replace(place(fleet), preflight=preflight(fleet, host, roles))


def supervision(fleet: Fleet, host: Host, roles: Sequence[str] = ()) -> list[Step]:
    """From a stale socket (where systemd runs, from the unit that starts supervisord) to every program RUNNING."""
    where = _looked(fleet, host, roles)
    fingerprints = render.fingerprints(fleet, host, runtime_spec(fleet).digest)
    digest = hashlib.sha256(render.supervisord_conf(fleet, host).encode()).hexdigest()[:12]
    wanted = tuple((program.name, fingerprints[program.name]) for program in chosen_programs(fleet, host, roles))
    everything = frozenset(program.name for program in fleet.programs(host))
    stop_seconds = render.stop_seconds(fleet, host)
    daemon = Supervisord(where, digest, stop_seconds=stop_seconds, keep_running=bool(roles))
    return [
        _boot(fleet, host, only_unit=True),
        Sockets(where),
        Leftovers(where),
        daemon,
        Programs(where, wanted, everything, frozenset(roles), daemon),
    ]


def logins(fleet: Fleet, host: Host, roles: Collection[str] = ()) -> Logins:
    """The stores that a host's programs (of these roles) need, asked with the release's own credentials."""
    config = json.loads(render.config_json(fleet))
    needed = preflight(fleet, host, roles)["stores"]
    keys = {"mysql": ("taskdb", "projectdb", "resultdb"), "redis": ("message-queue",)}
    asked = {key: config[key] for store in needed for key in keys[store]}
    tls = {name: way for name, way in render.tls(fleet).items() if name in needed}
    return Logins(PYTHON, json.dumps(asked | ({"tls": tls} if tls else {})).encode())


def deploy(fleet: Fleet, host: Host, roles: Sequence[str] = ()) -> list[Step]:
    """A host's release, and its programs."""
    able = Writable(_looked(fleet, host, roles))
    return [release(fleet, host), _conf(fleet, host), _boot(fleet, host), able, *supervision(fleet, host, roles)[1:]]


def questions(fleet: Fleet, host: Host) -> Questions:
    """The questions of status on a host beside its programs: the web UI, and from there the RPC servers."""
    webui = next((program for program in fleet.programs(host) if program.role == "webui"), None)
    if webui is None or webui.port is None:
        return Questions()
    return Questions(render.webui_login(fleet, host, webui.port), render.rpc_addresses(fleet))
