"""Reads hosts.toml; its faults come together, as one WrongInput: those of shape, or else those of meaning."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import WrongInput
from . import passwords
from .authority import certificates
from .faults import Fault, KeyPath, report
from .fleet import SSH_PORT, TLS, Fleet, Host, MySQL, Redis, Stores
from .kinds import PasswordRef
from .passwords import Password, SecretURL, has_home
from .place import called, in_use
from .roles import MYSQL, REDIS, ROLES, STORES, WEBUI, Role
from .rules import password_keys, store_host, violated
from .schema import ENDPOINTS, HostsFile, HostTable, Login, Pyspider

ADMIN = f"{REDIS.name}_admin"
"""The key of the password of a managed Redis' default user, where programs have a user of their own."""


def load(path: Path | None = None, text: str | None = None) -> Fleet:
    """The cluster that hosts.toml describes; without `path` it is $HOSTS_TOML, else the project's own.

    With `text`, the one that it would describe if that were its content.
    Raises WrongInput with a line per fault: all faults of shape or, where there are none, all faults of
    meaning. Passwords that nobody chose are made here, once, and only for a file without fault.
    """
    path = path or in_use()
    file = _shaped(called(path), _parsed(path, text))
    known = _References(path.absolute().parent)
    if faults := [*violated(file), *known.resolve(file)]:
        raise WrongInput(report(called(path), faults))
    return _fleet(path.absolute(), file, known)


