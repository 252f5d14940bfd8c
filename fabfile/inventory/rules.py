"""The rules for hosts.toml beyond its shape; each yields the faults that it finds."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterator

from .address import possible
from .faults import Fault, KeyPath
from .fleet import programs
from .gateways import way_fault
from .kinds import PasswordRef
from .passwords import NO_HOME, has_home
from .paths import account_faults, path_faults
from .redis_rules import redis_faults
from .renderer_rules import renderer_faults
from .roles import PROGRAMS, REDIS, STORES, WEBUI, Role
from .schema import ENDPOINTS, PYTHON_OLDEST, PYTHON_SHA256, PYTHON_VERSION, HostsFile, HostTable, Login
from .watch_rules import watch_faults

Rule = Callable[[HostsFile], Iterator[Fault]]


def violated(file: HostsFile) -> list[Fault]:
    """The faults in the meaning of a file whose shape is right."""
    return [fault for rule in RULES for fault in rule(file)]


def store_host(file: HostsFile, store: Role) -> str | None:
    """The host that has the store's role."""
    return next(iter(_places(file, store)), None)


def _places(file: HostsFile, role: Role) -> dict[str, int]:
    """The hosts that have the role, each with its number."""
    return {name: count for name, host in file.hosts.items() if (count := host.roles.count(role))}


def _counted(places: dict[str, int]) -> str:
    return ", ".join(f"{name} has {count}" for name, count in places.items())


def _counts(file: HostsFile) -> Iterator[Fault]:
    for role in PROGRAMS:
        places, name = _places(file, role), role.name
        if role.count == "some" and not places:
            yield Fault(("hosts",), f"no {name} in the cluster; add `{name} = 1` to some host's roles")
        if role.count == "one" and sum(places.values()) != 1:
            cure = f"leave `{name} = 1` on one host only" if places else f"add `{name} = 1` to one host's roles"
            found = _counted(places) or "there is none"
            yield Fault(("hosts",), f"a cluster needs exactly one {name}, but {found}; {cure}")


def _stores(file: HostsFile) -> Iterator[Fault]:
    for role in STORES:
        places, host, name = _places(file, role), file.stores.of(role).host, role.name
        if sum(places.values()) > 1:
            text = f"a cluster has one {name}, but {_counted(places)}; leave `{name} = 1` on one host only"
            yield Fault(("hosts",), text)
        elif not places and host is None:
            text = f"no {name}: add `{name} = 1` to one host's roles, or name a server that exists by the key host"
            yield Fault(("stores", name), text)
        elif places and host not in (None, *places):
            text = f"'{host}' contradicts the role {name} of {next(iter(places))}; remove one of the two"
            yield Fault(("stores", name, "host"), text)


def password_keys(file: HostsFile) -> dict[str, tuple[KeyPath, PasswordRef | bool | None]]:
    """The file's keys for passwords and their values, by the name under which a password that is made is kept."""
    found: dict[str, tuple[KeyPath, PasswordRef | bool | None]] = {
        role.name: (("stores", role.name, "password"), file.stores.of(role).password) for role in STORES
    }
    return found | {WEBUI.name: (("pyspider", WEBUI.name, "password"), file.pyspider.webui.password)}


def _store_passwords(file: HostsFile) -> Iterator[Fault]:
    for role in STORES:
        table = file.stores.of(role)
        if table.host and table.password is None and store_host(file, role) is None:
            kinds = '{ env = "NAME" }, { file = "path" }' + (" or false, for none" if role is REDIS else "")
            text = f"missing, but this server exists already: say where its password is by {kinds}"
            yield Fault(("stores", role.name, "password"), text)
    path, password = password_keys(file)[REDIS.name]
    if password is True:
        yield Fault(path, 'true is none of { env = "NAME" }, { file = "path" } and false')
    if password is False and store_host(file, REDIS) is not None:
        yield Fault(path, "a Redis that bootstrap sets up always has a password; remove this key, and one is made")


