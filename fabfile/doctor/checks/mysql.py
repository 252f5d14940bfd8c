"""MySQL, by the answers that the components themselves get."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ...inventory.roles import MYSQL
from ..answers import MySQLAnswer
from ..findings import Check, Hit, Patient, View
from .network import filtered
from .runtime import numbers
from .stores import APART, BOOTSTRAP, COPY, DEPENDENTS, STARTED, Reply, blamed, server

DENIED = (1044, 1045, 1130, 1698, 1142, 1227, 1820, 1862, 3118, 4151)
"""Also an expired password (1820, 1862) and a locked account (3118; MariaDB: 4151)."""
FULL = (1040, 1203, 1226)
"""Too many connections at all, or of one user (max_user_connections)."""
NETWORK = range(2000, 3000)
STRANGE = (0, -1, 1115, 1251, 1273, 2027, 2049, 2054, 2058, 2059, 2061)
"""No number at all, an authentication or a character set that one of the two does not know."""
TLS = (2026, 3159)
"""No TLS where it is wanted, by one side or the other."""
ABSENT = 1049
"""No such database: pyspider makes it, where it may."""
UTF8MB4 = (5, 5, 3)
"""The first MySQL with the character set that mysql.connector speaks."""
EMOJI = re.compile(r"\b1366\b.*Incorrect string value: '\\+xF0")
"""A sign of four bytes was refused by a table of three-byte signs."""
PACKET = 1 << 20
"""Bytes. pyspider sends a whole page's result, or a script, in one statement."""


def _mysql(view: View) -> Iterator[tuple[Patient, str, MySQLAnswer, str]]:
    """Each host, database, answer and address for people; equal ones once."""
    for host in view.seen:
        seen = set()
        for asked in host.asked:
            for name, answer in asked.mysql.items():
                where = asked.places.get(name, "")
                if (name, where, answer.error) not in seen:
                    seen.add((name, where, answer.error))
                    yield host, name, answer, where


def mysql_errors(matches: Callable[[int], bool]) -> Callable[[View], Iterable[Hit]]:
    """One hit per asker or store: a fault of one database is mostly a fault of all three."""

    def find(view: View) -> Iterator[Hit]:
        replies: dict[tuple[str, str, str, str], list[tuple[Patient, str, str]]] = {}
        for host, name, answer, where in _mysql(view):
            own = answer.error and matches(answer.errno or 0) and not filtered(view, host, where, answer)
            same = _let_in(view, host, name, where) if own and answer.errno in DENIED else ""
            place, error = where.rpartition("/")[0], answer.error if own else None
            replies.setdefault((host.name, place, error or "", same), []).append((host, name, place))
        yield from blamed(view, (_reply(error, same, several) for (_, _, error, same), several in replies.items()))

    return find


def _let_in(view: View, host: Patient, name: str, where: str) -> str:
    """The way on where another host is let in by that MySQL: its user and password are the right ones."""
    for other in view.seen:
        for asked in other.asked:
            answer = asked.mysql.get(name)
            if other is not host and answer and not answer.error and asked.places.get(name) == where:
                return COPY.format("{names}", other.name, asked.path)
    return ""


def _reply(error: str, same: str, several: list[tuple[Patient, str, str]]) -> Reply:
    host, _, place = several[0]
    names = ", ".join(name for _, name, _ in several)
    return Reply(host, place, f"{names} at {place}: {error}" if error else "", same.replace("{names}", names))


def full(view: View) -> Iterator[Hit]:
    yield from mysql_errors(lambda number: number in FULL)(view)
    for host, answer, where in _servers(view, "taskdb"):
        if answer.connected > answer.max_connections * 0.9 > 0:
            yield Hit(host, f"{where}: {answer.connected} of {answer.max_connections} connections are in use")


def _unlisted(number: int) -> bool:
    """Whether no other check tells of this error."""
    return number not in (*NETWORK, *DENIED, *FULL, *STRANGE, *TLS, ABSENT)


def _servers(view: View, database: str) -> Iterator[tuple[str, MySQLAnswer, str]]:
    """Each server of this database once, also where several hosts ask it: its host, its answer, its address."""
    seen = set()
    for host, name, answer, place in _mysql(view):
        where = place.replace("this host", host.host.address)
        if name == database and not answer.error and where not in seen:
            seen.add(where)
            yield server(view, host, where), answer, where


def packets(view: View) -> Iterator[Hit]:
    for host, answer, where in _servers(view, "resultdb"):
        if 0 < answer.max_allowed_packet < PACKET:
            yield Hit(host, f"{where}: max_allowed_packet is {answer.max_allowed_packet} bytes")


def charsets(view: View) -> Iterator[Hit]:
    """Tables that hold no Chinese; and those that hold no emoji, once somebody was refused one."""
    emoji = _refused_emoji(view)
    seen = set()
    for host, _, answer, place in _mysql(view):
        where = place.replace("this host", host.host.address)
        wrong = [(table, name) for table, name in answer.charsets if emoji or not name.startswith("utf8")]
        if wrong and where not in seen:
            seen.add(where)
            yield _charset(view, host, where, wrong, emoji)


