"""The scratch stores of a bench, asked from the control machine: a free database, projects, the crawl so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, cast
from xmlrpc.client import Error, dumps, loads

from ..errors import Problem, printable, reason
from ..inventory import TLS
from . import mysql, redis
from .deadline import Open, Timed
from .words import SECONDS

MARK = "pyspider:bench"
"""The key of the scratch database that names its bench; see remote/keeper.py."""
MARK_SECONDS = 24 * 3600
MOST_DATABASES = 64
RPC_SECONDS = 10.0
_NO_RIGHT = (1044, 1142, 1227)


@dataclass(frozen=True, slots=True)
class ScratchRedis:
    """The way to Redis, and the login."""

    open: Open
    user: str | None
    password: str | None = field(repr=False)
    tls: TLS | None

    def connected(self, db: int) -> Any:
        """A client of that database."""
        return redis.connected(self.open, self.password, db, SECONDS, self.tls, self.user)


def free_database(login: ScratchRedis, production: int) -> int:
    """The number of a database that is empty and that nobody uses. Raises Problem where there is none."""
    from redis import ResponseError

    with login.connected(production) as client:
        filled = {int(name[2:]) for name in client.info("keyspace") if name[2:].isdigit()}
        # A pyspider with empty queues has no key.
        used = {int(one["db"]) for one in _clients(client) if str(one.get("db", "")).isdigit()}
        number = 0
        free: list[int] = []
        while number < MOST_DATABASES:
            try:
                client.execute_command("SELECT", number)
            except ResponseError:
                break
            free += [number] if number not in filled | used | {production} else []
            number += 1
        client.execute_command("SELECT", production)
    if not free:
        raise Problem(
            f"Redis has no free database for the bench: of its {number} databases each holds keys or has clients; "
            "raise `databases` in its configuration, or empty one that nobody needs (INFO keyspace shows them)"
        )
    return free[-1]


def _clients(client: Any) -> list[dict[str, str]]:
    from redis import ResponseError

    try:
        found: list[dict[str, str]] = client.client_list()
        return found
    except ResponseError:
        # It keeps this to itself.
        return []


def mark(login: ScratchRedis, db: int, run: str) -> None:
    """Take the database for a run. Raises Problem where somebody else was first."""
    with login.connected(db) as client:
        if not client.set(MARK, run, nx=True, ex=MARK_SECONDS):
            raise Problem(f"Redis' database {db} was taken by another bench meanwhile; run this again")


@dataclass(frozen=True, slots=True)
class ScratchMySQL:
    """The way to MySQL, and the login."""

    open: Open
    user: str
    password: str = field(repr=False)
    tls: TLS | None

    def connected(self) -> Any:
        return mysql.connected(self.open, self.user, self.password, SECONDS, self.tls)


def make_databases(login: ScratchMySQL, names: Sequence[str]) -> None:
    """Make databases in an existing MySQL. Raises Problem, with the GRANT that is needed where the user may not."""
    from pymysql.err import OperationalError

    with login.connected() as connection, connection.cursor() as cursor:
        for name in names:
            try:
                cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
            except OperationalError as error:
                if error.args[:1] and error.args[0] in _NO_RIGHT:
                    cursor.execute("SELECT CURRENT_USER()")
                    user, _, host = str(cursor.fetchone()[0]).rpartition("@")
                    raise Problem(
                        f"MySQL does not let the user {login.user} make the bench's databases; in MySQL, as an "
                        f"administrator: GRANT ALL PRIVILEGES ON `pyspider\\_bench\\_%`.* TO '{user}'@'{host}'; "
                        "then run this again"
                    ) from None
                raise


@dataclass(frozen=True, slots=True)
class Crawler:
    """The bench's scheduler and its stores."""

    mysql: ScratchMySQL
    redis: ScratchRedis
    db: int
    databases: dict[str, str]
    scheduler: Open
    """A way to the scheduler's RPC server."""

    def save(self, project: str, script: str, rate: int) -> None:
        """Put a project there, RUNNING. Raises Problem."""
        table = mysql.table(self.databases["projectdb"], "projectdb")
        statement = (
            f"INSERT INTO {table} (name, `group`, status, script, comments, rate, burst, updatetime) "
            "VALUES (%s, '', 'RUNNING', %s, '', %s, %s, %s)"
        )
        with self.mysql.connected() as connection, connection.cursor() as cursor:
            cursor.execute(statement, (project, script, rate, rate, time.time()))
            connection.commit()
        self.call("update_project")

    def stop(self, project: str) -> None:
        """Let it crawl no more. Raises Problem."""
        table = mysql.table(self.databases["projectdb"], "projectdb")
        with self.mysql.connected() as connection, connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET status = 'STOP', updatetime = %s WHERE name = %s", (time.time(), project)
            )
            connection.commit()
        self.call("update_project")

    def begin(self, project: str) -> bool:
        """Run on_start; whether the scheduler takes it. Raises Problem."""
        task = {
            "project": project,
            "taskid": "on_start",
            "url": "data:,on_start",
            "process": {"callback": "on_start"},
            "schedule": {"age": 0, "priority": 9, "force_update": True},
        }
        return bool(self.call("newtask", task))

    def results(self, project: str) -> int:
        """How many pages are stored. Raises Problem."""
        table = mysql.table(self.databases["resultdb"], project)
        with self.mysql.connected() as connection:
            return sum(int(count) for (count,) in mysql.rows(connection, f"SELECT COUNT(*) FROM {table}", (), True))

    def queues(self) -> dict[str, int]:
        """How many messages wait in each queue. Raises Problem."""
        way = self.redis
        report = redis.redis_report(way.open, way.password, self.db, tls=way.tls, user=way.user)
        if not report.queues:
            raise Problem(report.problem or "Redis does not tell how long the queues are")
        return dict(report.queues)

    def call(self, method: str, *values: Any) -> Any:
        """The answer of the scheduler. Raises Problem."""
        body = dumps(values, method, allow_none=True).encode()
        try:
            with closing(Timed(self.scheduler(), RPC_SECONDS)) as stream:
                connection = HTTPConnection("127.0.0.1")
                connection.sock = cast("Any", stream)
                connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", "Connection": "close"})
                answer = connection.getresponse().read()
            return loads(answer.decode())[0][0]
        except Problem:
            raise
        except (OSError, EOFError, ValueError, HTTPException) as error:
            raise Problem(f"the bench's scheduler does not answer: {reason(error)}") from error
        except Error as error:
            raise Problem(f"the bench's scheduler answered: {printable(str(error))[:300]}") from error
        except Exception as error:
            # xml.parsers.expat's own error, for an answer that is no XML.
            raise Problem("the bench's scheduler gave no answer of XML-RPC") from error