def _tls(file: HostsFile) -> Iterator[Fault]:
    for role in STORES:
        table = file.stores.of(role)
        if table.ca is not None and not table.tls:
            text = "has no effect without `tls = true`; add that, or remove this key"
            yield Fault(("stores", role.name, "ca"), text)
    if file.stores.redis.tls and store_host(file, REDIS) is not None:
        text = "the Redis that bootstrap sets up speaks no TLS; name one that exists and does by the key host"
        yield Fault(("stores", REDIS.name, "tls"), text)


def _references(file: HostsFile) -> Iterator[Fault]:
    places: list[tuple[KeyPath, object]] = list(password_keys(file).values())
    fetcher = file.pyspider.fetcher
    places += [(("pyspider", "fetcher", name), getattr(fetcher, name.replace("-", "_"))) for name in ENDPOINTS]
    for path, value in places:
        if isinstance(value, PasswordRef) and (value.env is None) == (value.file is None):
            yield Fault(path, 'give one of the two: { env = "NAME" } or { file = "path" }')


def _databases(file: HostsFile) -> Iterator[Fault]:
    names = file.stores.mysql.databases.names()
    if len({name.lower() for name in names}) < len(names):
        yield Fault(
            ("stores", "mysql", "databases"),
            f"taskdb, projectdb and resultdb must be three databases, not {', '.join(names)}; give each its own name",
        )


def _programs_ports(file: HostsFile) -> Iterator[Fault]:
    for name, host in file.hosts.items():
        counts = {role.name: host.roles.count(role) for role in PROGRAMS}
        users: dict[int, list[str]] = defaultdict(list)
        for program in programs(counts, file.pyspider, file.cluster.logs):
            if program.port is not None:
                users[program.port].append(program.name)
        for role in STORES:
            if host.roles.count(role):
                users[file.stores.of(role).port].append(role.name)
        users[host.port or file.defaults.port or 22].append("sshd")
        yield from _clashes(name, users)


def _clashes(host: str, users: dict[int, list[str]]) -> Iterator[Fault]:
    for port, names in users.items():
        if len(names) > 1:
            yield Fault(("hosts", host), f"{' and '.join(names)} would use the same port {port}; change one's port")
        if port > 65535:
            yield Fault(("hosts", host), f"{names[0]} would use port {port}, past 65535; choose a lower one")


def _webui(file: HostsFile) -> Iterator[Fault]:
    webui, path = file.pyspider.webui, ("pyspider", "webui")
    if webui.need_auth and not webui.username:
        yield Fault((*path, "username"), "missing: need-auth without it lets everybody in; name a user")
    if webui.username and not webui.need_auth:
        yield Fault((*path, "need-auth"), "must be true: without it pyspider never asks for the password")
    if webui.password is not None and not webui.username:
        yield Fault((*path, "username"), "missing: a password without it protects nothing; name a user")
    if webui.host != "address" and not _is_address(webui.host):
        yield Fault((*path, "host"), f"'{webui.host}' is no IPv4 address")
    elif not (webui.username and webui.need_auth):
        for name, host in file.hosts.items():
            if host.roles.count(WEBUI) and not _is_loopback(bound := _bound(file, host)):
                yield Fault(
                    (*path, "host"),
                    f"the web UI of {name} would be open to everybody on {bound}; "
                    "set username and need-auth = true, or listen on 127.0.0.1 only",
                )


def _bound(file: HostsFile, host: HostTable) -> str:
    return host.address if file.pyspider.webui.host == "address" else file.pyspider.webui.host


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return text == "localhost"
    return True


def _is_loopback(text: str) -> bool:
    return text == "localhost" or (_is_address(text) and ipaddress.IPv4Address(text).is_loopback)


def _addresses(file: HostsFile) -> Iterator[Fault]:
    seen: dict[tuple[str, int], str] = {}
    for name, host in file.hosts.items():
        where = (host.address.lower(), host.port or file.defaults.port or 22)
        if (other := seen.setdefault(where, name)) != name:
            yield Fault(
                ("hosts", name, "address"),
                f"{other} has the same address {host.address} and port; every host is one machine",
            )
        if not possible(host.address):
            yield Fault(
                ("hosts", name, "address"), f"'{host.address}' is neither the IPv4 address of a host nor a host name"
            )


