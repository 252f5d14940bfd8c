"""Values -> text: every file that a host of the cluster gets. Pure; templates are named by their destination."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .inventory import Fleet, Host, Program, Redis, commands, doors, ends, renderers
from .inventory.passwords import Password
from .inventory.roles import FETCHER, MYSQL, PHANTOMJS, PROGRAMS, REDIS, ROLES, STORES, WEBUI, Role

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent.parent / "templates"
LAUNCHER = tuple(sorted(path.stem for path in (TEMPLATES / "launcher").glob("*.py")))
"""The modules of the launcher."""
ONLY_SOME = frozenset(name for role in ROLES.values() for name in role.launcher)
CDN = "/libraries/"
"""The web UI's own path for scripts and styles of its pages; see templates/run.py."""


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file of a release; `masked` is its text without secrets."""

    content: bytes
    mode: int
    masked: str

    def __repr__(self) -> str:
        return f"RenderedFile({len(self.content)} bytes, {self.mode:o})"


@dataclass(frozen=True, slots=True)
class Release:
    """The files that a host's programs run from, addressed by their content."""

    id: str
    files: Mapping[str, RenderedFile]


def release(fleet: Fleet, host: Host, runtime: str) -> Release:
    """The host's release; `runtime` names the Python that its programs run on. The id gives no hint at a password."""
    texts = {"programs.conf": program_sections(fleet, host, runtime)} | _tls(fleet) | _peers(fleet)
    texts |= launcher(*PROGRAMS)
    texts |= {"guard.py": guard()} if host.has(WEBUI) else {}
    files = {name: RenderedFile(text.encode(), 0o644, text) for name, text in texts.items()}
    masked = config_json_masked(fleet)
    files["config.json"] = RenderedFile(config_json(fleet).encode(), 0o600, masked)
    # A later release is compared with this one, and nobody has to read the other for it.
    files["config.masked.json"] = RenderedFile(masked.encode(), 0o640, masked)
    parts = [part for name, file in sorted(files.items()) for part in (name, f"{file.mode:o}", file.content)]
    return Release(_digest(fleet.digest_key, parts), files)


def deploy_id(fleet: Fleet, runtime: str) -> str:
    """The name of all that is deployed to a cluster: equal on all of its hosts. It gives no hint at a password."""
    hosts = [repr((host.name, host.address, sorted(host.roles.items()))) for host in fleet.hosts]
    # Of these few all files are made, which other hosts have as well.
    made = [release(fleet, host, runtime).id for host in (fleet.scheduler_host, fleet.with_role(WEBUI.name)[0])]
    return _digest(fleet.digest_key, [repr(fleet.cluster), repr(fleet.phantomjs), *hosts, *made])


def config_json(fleet: Fleet) -> str:
    """config.json: complete, and the same on every host of the cluster. Holds passwords.

    The options that differ between two instances (addresses to listen on, ports) are on their command lines.
    """
    return _json(_config(fleet, Password.reveal))


def config_json_masked(fleet: Fleet) -> str:
    """config.json with *** for every password, to be shown."""
    return _json(_config(fleet, str))


