"""Questions to MySQL and Redis from the control machine, over a tunnel or over plain TCP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .deadline import OVER, Open, Timed
from .errors import Problem

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from redis import Redis

QUEUES = ("newtask_queue", "status_queue", "scheduler2fetcher", "fetcher2processor", "processor2result")
SECONDS = 10.0

_MYSQL_CODES = {
    1044: "MySQL lets the user in, but not to this database; run `fab bootstrap`, or grant the rights",
    1045: "MySQL refuses the user or its password; run `fab bootstrap`, or correct stores.mysql in hosts.toml",
    1049: "the database does not exist; run `fab bootstrap`, or create it",
    1129: "MySQL has blocked this host after too many errors; run `FLUSH HOSTS` there",
    1130: "MySQL does not let this host in; check the user's host part",
    1040: "MySQL has no connection left; raise max_connections or run fewer programs",
}


def tcp(address: str, port: int) -> Open:
    """A plain connection, for a store that the control machine reaches itself."""
    return lambda: socket.create_connection((address, port), timeout=SECONDS)


@dataclass(frozen=True, slots=True)
class MySQLReport:
    """How MySQL was found."""

    ok: bool
    version: str = ""
    databases: Mapping[str, bool] = field(default_factory=dict)
    """Whether the user sees each; all False where the question could not be asked."""
    tables: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RedisReport:
    """How Redis was found."""

    ok: bool
    version: str = ""
    policy: str = ""
    """What happens when its memory is full; empty where the server does not say."""
    queues: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


def mysql_report(
    open: Open, user: str, password: str, databases: Iterable[str], seconds: float = SECONDS
) -> MySQLReport:
    """Whether the user gets in and sees its databases. Never raises; ends within `seconds` of the connection."""
    names = tuple(databases)
    nothing = dict.fromkeys(names, False)
    try:
        with _mysql(open, user, password, seconds) as connection:
            ((version,),) = _rows(connection, "SELECT VERSION()")
            shown = {row[0] for row in _rows(connection, "SHOW DATABASES")}
            tables = dict(_rows(connection, _TABLES, (names,))) if names else {}
    except Problem as error:
        return MySQLReport(False, databases=nothing, problem=str(error))
    found = {name: name in shown for name in names}
    counts = {name: int(tables.get(name, 0)) for name in names if found[name]}
    missing = [name for name in names if not found[name]]
    problem = f"MySQL shows no database {', '.join(missing)}; run `fab bootstrap`, or grant rights" if missing else None
    return MySQLReport(not missing, str(version), found, counts, problem)


def redis_report(
    open: Open, password: str | None, db: int = 0, queues: Iterable[str] = QUEUES, seconds: float = SECONDS
) -> RedisReport:
    """Whether Redis lets us in, and how long the queues are. Never raises; ends within `seconds` of the connection."""
    names = tuple(queues)
    try:
        with _redis(open, password, db, seconds) as client:
            info: Any = client.info()
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.llen(name)
            lengths = [int(length) for length in pipeline.execute()]
    except Problem as error:
        return RedisReport(False, problem=str(error))
    version, policy = str(info.get("redis_version", "")), str(info.get("maxmemory_policy", ""))
    problem = _redis_trouble(info, policy)
    return RedisReport(problem is None, version, policy, dict(zip(names, lengths, strict=True)), problem)


def result_count(
    open: Open, user: str, password: str, database: str, project: str, since: float = 0.0, seconds: float = SECONDS
) -> int:
    """How many of a project's pages have a result saved at `since` (Unix time) or later. Raises Problem."""
    query = f"SELECT COUNT(*) FROM {_table(database, project)} WHERE updatetime >= %s"
    return sum(count for (count,) in _results(open, user, password, query, (since,), seconds))


def sample_results(
    open: Open, user: str, password: str, database: str, project: str, limit: int = 5, seconds: float = SECONDS
) -> list[tuple[str, str]]:
    """The newest results of a project: (url, result as JSON). Raises Problem."""
    query = f"SELECT url, result FROM {_table(database, project)} ORDER BY updatetime DESC LIMIT %s"
    rows = _results(open, user, password, query, (limit,), seconds)
    return [(url, _readable(result)) for url, result in rows]


def _readable(result: bytes | str | None) -> str:
    """pyspider writes JSON with every letter outside ASCII as an escape; here it is read by people."""
    import json

    text = result.decode(errors="replace") if isinstance(result, bytes) else result or "null"
    with suppress(ValueError):
        return json.dumps(json.loads(text), ensure_ascii=False)
    return text


_TABLES = "SELECT table_schema, COUNT(*) FROM information_schema.tables WHERE table_schema IN %s GROUP BY table_schema"
_NO_SUCH_TABLE = 1146


