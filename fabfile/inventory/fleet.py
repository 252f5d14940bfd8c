"""The cluster as values, from which every plan and every rendered file is made."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ..errors import WrongInput
from .address import Address, parsed
from .passwords import Password, SecretURL
from .place import called
from .roles import ASKED, FETCHER, PROGRAMS, ROLES, SCHEDULER, WEBUI, Role
from .schema import Cluster, Databases, Doctor, PhantomJS, Pyspider, Python
from .watching import WatchTable

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Host:
    """One machine, its login, and the number of each role that it has."""

    name: str
    address: str
    port: int = SSH_PORT
    user: str = "root"
    key: Path | None = None
    known_hosts: Path | None = None
    host_keys: str = "strict"
    """`strict` refuses a key that known_hosts does not hold, `accept-new` adds it; a changed one is always refused."""
    gateway: str | None = None
    """The name of another host of the cluster, or user@address:port."""
    roles: Mapping[str, int] = field(default_factory=dict, hash=False)
    ssh: str | None = None
    """`openssh` (the client of this machine) or `paramiko`; None leaves it to what the host needs."""
    legacy_ssh: bool = False
    """Its sshd is so old that it offers nothing but algorithms which OpenSSH no longer takes by itself."""
    unsaid: frozenset[str] = frozenset()
    """Of user and port those that hosts.toml leaves open; ssh_config may say them."""

    def has(self, role: Role) -> bool:
        """Whether at least one of that role runs there."""
        return bool(self.roles.get(role.name))


@dataclass(frozen=True, slots=True)
class Program:
    """One process under supervisor."""

    name: str
    role: str
    index: int
    """Counts the instances of its role on its host, from 1."""
    port: int | None
    log: str


@dataclass(frozen=True, slots=True)
class TLS:
    """A store is spoken to by TLS only, and has to prove its name by a certificate."""

    name: str
    """The name that the certificate has to be for: the store's address, as hosts.toml gives it."""
    ca: str | None
    """The certificates of the CAs that may have issued it, as PEM; None stands for those that each machine knows."""
    file: Path | None = field(default=None, compare=False)
    """The file on this machine that they were read from."""


@dataclass(frozen=True, slots=True)
class MySQL:
    """The server that holds tasks, projects and results."""

    host: str
    address: str
    port: int
    user: str
    password: Password
    managed: bool
    """Set up by `fab bootstrap`; otherwise it existed before."""
    databases: Databases
    tls: TLS | None = None


@dataclass(frozen=True, slots=True)
class Redis:
    """The server that holds the queues."""

    host: str
    address: str
    port: int
    db: int
    password: Password | None
    managed: bool
    tls: TLS | None = None
    user: str | None = None
    """One of its users (ACL); None for the default one, who needs no name."""
    admin: Password | None = field(default=None, repr=False)
    """The default user's own password, where `fab bootstrap` makes another user beside that one."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The two servers that the cluster's programs meet at."""

    mysql: MySQL
    redis: Redis

    def of(self, role: Role) -> MySQL | Redis:
        """The store of that role."""
        found: MySQL | Redis = getattr(self, role.name)
        return found


