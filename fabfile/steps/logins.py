"""Before anything is stopped: the stores let this release in, asked from the host as its programs will ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe, parsed_in_threads
from .shell import cmd
from .shipped import as_work, shipped
from .supervisor import Place

ABSENT = 1049
"""MySQL: no such database. pyspider makes it, where it may."""
DENIED = 1045
"""MySQL: another user or password."""
NO_TLS = "gives no TLS that this host trusts"
SENTINEL = "there is a Sentinel"
FORBIDS = "does not allow its user what programs do there"
OLD = "knows no users"
CLUSTERED = "runs in cluster mode, where no script may take from several queues"
FULL = "has as many clients as it takes"
UNLISTED = "answers with an error"
NUMBER = "has no database of this number"
_MYSQL = {1044: "does not let the user into the database", DENIED: "refuses the user or its password", 2026: NO_TLS}
_WRONG = dict.fromkeys(("NOAUTH", "WRONGPASS", "ERR"), "refuses the password")
_REDIS = _WRONG | {"tls": NO_TLS, "sentinel": SENTINEL, "NOPERM": FORBIDS, "old": OLD}
_REDIS |= {"cluster": CLUSTERED, "full": FULL, "db": NUMBER, "error": UNLISTED}
_ADVICE = {
    SENTINEL: "name the master itself in [stores.redis]: pyspider's programs ask no Sentinel for it",
    FORBIDS: "allow it by ACL SETUSER there (docs/redis-users.md)",
    OLD: "take username out of [stores.redis], or name a Redis from 6 on",
    CLUSTERED: "name a Redis out of cluster mode in [stores.redis]",
    FULL: "raise maxclients there, or end clients that nobody needs",
    UNLISTED: "mend in Redis what its error names",
    NUMBER: "write a smaller db in [stores.redis], or raise databases there",
}


@dataclass(frozen=True, slots=True)
class Logins:
    """MySQL and Redis let in a program with this configuration; nothing is changed. Raises Problem on a refusal."""

    python: str
    config: bytes = field(repr=False)
    """The addresses of the release's config.json, with their passwords, and its tls.json."""
    existing: tuple[str, ...] = ()
    """The stores that `fab bootstrap` has not set up."""
    name: str = "logins"

    def probe(self) -> Probe:
        return Probe(f'{cmd(self.python)} -B "$1" logins "$2"', (shipped(), Payload(self.config)), limit=45)

    def diff(self, found: Found) -> Sequence[Action]:
        answer = _answer(found)
        if refusals := [*_mysql(answer.mysql, self.existing), *_redis(answer.redis, self.existing)]:
            raise Problem("; ".join(dict.fromkeys(refusals)))
        return []


@dataclass(frozen=True, slots=True)
class KeptLogins:
    """MySQL and Redis know the passwords of a release that a host keeps. Raises Problem where they were changed since.

    A store that is away is no reason to stay: its programs wait for it.
    """

    place: Place
    id: str
    name: str = "logins"

    def probe(self) -> Probe:
        folder = f"{self.place.home}/releases/{self.id}"
        script = as_work(self.place.user, self.place.python, "logins", {"folder": folder})
        return Probe(script, (shipped(),), limit=45)

    def diff(self, found: Found) -> Sequence[Action]:
        answer = _answer(found)
        mysql = any(one.errno == DENIED for one in answer.mysql.values())
        redis = answer.redis is not None and answer.redis.code in _WRONG
        stores = [name for name, refuses in (("MySQL", mysql), ("Redis", redis)) if refuses]
        if stores:
            raise Problem(
                f"nothing was changed here: the password of {' and '.join(stores)} is another one since release "
                f"{self.id}; choose a later one of `fab releases`, or deploy the former hosts.toml"
            )
        return []


class MySQLLogin(msgspec.Struct, frozen=True):
    """The answer of MySQL for one database; `errno` is 0 where it let the program in, None for another failure."""

    errno: int | None
    error: str | None


class RedisLogin(msgspec.Struct, frozen=True):
    """The answer of Redis; no error where it let the program in."""

    error: str | None
    code: str = ""


@parsed_in_threads
class StoresAnswer(msgspec.Struct, frozen=True):
    """The answers of both stores to the release's credentials, of MySQL by database."""

    mysql: dict[str, MySQLLogin]
    redis: RedisLogin | None


def _answer(found: Found) -> StoresAnswer:
    try:
        return msgspec.json.decode(found.text.strip().rpartition("\n")[2], type=StoresAnswer)
    except msgspec.DecodeError as error:
        raise CannotLook(f"the stores' answers can't be seen: {found.text[-300:]}") from error


def _mysql(answers: Mapping[str, MySQLLogin], existing: Sequence[str]) -> Iterator[str]:
    kinds: dict[MySQLLogin, list[str]] = {}
    for database, answer in answers.items():
        kinds.setdefault(answer, []).append(database)
    for answer, databases in kinds.items():
        if answer.errno not in (0, ABSENT):
            what = _MYSQL.get(answer.errno or 0, "does not let it in")
            yield f"MySQL {what} ({', '.join(databases)}: {answer.error}); {_advice(what, 'mysql', existing)}"


def _redis(answer: RedisLogin | None, existing: Sequence[str]) -> Iterator[str]:
    if answer and answer.error:
        what = _REDIS.get(answer.code, UNLISTED if answer.code.isupper() else "does not let it in")
        yield f"Redis {what} ({answer.error}); {_advice(what, 'redis', existing)}"


def _advice(what: str, store: str, existing: Sequence[str]) -> str:
    if what in _ADVICE:
        return _ADVICE[what]
    # bootstrap installs no certificate.
    if what == NO_TLS:
        return f"correct tls, ca or host in [stores.{store}], or the server's certificate"
    correct = f"correct [stores.{store}] (tls = true, where the account may come by TLS only)"
    return correct if store in existing else f"run `fab bootstrap`, or {correct}"