def _table(database: str, project: str) -> str:
    """pyspider 0.3.10 keeps a project's results in a table of its name (database/mysql/resultdb.py)."""
    if not re.fullmatch(r"\w+", project):
        raise Problem(f"{project!r} is no project name: letters, digits and _ only")
    return ".".join(f"`{name.replace('`', '``')}`".replace("%", "%%") for name in (database, project))


def _results(
    open: Open, user: str, password: str, query: str, values: tuple[Any, ...], seconds: float
) -> list[tuple[Any, ...]]:
    with _mysql(open, user, password, seconds) as connection:
        return _rows(connection, query, values, missing_ok=True)


def _rows(
    connection: Connection[Any], query: str, values: tuple[Any, ...] = (), missing_ok: bool = False
) -> list[tuple[Any, ...]]:
    from pymysql.err import ProgrammingError

    with connection.cursor() as cursor:
        try:
            cursor.execute(query, values or None)
        except ProgrammingError as error:
            if missing_ok and error.args[:1] == (_NO_SUCH_TABLE,):
                return []
            raise
        return list(cursor.fetchall())


@contextmanager
def _mysql(open: Open, user: str, password: str, seconds: float) -> Iterator[Connection[Any]]:
    """A connection for a few questions. What goes wrong, then or meanwhile, is raised as a Problem."""
    import pymysql

    try:
        with closing(Timed(open(), seconds)) as stream:
            connection = pymysql.connect(user=user, password=password, charset="utf8mb4", defer_connect=True)
            # It wants what a socket can do, not a socket.
            connection.connect(cast(socket.socket, stream))
            with closing(connection):
                yield connection
    except pymysql.MySQLError as error:
        raise Problem(_mysql_sentence(error, seconds)) from None
    except (OSError, EOFError) as error:
        raise Problem(f"MySQL: no connection: {_reason(error)}") from None


def _mysql_sentence(error: Exception, seconds: float) -> str:
    code, text = (*error.args, "", "")[:2]
    if code in _MYSQL_CODES:
        return _MYSQL_CODES[code]
    if isinstance(code, int) and 2000 <= code < 3000:
        if OVER in str(text):
            return f"MySQL did not answer within {seconds:g} s"
        return "MySQL ended the connection; does it run, and is it MySQL that listens there?"
    return f"MySQL answered with error {code}: {text}" if isinstance(code, int) else "what listens there is not MySQL"


@contextmanager
def _redis(open: Open, password: str | None, db: int, seconds: float) -> Iterator[Redis]:
    """A client for a few questions. What goes wrong, then or meanwhile, is raised as a Problem."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        with closing(Timed(open(), seconds)) as stream:
            pool = redis.ConnectionPool(
                connection_class=_redis_connection(), stream=stream, password=password, db=db, max_connections=1,
                protocol=2, retry=Retry(NoBackoff(), 0), decode_responses=True,
            )  # fmt: skip
            with closing(redis.Redis(connection_pool=pool)) as client:
                yield client
    except redis.RedisError as error:
        raise Problem(_redis_sentence(error, seconds)) from None
    except (OSError, EOFError) as error:
        raise Problem(f"Redis: no connection: {_reason(error)}") from None


def _redis_connection() -> type[Any]:
    """redis-py's connection over a stream that is open already."""
    from redis.connection import AbstractConnection

    class Connection(AbstractConnection):
        def __init__(self, stream: Timed, **options: Any) -> None:
            self._stream = stream
            super().__init__(**options)

        def _connect(self) -> Any:
            return self._stream

        def _host_error(self) -> str:
            return "the tunnel"

        def repr_pieces(self) -> list[tuple[str, Any]]:
            return []

    return Connection


def _redis_trouble(info: Mapping[str, Any], policy: str) -> str | None:
    if policy not in ("", "noeviction"):
        return f"Redis throws queue entries away when its memory is full (maxmemory-policy {policy}); set noeviction"
    if info.get("role") not in (None, "master"):
        return "this Redis is a replica, which takes no queue entries; name its master in hosts.toml"
    return None


def _redis_sentence(error: Exception, seconds: float) -> str:
    import redis

    text = str(error)
    if isinstance(error, redis.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return "Redis refuses the password; run `fab bootstrap`, or correct stores.redis in hosts.toml"
    if isinstance(error, redis.TimeoutError) or OVER in text:
        return f"Redis did not answer within {seconds:g} s"
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return "Redis is still loading its data; wait"
    if isinstance(error, redis.ConnectionError):
        return "Redis ended the connection; does it run, and is it Redis that listens there?"
    return f"Redis answered: {text}"


def _reason(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (reason or type(error).__name__).lower()
