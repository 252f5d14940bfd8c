"""The plan: (fleet, host) -> steps. Pure; nothing is asked and nothing is sent here."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from . import render
from .inventory import Fleet, Host, Program, commands, doors, ends, renderers, rotation
from .inventory.order import role_of
from .inventory.roles import MYSQL, PHANTOMJS, REDIS, ROLES, STORES, WEBUI
from .sources import kept_runtimes, lock_digest
from .steps.account import Account
from .steps.base import Step
from .steps.boot import Boot
from .steps.daemon import Supervisord
from .steps.directory import Directory
from .steps.families import package_names, refusals
from .steps.files import File
from .steps.firewall import Firewall
from .steps.logins import Logins
from .steps.mysql import ManagedMySQL
from .steps.packages import Packages
from .steps.preflight import Preflight
from .steps.programs import Programs
from .steps.redis import ManagedRedis
from .steps.release import KEEP, CurrentRelease
from .steps.releases import Back, FewRuntimes
from .steps.removal import NoBoot, NoFiles, NoService, NoSupervisord
from .steps.renderer import Renderer
from .steps.runtime import PYTHON, RUNTIMES, Runtime
from .steps.runtime_in_use import RuntimeInUse
from .steps.runtime_spec import RuntimeSpec
from .steps.supervision import Supervision
from .steps.supervisor import FOLDER, Leftovers, Place, Questions, Sockets, Untouched
from .steps.watcher import Watcher
from .steps.writable import Writable

PINS = Path(__file__).parent / "pins" / "py27.txt"


def runtime_spec(fleet: Fleet) -> RuntimeSpec:
    """The Python and the packages that every host of the cluster runs pyspider with."""
    return RuntimeSpec(fleet.python.version, fleet.python.sha256, lock_digest(PINS))


def runtime(fleet: Fleet) -> Runtime:
    """The runtime, to be used by the cluster's user; as it was built, where this machine knows of its build."""
    known = tuple((one.id, one.manifest) for one in kept_runtimes())
    return Runtime(runtime_spec(fleet), fleet.cluster.user, manifests=known)


def place(fleet: Fleet) -> Place:
    """Where supervisord lives."""
    cluster = fleet.cluster
    unit = f"pyspider-{cluster.name}"
    places = (cluster.home, cluster.logs, cluster.supervisord_conf, cluster.socket)
    return Place(cluster.user, *places, PYTHON, unit, cluster.pidfile, commands.stopped_conf(cluster.name))


def preflight(fleet: Fleet, host: Host, roles: Collection[str] = ()) -> Preflight:
    """The preflight of these roles' programs (or all) beside supervisord: disks, ports, the stores they need."""
    cluster = fleet.cluster
    chosen = chosen_programs(fleet, host, roles)
    return Preflight(
        cluster.supervisord_conf,
        cluster.user,
        folders=(cluster.home, cluster.logs, "/tmp", "/"),  # noqa: S108  where the exchange itself unpacks
        ports=tuple(program.port for program in chosen if program.port),
        stores=_needed_stores(fleet, chosen),
        writes=_writes(fleet, chosen),
    )


def _needed_stores(fleet: Fleet, chosen: Sequence[Program]) -> dict[str, tuple[str, int]]:
    """The stores that these programs need, by name: address and port."""
    needed = {name for program in chosen for name in ROLES[program.role].stores}
    places = {store.name: fleet.stores.of(store) for store in STORES if store.name in needed}
    return {name: (store.address, store.port) for name, store in places.items()}


def _writes(fleet: Fleet, chosen: Sequence[Program]) -> dict[str, object]:
    """The paths that supervisord and these programs open for writing, all as the cluster's user."""
    cluster = fleet.cluster
    data = fleet.pyspider.data_path or f"{cluster.home}/data"
    files = [program.log for program in chosen] + [f"{cluster.logs}/supervisord.log", cluster.pidfile]
    folders = [cluster.home, cluster.logs, posixpath.dirname(cluster.socket), posixpath.dirname(cluster.pidfile)]
    return {"files": files, "folders": list(dict.fromkeys(folders)), "data": data}


def needs_runtime(fleet: Fleet, host: Host) -> bool:
    """Whether pyspider's Python belongs on a host. One without any role is about to join."""
    return bool(fleet.programs(host)) or not host.roles


def packages(fleet: Fleet, host: Host) -> Packages:
    """The runtime's libraries, where it is needed, and the packages of the host's roles and of its firewall."""
    libraries = ["runtime"] if needs_runtime(fleet, host) else []
    own = {PHANTOMJS.name: renderers.packages(fleet)}
    named = [own.get(role.name, role.packages) for role in ROLES.values() if host.has(role)]
    wanted = [name for name in named if name]
    filters = ["firewall"] if fleet.cluster.firewall and doors.ports(fleet, host) else []
    sets = (*libraries, *wanted, *filters)
    return Packages(package_names(*sets), refusals(*sets))