def tls(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """tls.json: the stores that are spoken to by TLS only, each with its CAs. Holds no secret."""
    stores = {role.name: fleet.stores.of(role).tls for role in STORES}
    return {name: {"ca": way.ca.splitlines() if way.ca else None} for name, way in stores.items() if way}


def _tls(fleet: Fleet) -> dict[str, str]:
    """The files by which run.py speaks TLS to the stores; none where hosts.toml asks for no TLS."""
    if not (wanted := tls(fleet)):
        return {}
    return {"tls.json": _json(wanted), "tls.py": plain("tls.py")}


def _peers(fleet: Fleet) -> dict[str, str]:
    """The files by which run.py hangs up on strangers; none where hosts.toml turns the firewall off."""
    if not fleet.cluster.firewall:
        return {}
    # The program is a part of what its server runs; the list is read while that runs.
    return {"peers.json": _json(doors.sources(fleet)), "peers.py": plain("peers.py")}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _config(fleet: Fleet, show: Any) -> dict[str, Any]:
    from msgspec import to_builtins

    options: dict[str, Any] = _given(to_builtins(fleet.pyspider))
    mysql = fleet.stores.mysql
    config = {"data-path": f"{fleet.cluster.home}/data"} | options
    for key in MYSQL.addresses:
        database = getattr(mysql.databases, key)
        config[key] = f"mysql+{key}://{mysql.user}:{show(mysql.password)}@{mysql.address}:{mysql.port}/{database}"
    config |= dict.fromkeys(REDIS.addresses, _redis_url(fleet.stores.redis, show))
    config |= {key: _first(fleet, role.name) for role in PROGRAMS for key in role.addresses}
    config[FETCHER.name] |= {"xmlrpc": True} | {name: show(url) for name, url in fleet.endpoints.items()}
    # Read by templates/launcher/fetching.py; pyspider itself knows one only.
    config[FETCHER.name] |= {"renderers": places} if len(places := renderers.places(fleet)) > 1 else {}
    webui = {"cdn": CDN} | config[WEBUI.name] | {f"{role}-rpc": url for role, url in rpc_addresses(fleet).items()}
    config[WEBUI.name] = webui | ({"password": show(fleet.webui_password)} if fleet.webui_password else {})
    for role in PROGRAMS:
        section = config.get(role.name, {})
        config[role.name] = {name: value for name, value in section.items() if name not in role.on_command_line}
    return {name: value for name, value in config.items() if value not in ({}, None)}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that nobody set: pyspider's own defaults hold for these."""
    given = {name: value for name, value in options.items() if value is not None}
    return {name: _given(value) if isinstance(value, dict) else value for name, value in given.items()}


def _redis_url(redis: Redis, show: Any) -> str:
    login = f"{redis.user or ''}:{show(redis.password)}@" if redis.password else ""
    return f"redis://{login}{redis.address}:{redis.port}/{redis.db}"


def _first(fleet: Fleet, role: str) -> str | None:
    """address:port of the cluster's first program of that role."""
    places = (
        f"{host.address}:{program.port}"
        for host in fleet.hosts
        for program in fleet.programs(host)
        if program.role == role
    )
    return next(places, None)


def rpc_addresses(fleet: Fleet) -> dict[str, str]:
    """The addresses at which the web UI calls the first program of each role that it calls."""
    return {role: f"http://{place}/" for role in WEBUI.calls if (place := _first(fleet, role))}


def webui_login(fleet: Fleet, host: Host, port: int) -> dict[str, object]:
    """The options by which the web UI at `port` is asked from its own host. Holds its password."""
    address = fleet.bind_address(host)
    where: dict[str, object] = {"host": "127.0.0.1" if address == "0.0.0.0" else address, "port": port}  # noqa: S104
    if fleet.webui_password:
        where |= {"username": fleet.pyspider.webui.username, "password": fleet.webui_password.reveal()}
    return where


def supervisord_conf(fleet: Fleet) -> str:
    """supervisord.conf, the same on every host of the cluster. Holds no password."""
    return _template("supervisord.conf", cluster=fleet.cluster, stopped=commands.stopped_conf(fleet.cluster.name))


def boot_unit(fleet: Fleet, host: Host, script: str) -> str:
    """systemd's unit of a host's supervisord, which `script` starts."""
    cluster, pyspider = fleet.cluster, fleet.pyspider
    places = (cluster.home, cluster.logs, cluster.socket, cluster.pidfile, cluster.supervisord_conf)
    given = [path for path in (*places, pyspider.data_path, pyspider.logging_config) if path]
    return _template(
        "pyspider.service",
        cluster=cluster,
        script=script,
        stop_seconds=stop_seconds(fleet, host),
        # A private one would hide files that others are to find there.
        private_tmp=not any(path.startswith(("/tmp/", "/var/tmp/")) for path in given),  # noqa: S108
    )


def stop_seconds(fleet: Fleet, host: Host) -> int:
    """The seconds that a host's supervisord may take until all its programs, and then itself, have ended."""
    return ends.all_stop_seconds(fleet, [program.role for program in fleet.programs(host)])


def launcher(*roles: Role) -> dict[str, str]:
    """run.py, which starts every component of pyspider, and the modules that these roles' programs read by it."""
    own = {name for role in roles for name in role.launcher}
    names = [f"launcher/{name}.py" for name in LAUNCHER if name in own or (own and name not in ONLY_SOME)]
    return {name: plain(name) for name in ("run.py", *names)}


def guard() -> str:
    """guard.py, which run.py puts around the web UI."""
    return plain("guard.py")


def plain(name: str) -> str:
    """A template without any value to fill in, as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def program_sections(fleet: Fleet, host: Host, runtime: str) -> str:
    """One [program:NAME] per instance, so that a changed count leaves the others running. Holds no password."""
    prints = fingerprints(fleet, host, runtime)
    return _sections(fleet, host, [_values(fleet, host, one, prints[one.name]) for one in fleet.programs(host)])


def fingerprints(fleet: Fleet, host: Host, runtime: str) -> dict[str, str]:
    """The digest of all that a program reads, per program: while it stays, no restart is needed."""
    config = json.loads(config_json(fleet))
    return {
        one.name: _digest(fleet.program_keys.get(one.role, b""), _inputs(fleet, host, one, config, runtime))
        for one in fleet.programs(host)
    }


def _inputs(fleet: Fleet, host: Host, program: Program, config: dict[str, Any], runtime: str) -> list[str]:
    section = _sections(fleet, host, [_values(fleet, host, program, "")])
    settings = "\n".join(line for line in section.splitlines() if not line.startswith(";"))
    role = ROLES[program.role]
    if role.kind != "component":
        programs = [plain(template) for _, template in renderers.files(fleet)]
        return [settings, runtime, *renderers.made_of(fleet), *programs]
    shared = {name: value for name, value in config.items() if not isinstance(value, dict)}
    ways = [part for name_and_text in sorted(_tls(fleet).items()) for part in name_and_text]
    own = [guard()] if role == WEBUI else []
    own += [plain("peers.py")] if role.asked == "rpc" and fleet.cluster.firewall else []
    return [
        settings,
        runtime,
        *launcher(role).values(),
        _json(shared),
        _json(config.get(program.role, {})),
        *ways,
        *own,
    ]


def _values(fleet: Fleet, host: Host, program: Program, fingerprint: str) -> dict[str, Any]:
    role = ROLES[program.role]
    user = fleet.cluster.user
    environment = {"HOME": f"/home/{user}", "USER": user, "LANG": "C.UTF-8", "PYSPIDER_RELEASE": fingerprint}
    environment |= {"PYSPIDER_HOST": host.name} if role.launcher else {}
    return {
        "name": program.name,
        "command": " ".join(role.command(fleet, host, program)),
        "environment": environment | (renderers.environment(fleet) if role is PHANTOMJS else dict(role.environment)),
        "priority": role.priority,
        "stopsignal": role.stop_signal,
        "stopasgroup": "true" if role.stop_group else "false",
        "stop_seconds": ends.stop_seconds(fleet, role),
        "log": program.log,
    }


def _sections(fleet: Fleet, host: Host, programs: list[dict[str, Any]]) -> str:
    return _template("programs.conf", cluster=fleet.cluster, host=host, programs=programs)


def _digest(key: bytes, parts: Iterable[str | bytes]) -> str:
    digest = hashlib.blake2b(key=key)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


def text(name: str, **values: object) -> str:
    """The template of that name with these values. Raises jinja2's UndefinedError where one is missing."""
    return _environment(percent="%").get_template(name).render(values)


def _template(name: str, **values: object) -> str:
    """The same for a reader that expands %: supervisor and systemd do."""
    return _environment(percent="%%").get_template(name).render(values)


@cache
def _environment(percent: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=lambda value: value.replace("%", percent) if isinstance(value, str) else value,
        autoescape=False,  # noqa: S701  no HTML here
        trim_blocks=True,
        keep_trailing_newline=True,
    )