def _charset(view: View, host: Patient, where: str, wrong: list[tuple[str, str]], emoji: str) -> Hit:
    database = where.rpartition("/")[2]
    tables = ", ".join(f"the table {table} is {name}" for table, name in wrong)
    statements = [f"ALTER TABLE `{database}`.`{table}` CONVERT TO CHARACTER SET utf8mb4;" for table, _ in wrong]
    return Hit(
        server(view, host, where),
        f"{where}: {tables}{f'; {emoji}' if emoji else ''}",
        fix=f"in MySQL: {' '.join(statements)}",
    )


def _refused_emoji(view: View) -> str:
    """The line of a program's log that tells of a refused emoji; empty where none does."""
    for host in view.seen:
        for log in host.facts.logs.values():
            if found := next((line for line in reversed(log.tail) if EMOJI.search(line)), None):
                return f"{host.name}: {found.strip()[:200]}"
    return ""


def versions(view: View) -> Iterator[Hit]:
    yield from mysql_errors(lambda number: number in STRANGE)(view)
    seen = set()
    for host, _, answer, place in _mysql(view):
        version = answer.version or ""
        where = place.replace("this host", host.host.address).partition("/")[0]
        if version and "mariadb" not in version.lower() and numbers(version) < UTF8MB4 and where not in seen:
            seen.add(where)
            text = f"{where}: the server is MySQL {version}, which knows no utf8mb4"
            yield Hit(server(view, host, where), text, fix="upgrade it to MySQL 5.7 or MariaDB 10", by_hand=True)


CHECKS = (
    Check(
        id="mysql-refused",
        title="InterfaceError: 2003: Can't connect to MySQL server; the scheduler starts and crawls nothing",
        cause="MySQL does not run, or does not listen where config.json says, or a filter is between",
        fix=BOOTSTRAP,
        find=mysql_errors(lambda number: number in NETWORK and number not in (*STRANGE, *TLS)),
        fixes=("stores",),
        foreign_fix="start MySQL, and let it listen (bind-address) at the address above" + STARTED,
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-denied",
        title="ProgrammingError: 1045 (28000): Access denied for user",
        cause="MySQL does not accept the user, its password, or its access to this database from this host",
        fix=BOOTSTRAP,
        find=mysql_errors(lambda number: number in DENIED),
        fixes=("stores", "release", "restart"),
        foreign_fix="let MySQL know the user at '%': CREATE USER, or ALTER USER where its password is not that in "
        "config.json or has expired (PASSWORD EXPIRE NEVER) or the account is locked (ACCOUNT UNLOCK), and GRANT ALL "
        "on the databases above",
        apart_fix="let MySQL know the user at '%', with all rights on the databases above (CREATE USER, GRANT), "
        "its password not expired (ALTER USER … PASSWORD EXPIRE NEVER) and its account not locked (ACCOUNT UNLOCK), or "
        + APART.format(MYSQL.name, "user"),
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-max-connections",
        title="1040: Too many connections; 1203, 1226: more than max_user_connections",
        cause="each pyspider process holds about three connections; the server, or its limit for this user, allows "
        "too few",
        fix=BOOTSTRAP,
        find=full,
        foreign_fix="write max_connections = 500 below [mysqld], and start MySQL again: one that is full may let in "
        "nobody at all, root neither. Where the limit is the user's (1203, 1226): raise max_user_connections, and that "
        "of the user by ALTER USER … WITH MAX_USER_CONNECTIONS 500" + STARTED,
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-error",
        title="MySQL answers with an error that no other problem here names",
        cause="MySQL does not do what programs ask of it first, for the reason that it gives",
        fix="mend in MySQL what the error above names; `fab doctor` tells whether it is gone",
        find=mysql_errors(_unlisted),
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-packet",
        title="results or scripts are lost; `packet bigger than max_allowed_packet`, `MySQL server has gone away`",
        cause="a result or a script travels in one statement, and the server takes no statement of that size",
        fix=BOOTSTRAP,
        find=packets,
        fixes=("stores",),
        foreign_fix="write max_allowed_packet = 64M below [mysqld] for later, then, in MySQL: SET GLOBAL "
        "max_allowed_packet = 67108864",
    ),
    Check(
        id="mysql-charset",
        title="1366 (22007): Incorrect string value; a 500 when a script with an emoji is saved",
        cause="pyspider makes its tables as utf8, which in MySQL holds signs of three bytes only: an emoji has four. A "
        "table that somebody made as latin1 holds no Chinese either",
        fix="in MySQL: ALTER TABLE the table CONVERT TO CHARACTER SET utf8mb4",
        find=charsets,
    ),
    Check(
        id="mysql-version",
        title="Authentication plugin is not supported; 1251: Client does not support authentication protocol; "
        "Unknown character set: 'utf8mb4'",
        cause="mysql.connector 8.0.23 and this server do not understand each other: an authentication plugin that only "
        "one of them has, or a MySQL before 5.5.3, which knows no utf8mb4",
        fix=BOOTSTRAP,
        find=versions,
        fixes=("stores",),
        foreign_fix="let the user log in by mysql_native_password (or, in MySQL 8 and later, caching_sha2_password): "
        "ALTER USER … IDENTIFIED WITH …",
        hides=DEPENDENTS | {"mysql-refused", "mysql-denied"},
    ),
)
