"""MySQL and Redis, as the components themselves are answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ...inventory.queues import CONSUMERS
from ..answers import MySQLAnswer, RedisAnswer
from ..facts import Component
from ..findings import Check, Hit, Patient, View
from .config import readers
from .network import filtered
from .runtime import numbers

DENIED = (1044, 1045, 1130, 1129, 1698, 1142, 1227)
FULL = 1040
NETWORK = range(2000, 3000)
STRANGE = (0, -1, 1115, 1251, 1273, 2027, 2049, 2054, 2058, 2059, 2061)
"""No number at all, an authentication or a character set that one of the two does not know."""
TLS = (2026, 3159)
"""No TLS where it is wanted, by one side or the other."""
NO_TLS = "tls"
"""The same, of Redis; it stands for itself in doctor_answers.py."""
UTF8MB4 = (5, 5, 3)
"""The first MySQL with the character set that mysql.connector speaks."""
EMOJI = re.compile(r"\b1366\b.*Incorrect string value: '\\+xF0")
"""A sign of four bytes that a table of three-byte signs refused."""
BOOTSTRAP = "fab bootstrap, then fab deploy"
PACKET = 1 << 20
"""Bytes. pyspider sends a whole page's result, or a script, in one statement."""
DEPENDENTS = frozenset({"backoff", "rpc-down", "port-closed"})


def _mysql(view: View) -> Iterator[tuple[Patient, str, MySQLAnswer, str]]:
    """Per host, database and answer, the equal ones once; with the address for people."""
    for host in view.seen:
        seen = set()
        for asked in host.asked:
            for name, answer in asked.mysql.items():
                where = asked.places.get(name, "")
                if (name, where, answer.error) not in seen:
                    seen.add((name, where, answer.error))
                    yield host, name, answer, where


def mysql_errors(matches: Callable[[int], bool]) -> Callable[[View], Iterable[Hit]]:
    """One hit per host: what keeps the one database away mostly keeps all three away."""

    def find(view: View) -> Iterator[Hit]:
        by_error: dict[tuple[str, str], list[str]] = {}
        for host, name, answer, where in _mysql(view):
            if answer.error and matches(answer.errno or 0) and not filtered(view, host, where, answer):
                place, _, _ = where.rpartition("/")
                by_error.setdefault((host.name, f"{place}: {answer.error}"), []).append(name)
        for (host_name, error), names in by_error.items():
            yield Hit(host_name, f"{', '.join(names)} at {error}", items=_readers(view, host_name))

    return find


def _readers(view: View, name: str) -> tuple[str, ...]:
    """The programs that have read a config.json that was changed by hand."""
    host = next(host for host in view.seen if host.name == name)
    return tuple(dict.fromkeys(one for asked in host.asked for one in readers(host, asked)))


def full(view: View) -> Iterator[Hit]:
    yield from mysql_errors(lambda number: number == FULL)(view)
    for host, name, answer, where in _mysql(view):
        if name == "taskdb" and not answer.error and answer.connected > answer.max_connections * 0.9 > 0:
            yield Hit(host.name, f"{where}: {answer.connected} of {answer.max_connections} connections are in use")


def packets(view: View) -> Iterator[Hit]:
    for host, name, answer, where in _mysql(view):
        if name == "resultdb" and not answer.error and 0 < answer.max_allowed_packet < PACKET:
            yield Hit(host.name, f"{where}: max_allowed_packet is {answer.max_allowed_packet} bytes")


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
        _server(view, host, where),
        f"{where}: {tables}{f'; {emoji}' if emoji else ''}",
        fix=f"in MySQL: {' '.join(statements)}",
    )


def _refused_emoji(view: View) -> str:
    """The line of a program's log that tells so."""
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
            yield Hit(_server(view, host, where), text, fix="upgrade it to MySQL 5.7 or MariaDB 10", by_hand=True)


def _redis(view: View) -> Iterator[tuple[Patient, RedisAnswer, str]]:
    for host in view.seen:
        found = ((one.redis, one.places.get("message_queue", "")) for one in host.asked if one.redis)
        for answer, where in islice(found, 1):
            yield host, answer, where


def redis_errors(matches: Callable[[str], bool]) -> Callable[[View], Iterable[Hit]]:
    def find(view: View) -> Iterator[Hit]:
        for host, answer, where in _redis(view):
            if answer.error and matches(answer.code) and not filtered(view, host, where, answer):
                yield Hit(host.name, f"{where}: {answer.error}", items=_readers(view, host.name))

    return find


def _no_login(code: str) -> bool:
    return code in ("NOAUTH", "WRONGPASS", "NOPERM", "ERR")


def evicting(view: View) -> Iterator[Hit]:
    for host, answer, where in _once(view):
        if not answer.error and answer.policy not in ("", "noeviction"):
            yield Hit(_server(view, host, where), f"{where}: maxmemory-policy is {answer.policy}")


def _once(view: View) -> Iterator[tuple[Patient, RedisAnswer, str]]:
    """Each Redis once, whoever asks."""
    seen = set()
    for host, answer, place in _redis(view):
        where = place.replace("this host", host.host.address)
        if not answer.error and where not in seen:
            seen.add(where)
            yield host, answer, where


def _server(view: View, asker: Patient, where: str) -> str:
    """The host that the store runs on, if it is one of the cluster's."""
    address = where.partition(":")[0]
    return next((host.name for host in view.hosts if host.host.address == address), asker.name)


