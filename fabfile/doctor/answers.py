"""The answers that a host's components get: from their interpreter, stores, RPC servers, phantomjs and a site."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ..steps.base import parsed_in_threads
from . import known


class Fact(Struct, frozen=True, kw_only=True):
    """A part of a host's answer. Defaults mean that it was not seen; fields that it does not name are ignored."""


class FileSeen(Fact, frozen=True):
    """A file, directory or socket that stands on the host."""

    path: str
    owner: str = ""
    mode: int = 0
    mtime: float = 0.0
    """Unix time."""
    kind: str = "file"
    """`file`, `dir` or `socket`."""


class Interpreter(Fact, frozen=True):
    """A Python that runs pyspider."""

    version: tuple[int, ...] = ()
    modules: Mapping[str, str | None] = {}
    """Why a module can't be imported; None where it can."""
    versions: Mapping[str, str] = {}
    """By package."""
    cext: bool = False
    """Whether mysql.connector has its C extension."""
    curl: str = ""
    curl_https: bool = True


class Answer(Fact, frozen=True):
    """The answer of a server that a component needs."""

    error: str | None = None
    tcp: str = ""
    """How a plain connection ended where this one failed: `open`, `refused`, `silent` or `unknown`."""
    place: str = ""
    """`address:port`, where the connection failed."""


class MySQLAnswer(Answer, frozen=True):
    """MySQL's answer, for one of the databases. Figures are 0 where they were not seen."""

    errno: int | None = None
    version: str | None = None
    max_connections: int = 0
    connected: int = 0
    max_allowed_packet: int = 0
    """Bytes."""
    charsets: tuple[tuple[str, str], ...] = ()
    """Tables that can't hold just any text, with their character sets."""


class RedisAnswer(Answer, frozen=True):
    """Redis' answer."""

    code: str = ""
    policy: str = ""
    """Empty where the server does not say."""
    queues: Mapping[str, int] = {}
    clients: tuple[str, ...] = ()
    """The addresses from which its queues are used."""
    idle: Mapping[str, float] = {}
    """Seconds since it last heard of a client, by the client's `address:port`."""
    still: tuple[str, ...] = ()
    """The queues whose first entry was the same a second later."""
    pulses: Mapping[str, str] = {}
    """What components tell of their work, as JSON, by host/program."""
    aside: Mapping[str, tuple[int, str]] = {}
    """The queues with messages that were put aside: how many, and the error of the last one."""


class RPCAnswer(Answer, frozen=True):
    """The answer of a scheduler or a fetcher to the web UI."""

    url: str = ""
    methods: tuple[str, ...] = ()
    kind: str = ""
    """`silent`, `refused` or `other`, where there was an error."""


class PhantomJSAnswer(Answer, frozen=True):
    """The answer of phantomjs to a fetcher."""

    where: str = ""


class SiteAnswer(Fact, frozen=True):
    """How a TLS handshake with a site of the internet ended, for a fetcher."""

    code: int = 0
    """libcurl's; 0 is well."""
    says: str | None = None
    named: bool = False
    """Whether the name was resolved."""
    proxy: bool = False


@parsed_in_threads
class StoreAddress(Fact, frozen=True):
    """The address of a store in a config.json, without its password."""

    scheme: str = "mysql"
    host: str | None = None
    path: str = ""
    user: str | None = None
    secret: bool = False
    """Whether it has a password."""
    odd_password: bool = False
    sign: str = ""
    """The first sign of its password that an address can't hold."""
    bad: str = ""
    """Why it can't be taken apart."""


class Asked(Fact, frozen=True):
    """The answers that one pair of interpreter and config.json got."""

    python: str
    roles: tuple[str, ...] = ()
    """The roles of the programs that use this pair."""
    path: str | None = None
    """config.json's."""
    file: FileSeen | None = None
    broken: str | None = None
    """Why the interpreter did not start."""
    interpreter: Interpreter | None = None
    config: Mapping[str, object] | None = None
    """Its keys as they stand there, without passwords; None where it can't be read."""
    bad_config: str = ""
    """Why it can't be read."""
    places: Mapping[str, str] = {}
    """Where the addresses lead: `address:port/database`."""
    mysql: Mapping[str, MySQLAnswer] = {}
    """By database."""
    overdue: Mapping[str, int] = {}
    """Tasks that should have been done long ago, by project: of a few of each."""
    redis: RedisAnswer | None = None
    rpc: Mapping[str, RPCAnswer] = {}
    """By role."""
    phantomjs: PhantomJSAnswer | None = None
    site: SiteAnswer | None = None

    def option(self, name: str) -> object:
        """The value of a key of config.json; None where it is not there."""
        return known.option(self.config or {}, name)

    def section(self, name: str) -> Mapping[str, object]:
        """A section of config.json; empty where there is none."""
        found = self.option(name)
        return found if isinstance(found, Mapping) else {}

    def address(self, name: str) -> StoreAddress | None:
        """A store's address in config.json; None where it is not there."""
        found = self.option(name)
        return None if found is None else _address(found)


def _address(found: object) -> StoreAddress:
    try:
        return msgspec.convert(found, StoreAddress)
    except msgspec.ValidationError:
        return StoreAddress(scheme="?")