def _trusted(file: HostsFile) -> Iterator[Fault]:
    path: KeyPath = ("cluster", "trusted")
    for source in file.cluster.trusted:
        try:
            network = ipaddress.IPv4Network(source, strict=False)
        except ValueError:
            yield Fault(path, f"'{source}' is no IPv4 address or network")
            continue
        if network.prefixlen == 0:
            yield Fault(path, f"'{source}' is everybody; name fewer, or set `firewall = false`")
    if file.cluster.trusted and not file.cluster.firewall:
        yield Fault(path, "has no effect with `firewall = false`; remove one of the two")


def _gateways(file: HostsFile) -> Iterator[Fault]:
    gateways = {name: host.gateway or file.defaults.gateway for name, host in file.hosts.items()}
    for name, host in file.hosts.items():
        path: KeyPath = ("hosts", name, "gateway") if host.gateway else ("defaults", "gateway")
        if text := way_fault(name, gateways, own=bool(host.gateway)):
            yield Fault(path, text)


def _legacy_ssh(file: HostsFile) -> Iterator[Fault]:
    words = 'paramiko has none of the algorithms of so old an sshd; leave out ssh = "paramiko" for it'
    for name, host in file.hosts.items():
        legacy = file.defaults.legacy_ssh if host.legacy_ssh is None else host.legacy_ssh
        if legacy and (host.ssh or file.defaults.ssh) == "paramiko":
            yield Fault(("hosts", name, "legacy_ssh"), words)


def _paths(file: HostsFile) -> Iterator[Fault]:
    places: list[tuple[KeyPath, str | None]] = [(("phantomjs", "source"), file.phantomjs.source)]
    places += [(("python", "sources"), source) for source in file.python.sources]
    tables: list[tuple[KeyPath, Login | HostTable]] = [(("defaults",), file.defaults)]
    tables += [(("hosts", name), host) for name, host in file.hosts.items()]
    for path, table in tables:
        places += [((*path, "key"), table.key), ((*path, "known_hosts"), table.known_hosts)]
    places += [(("stores", role.name, "ca"), file.stores.of(role).ca) for role in STORES]
    for path, value in places:
        if value and not has_home(value):
            yield Fault(path, f"'{value}': {NO_HOME}")


def _python(file: HostsFile) -> Iterator[Fault]:
    if int(file.python.version.rpartition(".")[2]) < PYTHON_OLDEST:
        yield Fault(
            ("python", "version"),
            f"{file.python.version} has an ssl without SNI, which the pinned packages need; name 2.7.{PYTHON_OLDEST} "
            f"or later, best {PYTHON_VERSION}",
        )
    elif file.python.version != PYTHON_VERSION and file.python.sha256 == PYTHON_SHA256:
        yield Fault(
            ("python", "sha256"),
            f"this is the checksum of {PYTHON_VERSION}; give that of Python-{file.python.version}.tgz",
        )
    for source in file.python.sources:
        if "{" in source.replace("{version}", ""):
            yield Fault(("python", "sources"), f"'{source}': {{version}} is the only thing that is filled in")


def _logins_in_the_open(file: HostsFile) -> Iterator[Fault]:
    """Addresses and options with a login in plain sight; no fault shows the value."""
    sources = [(("phantomjs", "source"), file.phantomjs.source)]
    for path, source in [*sources, *((("python", "sources"), source) for source in file.python.sources)]:
        if "://" in source and "@" in source:
            yield Fault(path, "holds an address with a login, which is not supported; name the path of a file instead")


def _doctor(file: HostsFile) -> Iterator[Fault]:
    name, _, port = (file.doctor.site or "").partition(":")
    if port and not 1 <= int(port) <= 65535:
        yield Fault(
            ("doctor", "site"), f"{port} is no port from 1 to 65535; write {name}:PORT, or {name} alone for 443"
        )


RULES: tuple[Rule, ...] = (
    account_faults,
    path_faults,
    _python,
    _counts,
    _stores,
    redis_faults,
    _store_passwords,
    _tls,
    _references,
    _databases,
    _addresses,
    _trusted,
    _gateways,
    _legacy_ssh,
    _paths,
    _programs_ports,
    _webui,
    _logins_in_the_open,
    renderer_faults,
    _doctor,
    watch_faults,
)