def doors_of(fleet: Fleet, host: Host) -> list[Step]:
    """All that closes a host's doors: the firewall, and first the user whom it keeps in."""
    confined: list[Step] = [Account(fleet.phantomjs.user)] if host.has(PHANTOMJS) else []
    return [*confined, firewall(fleet, host)]


def renderer(fleet: Fleet, host: Host) -> list[Step]:
    """What starts PhantomJS or Chromium, on its hosts."""
    cluster, spec = fleet.cluster, fleet.phantomjs
    hidden, programs = (cluster.home, cluster.logs), renderers.files(fleet)
    namespaces = spec.chromium and spec.sandbox
    made = Renderer(cluster.name, spec.user, cluster.user, hidden, PYTHON, programs, namespaces)
    return [made] if host.has(PHANTOMJS) else []


def firewall(fleet: Fleet, host: Host) -> Firewall:
    """The rules for a host's ports; none where hosts.toml wants none."""
    name, ports = fleet.cluster.name, doors.ports(fleet, host) if fleet.cluster.firewall else ()
    if not host.has(PHANTOMJS):
        return Firewall(name, ports, doors.sources(fleet))
    every = (doors.all_ports(fleet), doors.all_pages(fleet))
    return Firewall(name, ports, doors.sources(fleet), fleet.phantomjs.user, *every)


def account(fleet: Fleet) -> list[Step]:
    """The user that everything runs as, and the directories it owns."""
    cluster = fleet.cluster
    own = [
        Directory(path, cluster.user, cluster.user, mode)
        for path, mode in ((cluster.home, 0o750), (cluster.logs, 0o755))
    ]
    return [Account(cluster.user), *own]


def stores(fleet: Fleet, host: Host, set_passwords: bool = False) -> list[Step]:
    """The managed MySQL and Redis, on the hosts that have their role.

    With `set_passwords` they get this machine's passwords also where the cluster gave them others, and so does one
    whose password this machine is changing.
    """
    if not (host.has(MYSQL) or host.has(REDIS)):
        return []
    anew = frozenset(rotation.NAMES) if set_passwords else rotation.half_done(fleet.passwords_path)
    steps: list[Step] = []
    mysql, redis = fleet.stores.mysql, fleet.stores.redis
    if host.has(MYSQL):
        names, given = tuple(sorted(mysql.databases.names())), MYSQL.name in anew
        steps.append(ManagedMySQL(names, mysql.user, mysql.password.reveal(), host.address, mysql.port, given))
    if host.has(REDIS):
        assert redis.password is not None
        admin, own = (redis.admin or redis.password).reveal(), redis.password.reveal() if redis.user else ""
        user, given = redis.user or "", REDIS.name in anew
        steps.append(ManagedRedis(admin, host.address, redis.port, user=user, user_password=own, anew=given))
    return steps


def release(fleet: Fleet, host: Host) -> CurrentRelease:
    """config.json, the launcher and the program sections of a host."""
    digest = runtime_spec(fleet).digest
    made = render.release(fleet, host, digest)
    name = render.deploy_id(fleet, digest)
    return CurrentRelease(fleet.cluster.user, fleet.cluster.home, made.id, made.files, name)


def new_release(fleet: Fleet, host: Host) -> list[Step]:
    """A host's release, on the Python that its programs are to run on: with it they have begun anew, for every look."""
    python = [RuntimeInUse(runtime_spec(fleet))] if needs_runtime(fleet, host) else []
    return [*python, release(fleet, host)]


def supervisord_conf(fleet: Fleet) -> list[Step]:
    """The daemon's own configuration, by itself; nobody else's is touched."""
    return [Untouched(place(fleet)), _conf(fleet)]


def _conf(fleet: Fleet) -> File:
    """supervisord.conf; it includes the release's program sections."""
    text = render.supervisord_conf(fleet)
    return File(fleet.cluster.supervisord_conf, text.encode(), "root", "root", 0o644, keep=True, keep_last=True)


def boot(fleet: Fleet, host: Host) -> list[Step]:
    """The start of supervisord at boot, by itself; files of others are not touched."""
    return [Untouched(place(fleet)), _boot(fleet, host)]


def boot_files(fleet: Fleet, host: Host) -> list[tuple[str, bytes, int]]:
    """The files by which systemd starts supervisord: (path, content, mode)."""
    return _boot(fleet, host).files("systemd")


