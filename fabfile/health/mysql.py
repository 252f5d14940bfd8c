"""Questions to MySQL: is the user let in, does it see its databases, how many results are there?"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..errors import Problem
from ..inventory import TLS
from . import tls as secure
from .deadline import OVER, Open, Stream, Timed
from .words import SECONDS, reason, told

if TYPE_CHECKING:
    import socket

    from pymysql.connections import Connection

STORE = "stores.mysql"
_TLS_ONLY = "this MySQL is to be spoken to by TLS only; set `tls = true` in [stores.mysql] of hosts.toml"
_PLUGIN = (
    "MySQL wants this user to log in in a way that pyspider can't ({}); in MySQL: ALTER USER the user IDENTIFIED WITH "
    "mysql_native_password (or caching_sha2_password)"
)
_MYSQL_CODES = {
    1044: "MySQL lets the user in, but not to this database; run `fab bootstrap`, or grant the rights",
    1045: "MySQL refuses the user or its password; run `fab bootstrap`, or correct stores.mysql in hosts.toml, or copy "
    ".secrets/ from the control machine that set the cluster up",
    1049: "the database does not exist; run `fab bootstrap`, or create it",
    1129: "MySQL has blocked this host after too many errors; run `mysqladmin flush-hosts` there",
    1130: "MySQL does not let this host in; check the user's host part",
    1040: "MySQL has no connection left; raise max_connections or run fewer programs",
    2026: "MySQL there offers no TLS, though hosts.toml says `tls = true`; give it a certificate, or remove that key",
    3159: _TLS_ONLY,
}
_DENIED = 1045
_OR_TLS = "; or set `tls = true` there, if this user may come by TLS only"
_PLUGINS = (1251, 2059, 2061)
STRANGE = "the server there is not MySQL, or does not speak as MySQL does"


@dataclass(frozen=True, slots=True)
class MySQLReport:
    """How MySQL was found."""

    ok: bool
    version: str = ""
    databases: Mapping[str, bool] = field(default_factory=dict)
    """Whether the user sees each; all False where the question could not be asked."""
    tables: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


def mysql_report(
    open: Open,
    user: str,
    password: str,
    databases: Iterable[str],
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
) -> MySQLReport:
    """Whether the user gets in and sees its databases. Never raises; ends within `seconds` of the connection."""
    names = tuple(databases)
    nothing = dict.fromkeys(names, False)
    try:
        with connected(open, user, password, seconds, tls) as connection:
            ((version,),) = rows(connection, "SELECT VERSION()")
            shown = {row[0] for row in rows(connection, "SHOW DATABASES")}
            tables = dict(rows(connection, _TABLES, (names,))) if names else {}
            found = {name: name in shown for name in names}
            counts = {name: int(tables.get(name, 0)) for name in names if found[name]}
    except Problem as error:
        return MySQLReport(False, databases=nothing, problem=str(error))
    missing = [name for name in names if not found[name]]
    problem = f"MySQL shows no database {', '.join(missing)}; run `fab bootstrap`, or grant rights" if missing else None
    return MySQLReport(not missing, told(version), found, counts, problem)


def result_count(
    open: Open,
    user: str,
    password: str,
    database: str,
    project: str,
    since: float = 0.0,
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
) -> int:
    """How many of a project's pages have a result saved at `since` (Unix time) or later. Raises Problem."""
    query = f"SELECT COUNT(*) FROM {table(database, project)} WHERE updatetime >= %s"
    with connected(open, user, password, seconds, tls) as connection:
        return sum(int(count) for (count,) in rows(connection, query, (since,), missing_ok=True))


def sample_results(
    open: Open,
    user: str,
    password: str,
    database: str,
    project: str,
    limit: int = 5,
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
) -> list[tuple[str, str]]:
    """The newest results of a project: (url, result as JSON). Raises Problem."""
    query = f"SELECT url, result FROM {table(database, project)} ORDER BY updatetime DESC LIMIT %s"
    with connected(open, user, password, seconds, tls) as connection:
        found = rows(connection, query, (limit,), missing_ok=True)
        return [(url, _readable(result)) for url, result in found]


def _readable(result: bytes | str | None) -> str:
    """pyspider writes JSON with every letter outside ASCII as an escape; here it is read by people."""
    import json

    text = result.decode(errors="replace") if isinstance(result, bytes) else result or "null"
    with suppress(ValueError):
        return json.dumps(json.loads(text), ensure_ascii=False)
    return text


_TABLES = "SELECT table_schema, COUNT(*) FROM information_schema.tables WHERE table_schema IN %s GROUP BY table_schema"
_NOT_PYSPIDERS = (1146, 1054)
"""No such table, and one without such a column: somebody else's."""