def _parsed(path: Path, text: str | None) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8") if text is None else text
        if text.startswith("\ufeff"):
            raise WrongInput(f"{called(path)}: begins with a byte order mark (BOM), no TOML; save it without one")
        data = tomllib.loads(text)
    except FileNotFoundError as error:
        raise WrongInput(
            f"{called(path)}: there is no such file; describe your cluster there, or name it by HOSTS_TOML"
        ) from error
    except OSError as error:
        raise WrongInput(f"{called(path)}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"{called(path)}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise WrongInput(_not_toml(called(path), str(error))) from error
    except ValueError as error:
        raise WrongInput(f"{called(path)}: a number in it has thousands of digits; correct it") from error
    except RecursionError as error:
        raise WrongInput(f"{called(path)}: {_TOO_DEEP}") from error
    if odd := list(_beyond_reason(data)):
        raise WrongInput(report(called(path), odd))
    return data


DEEPEST = 16
_TOO_DEEP = "tables or lists are nested far deeper than any key needs; see the shipped hosts.toml"


def _beyond_reason(data: dict[str, Any]) -> Iterator[Fault]:
    """Numbers, line ends and nestings that no key needs, and that the tools behind can not take."""
    level: list[tuple[KeyPath, Any]] = [((), data)]
    for _ in range(DEEPEST):
        level = [pair for path, value in level for pair in _inside(path, value)]
        for path, value in level:
            if isinstance(value, int) and value.bit_length() > 63:
                yield Fault(path, "a whole number of more than 64 bits; correct it")
            # To a pattern, the end of a text and a line end there are the same.
            if any(isinstance(one, str) and one.endswith("\n") for one in (value, *path[-1:])):
                yield Fault(path, "it ends with a line end; remove that")
    if level:
        yield Fault((), _TOO_DEEP)


def _inside(path: KeyPath, value: Any) -> list[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        return [((*path, key), inner) for key, inner in value.items()]
    return [(path, inner) for inner in value] if isinstance(value, list) else []


def _not_toml(file: str, message: str) -> str:
    """`hosts.toml: line 3, column 5: not TOML: invalid value; correct that line`."""
    what, _, where = message.removesuffix(")").rpartition(" (at ")
    if where == "end of document":
        return f"{file}: not TOML: it ends inside a value; close that one"
    return f"{file}: {where}: not TOML: {what[:1].lower()}{what[1:]}; correct that line"


def _shaped(name: str, data: dict[str, Any]) -> HostsFile:
    """The file as types. Raises WrongInput with every fault of its shape."""
    try:
        return msgspec.convert(data, HostsFile)
    except msgspec.ValidationError as error:
        from .diagnosis import misshapen

        raise WrongInput(report(name, misshapen(data) or [Fault((), str(error))])) from error


class _References:
    """The passwords, addresses and CAs that the file refers to; None for a password that is to be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, Password | None] = {}
        self.authorities: dict[str, tuple[str, Path]] = {}
        self.endpoints: dict[str, SecretURL] = {}

    def resolve(self, file: HostsFile) -> list[Fault]:
        """Look all of them up, and return the faults of those that can't be used."""
        faults = []
        for name, (path, value) in password_keys(file).items():
            try:
                self.found[name] = passwords.from_reference(self.folder, value, passwords.usable)
            except WrongInput as error:
                faults.append(Fault(path, str(error)))
        return faults + self._authorities(file) + self._endpoints(file)

    def _endpoints(self, file: HostsFile) -> list[Fault]:
        faults = []
        for name in ENDPOINTS:
            value: str | PasswordRef | None = getattr(file.pyspider.fetcher, name.replace("-", "_"))
            try:
                checked = passwords.usable_proxy if name == "proxy" else passwords.usable_url
                url = (
                    checked(value) if isinstance(value, str) else passwords.from_reference(self.folder, value, checked)
                )
            except WrongInput as error:
                faults.append(Fault(("pyspider", "fetcher", name), str(error)))
            else:
                self.endpoints |= {name: url} if url else {}
        return faults

    def _authorities(self, file: HostsFile) -> list[Fault]:
        faults = []
        for role in STORES:
            table = file.stores.of(role)
            if not table.tls or table.ca is None or not has_home(table.ca):
                continue
            try:
                place = self.folder / Path(table.ca).expanduser()
                self.authorities[role.name] = certificates(place), place
            except WrongInput as error:
                faults.append(Fault(("stores", role.name, "ca"), str(error)))
        return faults

    def tls(self, store: Role, wanted: bool, address: str) -> TLS | None:
        """The certificate that the store has to show; None where TLS is not wanted."""
        return TLS(address, *self.authorities.get(store.name, (None, None))) if wanted else None


def _fleet(path: Path, file: HostsFile, known: _References) -> Fleet:
    kept = path.parent / ".secrets" / f"{file.cluster.name}.toml"
    made = passwords.generated(kept, [name for name in _wanted(file) if known.found.get(name) is None])
    found = {name: known.found.get(name) or made.get(name) for name in password_keys(file)}
    mysql = found[MYSQL.name]
    assert mysql is not None
    return Fleet(
        path=path,
        cluster=file.cluster,
        python=file.python,
        phantomjs=file.phantomjs,
        pyspider=_without_endpoints(file.pyspider),
        stores=Stores(_mysql(file, mysql, known), _redis(file, found[REDIS.name], made.get(ADMIN), known)),
        hosts=tuple(_host(name, table, file.defaults, path.parent) for name, table in file.hosts.items()),
        defaults=_host("", HostTable(address=""), file.defaults, path.parent),
        webui_password=found[WEBUI.name],
        passwords_path=kept,
        doctor=file.doctor,
        watch=file.watch,
        endpoints=known.endpoints,
    )


def _without_endpoints(options: Pyspider) -> Pyspider:
    """The options without those that may hold passwords: `Fleet.endpoints` keeps these, and shows none by accident."""
    none: dict[str, Any] = {name.replace("-", "_"): None for name in ENDPOINTS}
    return replace(options, fetcher=replace(options.fetcher, **none))


def _wanted(file: HostsFile) -> list[str]:
    redis = [] if file.stores.redis.password is False else [REDIS.name]
    redis += [ADMIN] if file.stores.redis.username and store_host(file, REDIS) is not None else []
    return [MYSQL.name, *redis, *([WEBUI.name] if file.pyspider.webui.username else [])]


def _mysql(file: HostsFile, password: Password, known: _References) -> MySQL:
    table = file.stores.mysql
    host, address, managed = _place(file, MYSQL)
    tls = known.tls(MYSQL, table.tls, address)
    return MySQL(host, address, table.port, table.user, password, managed, table.databases, tls)


def _redis(file: HostsFile, password: Password | None, admin: Password | None, known: _References) -> Redis:
    table = file.stores.redis
    host, address, managed = _place(file, REDIS)
    tls = known.tls(REDIS, table.tls, address)
    return Redis(host, address, table.port, table.db, password, managed, tls, table.username, admin)


def _place(file: HostsFile, store: Role) -> tuple[str, str, bool]:
    manager = store_host(file, store)
    host = manager or file.stores.of(store).host or ""
    return host, file.hosts[host].address if host in file.hosts else host, manager is not None


def _host(name: str, table: HostTable, defaults: Login, folder: Path) -> Host:
    def login(key: str) -> Any:
        own = getattr(table, key)
        return getattr(defaults, key) if own is None else own

    def file(key: str) -> Path | None:
        return folder / Path(login(key)).expanduser() if login(key) else None

    return Host(
        name=name,
        address=table.address,
        port=login("port") or SSH_PORT,
        user=login("user") or "root",
        key=file("key"),
        known_hosts=file("known_hosts"),
        host_keys=login("host_keys"),
        ssh=login("ssh"),
        legacy_ssh=login("legacy_ssh"),
        # The way to everybody's gateway does not lead through itself.
        gateway=None if login("gateway") == name else login("gateway"),
        roles={name: count for name, role in ROLES.items() if (count := table.roles.count(role))},
        unsaid=frozenset(key for key in ("user", "port") if login(key) is None),
    )