@dataclass(frozen=True)
class Fleet:
    """A whole cluster, without a known fault."""

    path: Path
    cluster: Cluster
    python: Python
    phantomjs: PhantomJS
    pyspider: Pyspider
    stores: Stores
    hosts: tuple[Host, ...]
    defaults: Host
    """The login to a host that hosts.toml does not name; it has no name and no address."""
    webui_password: Password | None
    passwords_path: Path
    """The file that keeps generated passwords."""
    doctor: Doctor
    endpoints: Mapping[str, SecretURL] = field(default_factory=dict)
    """The fetcher's options that are addresses (schema.ENDPOINTS); `pyspider` is without them."""
    watch: WatchTable = field(default_factory=WatchTable)

    @property
    def file(self) -> str:
        """The path of its hosts.toml as messages name it: so that it can be opened from the current folder."""
        return called(self.path)

    def host(self, name: str) -> Host:
        """The host of that name. Raises WrongInput."""
        known = {host.name: host for host in self.hosts}
        if name not in known:
            raise WrongInput(f"{self.file}: unknown host '{name}'{hint(name, known)}")
        return known[name]

    def named(self, word: str) -> Host:
        """The host of that name or user@address:port; it may be none of the file's. Raises WrongInput.

        [defaults] fills in the parts that an address leaves open. A machine that the file describes is that host.
        """
        where = None if any(host.name == word for host in self.hosts) else parsed(word)
        if where is None:
            return self.host(word)
        open_ = self.defaults
        stranger = replace(
            open_,
            name=word,
            address=where.address,
            user=where.user or open_.user,
            port=where.port or open_.port,
            unsaid=open_.unsaid - {key for key in ("user", "port") if getattr(where, key)},
        )
        return self._described(stranger, where) or stranger

    def _described(self, stranger: Host, where: Address) -> Host | None:
        for host in self.hosts:
            same = (host.address.lower(), host.port) == (stranger.address.lower(), stranger.port)
            if where.address == host.name or (same and where.user not in (None, host.user)):
                raise WrongInput(
                    f"'{stranger.name}' is {host.name} of {self.file}, which says how to log in there; "
                    f"name it {host.name}"
                )
            if same:
                return host
        return None

    def gateway(self, host: Host) -> Host | None:
        """The machine through which `host` is reached, if there is one; it may be none of the cluster's."""
        if host.gateway is None or "@" not in host.gateway:
            return self.host(host.gateway) if host.gateway else None
        user, _, where = host.gateway.partition("@")
        address, _, port = where.partition(":")
        said = Host(
            host.gateway,
            address,
            int(port or SSH_PORT),
            user,
            host.key,
            host.known_hosts,
            host.host_keys,
            ssh=host.ssh,
        )
        return said if port else replace(said, unsaid=frozenset({"port"}))

    def with_role(self, role: str) -> tuple[Host, ...]:
        """The hosts with at least one of that role, in the order of the file. Raises WrongInput."""
        return self.select(roles=(role,))

    @property
    def scheduler_host(self) -> Host:
        """The one host that has the scheduler."""
        return self.with_role(SCHEDULER.name)[0]

    @property
    def asked(self) -> tuple[str, ...]:
        """The roles of the cluster that are asked whether they are well."""
        return tuple(name for name in ASKED if self.with_role(name))

    def select(
        self,
        names: Sequence[str] = (),
        roles: Sequence[str] = (),
        limit: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> tuple[Host, ...]:
        """The hosts that have one of the names and one of the roles, in the order of the file. Raises WrongInput.

        No names stands for all of them, no roles likewise. A name may be an address outside of the file: such
        hosts come last, and have no roles. Of all these, those that match one of the patterns of `limit` and
        none of `exclude`; a pattern (with * ? or [) may match nothing, a name must be known.
        """
        wanted = [self.named(name) for name in names]
        strangers = {(host.address, host.port): host for host in wanted if host not in self.hosts}.values()
        for role in roles:
            if role not in ROLES:
                raise WrongInput(f"unknown role '{role}'{hint(role, ROLES)}; roles are {', '.join(ROLES)}")
        return tuple(
            host
            for host in (*self.hosts, *strangers)
            if (not names or host in wanted)
            and (not roles or any(host.roles.get(role) for role in roles))
            and (not limit or self._matches(host, limit))
            and not self._matches(host, exclude)
        )

    def _matches(self, host: Host, patterns: Sequence[str]) -> bool:
        return any(
            fnmatch.fnmatchcase(host.name, pattern) if set(pattern) & set("*?[") else host == self.named(pattern)
            for pattern in patterns
        )

    def programs(self, host: Host) -> tuple[Program, ...]:
        """The host's programs under supervisord, in start order."""
        return tuple(programs(host.roles, self.pyspider, self.cluster.logs))

    def bind_address(self, host: Host) -> str:
        """The address at which the host's web UI listens."""
        return host.address if self.pyspider.webui.host == "address" else self.pyspider.webui.host

    def webui_password_place(self) -> str:
        """Where the web UI's password is found, in words; empty where none is asked for."""
        options = self.pyspider.webui
        if not (options.username and self.webui_password):
            return ""
        if options.password and options.password.env:
            return f"in the environment variable {options.password.env}"
        if options.password and options.password.file:
            return f"in {called(self.path.parent / Path(options.password.file).expanduser())}"
        return f"in {called(self.passwords_path)} (key {WEBUI.name})"

    def mysql_address(self) -> str:
        return self.stores.mysql.address

    def redis_address(self) -> str:
        return self.stores.redis.address

    @cached_property
    def digest_key(self) -> bytes:
        """The key for digests of files that hold passwords: a digest without it would let a weak one be guessed."""
        return self._key(self.webui_password, *self._addresses)

    @cached_property
    def program_keys(self) -> Mapping[str, bytes]:
        """The same for each role whose programs read passwords, of those alone: another's new one restarts none."""
        stores = self._key()
        found = dict.fromkeys((role.name for role in PROGRAMS if role.kind == "component"), stores)
        found |= {FETCHER.name: self._key(*self._addresses)} if self._addresses else {}
        return found | ({WEBUI.name: self._key(self.webui_password)} if self.webui_password else {})

    @property
    def _addresses(self) -> list[SecretURL]:
        return [self.endpoints[name] for name in sorted(self.endpoints)]

    def _key(self, *more: Password | None) -> bytes:
        """A key of the stores' passwords and these: a weak one is no easier to guess than all of them together."""
        found = (self.stores.mysql.password, self.stores.redis.password, *more)
        text = "\n".join(password.reveal() if password else "" for password in found)
        return hashlib.scrypt(text.encode(), salt=self.cluster.name.encode(), n=2**12, r=8, p=1, dklen=32)


def programs(roles: Mapping[str, int], options: Pyspider, logs: str) -> Iterator[Program]:
    """The programs of a host with these roles, in start order."""
    for role in PROGRAMS:
        for index in range(1, roles.get(role.name, 0) + 1):
            name = role.name if role.count == "one" else f"{role.name}{index}"
            port = options.base_port(role) + index - 1 if role.port_option else None
            yield Program(name, role.name, index, port, f"{logs}/{name}.log")


def near(word: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest; None where none is near."""
    names = list(known)
    for spelling in (word.replace("_", "-"), word.replace("-", "_"), word.lower()):
        if spelling != word and spelling in names:
            return spelling
    return next(iter(difflib.get_close_matches(word, names, n=1)), None)


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'fetcher'?)`, or nothing where no known name is near."""
    return f" (did you mean '{found}'?)" if (found := near(word, known)) else ""