def table(database: str, project: str) -> str:
    """pyspider 0.3.10 keeps a project's results in a table of its name (database/mysql/resultdb.py)."""
    if not re.fullmatch(r"\w+", project):
        raise Problem(f"{project!r} is no project name: letters, digits and _ only")
    return ".".join(f"`{name.replace('`', '``')}`".replace("%", "%%") for name in (database, project))


def rows(
    connection: Connection[Any], query: str, values: tuple[Any, ...] = (), missing_ok: bool = False
) -> list[tuple[Any, ...]]:
    from pymysql.err import OperationalError, ProgrammingError

    with connection.cursor() as cursor:
        try:
            cursor.execute(query, values or None)
        except (ProgrammingError, OperationalError) as error:
            if missing_ok and error.args[:1] and error.args[0] in _NOT_PYSPIDERS:
                return []
            raise
        return list(cursor.fetchall())


@contextmanager
def connected(open: Open, user: str, password: str, seconds: float, tls: TLS | None) -> Iterator[Connection[Any]]:
    """A connection for a few questions. Raises Problem for every fault, now or meanwhile."""
    import pymysql

    try:
        connection = _connection(user, password, tls)
        with closing(Timed(open(), seconds)) as stream:
            # It needs the methods of a socket, not a socket.
            connection.connect(cast("socket.socket", stream))
            with closing(connection):
                yield connection
    except Problem:
        raise
    except pymysql.MySQLError as error:
        raise Problem(_sentence(error, seconds, tls, connection)) from None
    except (OSError, EOFError) as error:
        raise Problem(f"MySQL: no connection: {reason(error)}") from None
    except Exception as error:
        # Bytes that are no answer of MySQL end PyMySQL with any exception.
        raise Problem(_plugin_missing(error) or STRANGE) from error


def _connection(user: str, password: str, tls: TLS | None) -> Connection[Any]:
    """Not connected yet. Through SSH it need not be TLS, and PyMySQL would ask for it wherever it is offered."""
    import pymysql

    options: dict[str, Any] = {"user": user, "password": password, "charset": "utf8mb4", "defer_connect": True}
    if tls is None:
        # The server there is not proven to be MySQL: so the password itself is never sent.
        never: dict[str, Any] = {"mysql_clear_password": _NotInClear, "dialog": _NotInClear}
        return pymysql.connect(ssl_disabled=True, auth_plugin_map=never, **options)
    wanted = secure.context(tls)
    connection: Any = pymysql.connect(ssl=wanted, host=tls.name, **options)
    connection.ctx = _Upgrade(wanted)
    return cast("Connection[Any]", connection)


@dataclass(frozen=True, slots=True)
class _Upgrade:
    """The method of an SSLContext that PyMySQL calls, for a stream in place of a socket."""

    wanted: ssl.SSLContext

    def wrap_socket(self, below: Stream, server_hostname: str) -> secure.Secured:
        return secure.Secured(below, self.wanted, server_hostname)


@dataclass(frozen=True, slots=True)
class _NotInClear:
    """Answers a server that wants to be told the password."""

    connection: Any

    def authenticate(self, _packet: Any) -> None:
        from pymysql.err import OperationalError

        raise OperationalError(_PLUGINS[1], "it wants the password in clear")


def _sentence(error: Exception, seconds: float, tls: TLS | None, connection: Connection[Any]) -> str:
    if tls and (fault := secure.refused(error)):
        return secure.sentence("MySQL", STORE, tls, fault)
    code, text = (*error.args, "", "")[:2]
    if not isinstance(code, int):
        return STRANGE
    if OVER in str(text):
        return f"MySQL did not answer within {seconds:g} s"
    or_tls = _OR_TLS if code == _DENIED and tls is None and _offers_tls(connection) else ""
    if 2000 <= code < 3000:
        unknown = "MySQL ended the connection; does it run, and is it MySQL that listens there?"
    else:
        unknown = f"MySQL answered with error {code}: {told(text)}"
    known = _PLUGIN.format(told(text)) if code in _PLUGINS else _MYSQL_CODES.get(code)
    return (known or unknown) + or_tls


def _offers_tls(connection: Connection[Any]) -> bool:
    from pymysql.constants import CLIENT

    return bool(getattr(connection, "server_capabilities", 0) & CLIENT.SSL)


def _plugin_missing(error: Exception) -> str:
    """PyMySQL raises RuntimeError where a way to log in needs a library that is not there."""
    return _PLUGIN.format(told(error)) if isinstance(error, RuntimeError) and type(error) is RuntimeError else ""