def strangers(view: View) -> Iterator[Hit]:
    addresses = {host.host.address for host in view.hosts} | {"127.0.0.1", "::1", "[::1]"}
    # A host that has a name for an address, or that could not be looked at, may well be among them.
    if len(view.seen) < len(view.fleet.hosts) or any(not host.host.address[-1:].isdigit() for host in view.hosts):
        return
    for host, answer, where in _once(view):
        if others := sorted(set(answer.clients) - addresses):
            yield Hit(
                _server(view, host, where),
                f"{where}: queues are also used from {', '.join(others)}, no host of this cluster",
            )


def stuck(view: View) -> Iterator[Hit]:
    limit = view.fleet.pyspider.queue_maxsize or 100
    for host, answer, where in _once(view):
        for queue, role in CONSUMERS.items():
            if answer.queues.get(queue, 0) >= limit:
                yield Hit(
                    _consumer(view, role) or host.name,
                    f"{queue} at {where} holds {answer.queues[queue]}; {_how(view, role)}",
                )


def _alive(view: View, role: str) -> list[tuple[Patient, Component]]:
    return [(host, one) for host in view.seen for one in host.components if one.role == role]


def _consumer(view: View, role: str) -> str | None:
    """The host of the consumer that hangs, else of the first."""
    alive = sorted(_alive(view, role), key=lambda pair: pair[1].state != "T")
    return next((host.name for host, _ in alive), None)


def _how(view: View, role: str) -> str:
    names = [
        f"{host.name} (pid {one.pid}{', stopped' if one.state == 'T' else ''})" for host, one in _alive(view, role)
    ]
    return f"its consumer is {role}: {', '.join(names)}" if names else f"its consumer is {role}, of which none runs"


CHECKS = (
    Check(
        id="mysql-refused",
        title="InterfaceError: 2003: Can't connect to MySQL server; the scheduler starts and crawls nothing",
        cause="MySQL does not run, or does not listen where config.json says, or a filter is between",
        fix="fab bootstrap (starts it and sets where it listens), then fab deploy",
        find=mysql_errors(lambda number: number in NETWORK and number not in (*STRANGE, *TLS)),
        fixes=("stores",),
        foreign_fix="start MySQL; set bind-address to an address that the other hosts reach",
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-denied",
        title="ProgrammingError: 1045 (28000): Access denied for user",
        cause="MySQL does not accept the user, its password, or its access to this database from this host",
        fix=BOOTSTRAP,
        find=mysql_errors(lambda number: number in DENIED),
        fixes=("stores", "release", "restart"),
        foreign_fix="CREATE USER and GRANT ALL on taskdb, projectdb and resultdb for the user at '%'",
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-max-connections",
        title="1040: Too many connections",
        cause="each pyspider process holds about three connections; the server allows too few",
        fix="fab bootstrap sets max_connections to 500; a server that is full may have to be stopped by hand first",
        find=full,
        foreign_fix="set max_connections in [mysqld] to 500",
        hides=DEPENDENTS,
    ),
    Check(
        id="mysql-packet",
        title="results or scripts are lost; `packet bigger than max_allowed_packet`, `MySQL server has gone away`",
        cause="a result or a script travels in one statement, and the server takes no statement of that size",
        fix=BOOTSTRAP,
        find=packets,
        fixes=("stores",),
        foreign_fix="set max_allowed_packet in [mysqld] to 64M",
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
        foreign_fix="in MySQL: ALTER USER the user IDENTIFIED WITH mysql_native_password (or, in MySQL 8 and later, "
        "caching_sha2_password)",
        hides=DEPENDENTS | {"mysql-refused", "mysql-denied"},
    ),
    Check(
        id="redis-refused",
        title="ConnectionError: Error 111 connecting to Redis; the scheduler and the processors end",
        cause="Redis does not run, or does not listen where config.json says, or a filter is between",
        fix="fab bootstrap (starts it and sets where it listens), then fab deploy",
        find=redis_errors(lambda code: not _no_login(code) and code != NO_TLS),
        fixes=("stores",),
        foreign_fix="start Redis; set bind to an address that the other hosts reach",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-noauth",
        title="NOAUTH Authentication required; WRONGPASS; invalid password",
        cause="Redis wants another password than the one in config.json",
        fix=BOOTSTRAP,
        find=redis_errors(_no_login),
        fixes=("stores", "release", "restart"),
        foreign_fix="write redis://:PASSWORD@HOST:PORT/0 as message-queue, with the password in redis.conf's "
        "requirepass",
        hides=DEPENDENTS,
    ),
    Check(
        id="redis-evicting",
        title="tasks vanish without any error",
        cause="with this policy Redis throws whole queues away when its memory is full",
        fix=BOOTSTRAP,
        find=evicting,
        fixes=("stores",),
        foreign_fix="redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
    ),
    Check(
        id="other-cluster",
        title="tasks vanish, or `unknown project`: another cluster's programs take them",
        cause="pyspider's queues have fixed names: programs that use the same Redis database are one cluster, wanted "
        "or not",
        fix="give the other cluster a database number of its own (stores.redis.db in its hosts.toml), or end the "
        "strangers",
        find=strangers,
    ),
    Check(
        id="queue-stuck",
        title="a queue stays at 100",
        cause="who takes out of this queue hangs or does not run; everything before it then waits: newtask_queue, "
        "scheduler2fetcher, fetcher2processor, processor2result, status_queue",
        fix="fab -H {host} reload",
        find=stuck,
        foreign_fix="supervisorctl restart the consumer",
    ),
)