def _boot(fleet: Fleet, host: Host, only_unit: bool = False) -> Boot:
    where = place(fleet)
    unit = render.boot_unit(fleet, host, f"{FOLDER}/{where.unit}")
    return Boot(where, fleet.cluster.name, unit, only_unit)


def chosen_programs(fleet: Fleet, host: Host, roles: Collection[str]) -> list[Program]:
    """The host's programs, or those of the given roles only."""
    return [program for program in fleet.programs(host) if not roles or program.role in roles]


def unit(fleet: Fleet, host: Host) -> Boot:
    """The unit that starts supervisord, where systemd runs; nothing elsewhere."""
    return _boot(fleet, host, only_unit=True)


def supervised(fleet: Fleet, host: Host) -> list[Step]:
    """Every program RUNNING, and what that needs: where systemd runs, the unit that starts supervisord."""
    return [unit(fleet, host), supervision(fleet, host)]


def supervision(fleet: Fleet, host: Host, roles: Sequence[str] = (), take_files: bool = False) -> Supervision:
    """From a stale socket to every program (of these roles) RUNNING; `take_files` is for a new release."""
    where = place(fleet)
    fingerprints = render.fingerprints(fleet, host, runtime_spec(fleet).digest)
    digest = hashlib.sha256(render.supervisord_conf(fleet).encode()).hexdigest()[:12]
    wanted = tuple((program.name, fingerprints[program.name]) for program in chosen_programs(fleet, host, roles))
    everything = frozenset(program.name for program in fleet.programs(host))
    stop_seconds = render.stop_seconds(fleet, host)
    daemon = Supervisord(where, digest, stop_seconds=stop_seconds, keep_running=bool(roles))
    return Supervision(
        preflight(fleet, host, roles),
        Sockets(where),
        Leftovers(where),
        daemon,
        Watcher(where),
        Programs(where, wanted, everything, frozenset(roles), daemon, stop_seconds=stop_seconds),
        Writable(where) if take_files else None,
    )


def logins(fleet: Fleet, host: Host, roles: Collection[str] = ()) -> Logins:
    """The stores that a host's programs (of these roles) need, asked with the release's own credentials."""
    config = json.loads(render.config_json(fleet))
    needed = _needed_stores(fleet, chosen_programs(fleet, host, roles))
    asked = {key: config[key] for store in needed for key in ROLES[store].addresses}
    tls = {name: way for name, way in render.tls(fleet).items() if name in needed}
    existing = tuple(store.name for store in STORES if not fleet.stores.of(store).managed)
    return Logins(PYTHON, json.dumps(asked | ({"tls": tls} if tls else {})).encode(), existing)


def deploy(fleet: Fleet, host: Host, roles: Sequence[str] = ()) -> list[Step]:
    """A host's release, and its programs."""
    running = supervision(fleet, host, roles, take_files=True)
    few = FewRuntimes(place(fleet), RUNTIMES, KEEP)
    before = [*doors_of(fleet, host), *renderer(fleet, host)]
    # Where /etc can't be written, the release before stays current, as its programs run on.
    return [*before, _conf(fleet), _boot(fleet, host), *new_release(fleet, host), few, running]


def back(fleet: Fleet, word: str, programs: Mapping[str, str], roles: Sequence[str]) -> list[Step]:
    """A release that a host keeps, and its programs, as they were then: their fingerprints by their names."""
    where = place(fleet)
    wanted = tuple((name, mark) for name, mark in programs.items() if not roles or role_of(name) in roles)
    seconds = ends.all_stop_seconds(fleet, map(role_of, programs))
    names = frozenset(programs)
    ran = Programs(where, wanted, names, frozenset(roles), stop_seconds=seconds, moves=False)
    return [Back(where, word), ran]


def removal(fleet: Fleet, host: Host) -> list[Step]:
    """A host without the cluster, from its supervisord to its files; accounts and packages stay."""
    where, name = place(fleet), fleet.cluster.name
    ended = NoSupervisord(where, render.stop_seconds(fleet, host))
    services: list[Step] = [NoService(f"pyspider-{name}-render"), Firewall(name, (), ())]
    files = NoFiles(where, commands.render_folder(name))
    return [Untouched(where), ended, Leftovers(where), NoBoot(where), *services, files]


def questions(fleet: Fleet, host: Host, spent: bool = False) -> Questions:
    """The questions of status on a host beside its programs: the web UI, and from there the RPC servers."""
    webui = next((program for program in fleet.programs(host) if program.role == WEBUI.name), None)
    if webui is None or webui.port is None:
        return Questions(work=True, spent=spent)
    return Questions(render.webui_login(fleet, host, webui.port), render.rpc_addresses(fleet), work=True, spent=spent)
