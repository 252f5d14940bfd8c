"""Before anything is stopped: the stores let this release in, asked from the host as its programs will ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .shell import cmd
from .shipped import shipped

ABSENT = 1049
"""MySQL: no such database. pyspider makes it, where it may."""
NO_TLS = "gives no TLS that this host trusts"
_MYSQL = {1044: "does not let the user into the database", 1045: "refuses the user or its password", 2026: NO_TLS}
_REDIS = dict.fromkeys(("NOAUTH", "WRONGPASS", "ERR"), "refuses the password") | {"tls": NO_TLS}


@dataclass(frozen=True, slots=True)
class Logins:
    """MySQL and Redis let in a program with this configuration; nothing is changed. Raises Problem on a refusal."""

    python: str
    config: bytes = field(repr=False)
    """The addresses of the release's config.json, with their passwords, and its tls.json."""
    name: str = "logins"

    def probe(self) -> Probe:
        return Probe(f'{cmd(self.python)} -B "$1" logins "$2"', (shipped(), Payload(self.config)), limit=45)

    def diff(self, found: Found) -> Sequence[Action]:
        try:
            answer = json.loads(found.text.strip().rpartition("\n")[2])
            refusals = [*_mysql(answer["mysql"]), *_redis(answer["redis"])]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CannotLook(f"the stores' answers can't be seen: {found.text[-300:]}") from error
        if refusals:
            raise Problem("; ".join(dict.fromkeys(refusals)))
        return []


def _mysql(answer: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    kinds: dict[tuple[Any, str], list[str]] = {}
    for database, said in answer.items():
        kinds.setdefault((said["errno"], said["error"]), []).append(database)
    for (number, error), databases in kinds.items():
        if number not in (0, ABSENT):
            what = _MYSQL.get(number, "does not let it in")
            yield f"MySQL {what} ({', '.join(databases)}: {error}); {_advice(what, 'mysql')}"


def _redis(answer: Mapping[str, Any] | None) -> Iterator[str]:
    if answer and answer["error"]:
        what = _REDIS.get(answer["code"], "does not let it in")
        yield f"Redis {what} ({answer['error']}); {_advice(what, 'redis')}"


def _advice(what: str, store: str) -> str:
    # bootstrap installs no certificate.
    if what == NO_TLS:
        return f"correct tls, ca or host in [stores.{store}], or the server's certificate"
    return f"run `fab bootstrap`, or correct [stores.{store}] (tls = true, where the account may come by TLS only)"
