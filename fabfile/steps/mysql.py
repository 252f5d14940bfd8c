"""MariaDB (or MySQL) as a managed store: its configuration, its databases, its one user."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import render
from ..errors import Problem, WrongInput
from .base import Action, Found, Payload, Probe
from .families import services
from .files import Seen, look_at, parse_look, swap_in, told_kept, unified
from .given import OTHER, Given, State
from .mysql_answer import MySQLServer
from .service import Running, Service, look, parse
from .shell import Command, cmd, lines

SERVICE = Service(services("mysql"))

CONF = "zz-pyspider.cnf"
"""It sorts last in its directory: Debian's own mysqld.cnf, read after a name with digits, would have the last word."""
NOT_OURS = frozenset(
    {"", "root", "mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint"}
)
"""Accounts that the server itself needs; this project changes none of them."""

# MariaDB's client checks the server's certificate since 11.4, on the server's own socket too. The server reads the
# directory that its main configuration names last; others may be left from another server's packages.
FIND = """\
plain=--skip-ssl
client=$(command -v mariadb) || {
  plain=
  client=$(command -v mysql) || client=false
}
conf= dir=
for main in /etc/my.cnf /etc/mysql/my.cnf; do
  [ ! -f "$main" ] || last=$(sed -n 's|^ *!includedir  *\\(/[^ ]*[^ /]\\)/* *$|\\1|p' "$main" | tail -n 1)
  [ -z "${last-}" ] || dir=$last
done
for dir in "$dir" /etc/mysql/mariadb.conf.d /etc/mysql/mysql.conf.d /etc/my.cnf.d; do
  [ ! -d "$dir" ] || { conf=$dir/zz-pyspider.cnf; break; }
done
"""
# By the server, which may be in no PATH: before MariaDB 10.4.6 client and server have the names of MySQL's.
PRODUCT = """\
said=$(
  PATH=$PATH:/usr/sbin:/usr/libexec
  for one in mariadbd mysqld "$client"; do "$one" --version 2>/dev/null && break; done
) || :
case $said in *MariaDB*) echo 'product MariaDB' ;; *) echo 'product MySQL' ;; esac
"""
# bind_address is a variable from MySQL 5.6.1 and MariaDB 10.3.3 on; what an older server does is in the kernel's list:
# addresses as words of four bytes, the lowest first, and 0A for a port that is open.
LISTENS = """\
ip=$(getent ahostsv4 %(address)s | sed -n '1s/ .*//p') || :
[ -z "$ip" ] || {
  hex=$(IFS=.; set -- $ip; printf '%%02X%%02X%%02X%%02X:%%04X' "$4" "$3" "$2" "$1" %(port)s)
  ! grep -q "^ *[0-9]*: $hex [0-9A-F]*:0000 0A " /proc/net/tcp || echo listens
}
"""
# SHOW GRANTS prints the hash of a password: it stays on the host.
_ASK = """\
root() { "$client" $plain --user=root --batch --raw --skip-column-names --connect-timeout=10 "$@"; }
root --force <"$1" 2>&1 | sed "s/'[*][0-9A-F]*'/'*'/g; s/^/sql /"
socket=$(echo 'SELECT @@socket' | root 2>/dev/null)
login() { "$client" --defaults-file="$2" $plain --socket="$socket" --connect-timeout=10 2>&1 >/dev/null; }
said=$(echo 'SELECT 1' | login "$@") && echo login
case $said in *'ERROR 1040 '*|*'ERROR 1203 '*) echo full;; *'ERROR 1045 '*|*'ERROR 1698 '*) echo denied;; esac
"""
_WAIT = """\
tries=0
until echo 'SELECT 1' | "$client" $plain --user=root --connect-timeout=5 >/dev/null 2>&1; do
  tries=$((tries+1))
  [ "$tries" -lt 60 ] || { echo "$svc does not answer root on its socket"; exit 1; }
  sleep 1
done
"""
# A syntax error quotes the statement, and so perhaps a password.
RUN = """\
"$client" $plain --user=root --batch <"$1" >"$1.out" 2>&1 || { sed "s/ near '.*//" "$1.out"; exit 1; }
"""
_UNSEEN = """\
[ "$("$client" $plain --user=root --batch --skip-column-names <"$2")" = 0 ] || {
  socket=$(echo 'SELECT @@socket' | "$client" $plain --user=root --batch --skip-column-names)
  case $(echo 'SELECT 1' | "$client" --defaults-file="$3" $plain --socket="$socket" 2>&1) in
    *'ERROR 1045 '*|*'ERROR 1698 '*) echo %s; exit 1 ;;
  esac
}
"""
LOOSE = {"mysqlx_bind_address": "127.0.0.1"}
"""Settings that not all servers know, which pass them then: port 33060 of MySQL 8 and later (the X protocol), which
nothing of this project uses. The server opens it at all of a host's addresses, unless told otherwise, as by Debian."""
_BEFORE = "90-pyspider.cnf"
"""The name that earlier versions of this project gave to the same file."""
_SYSTEM = "'information_schema', 'mysql', 'performance_schema', 'sys', 'test', '#mysql50#lost+found'"
_RIGHT = re.compile(r"GRANT (?P<what>.+?) ON (?P<where>\S+) TO \S+(?P<rest>.*)")
_ALL = {"ALL", "ALL PRIVILEGES"}


@dataclass(frozen=True, slots=True)
class ManagedMySQL:
    """The server listens where the cluster expects it, with the databases and one user for just these.

    The user may come from any address ('%'): `bind` and the network decide which machines reach the
    server, while addresses in accounts would have to follow every change of the host list, and
    are wrong behind a gateway.
    """

    databases: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    bind: str
    port: int = 3306
    anew: bool = False
    """Whether the user gets this password where the cluster gave it another one."""
    max_connections: int = 500
    """Each pyspider process holds about three. A server with 1024 files can serve 600."""
    name: str = "mysql"

    def __post_init__(self) -> None:
        if self.user in NOT_OURS:
            raise WrongInput(f"stores.mysql.user: {self.user!r} is the server's own account; name another one")

    def conf(self) -> bytes:
        """The drop-in for the server's configuration."""
        return render.text(CONF, settings=self._settings(), loose=LOOSE).encode()

    def _settings(self) -> dict[str, object]:
        # Without skip_name_resolve every new connection waits for the DNS of the client's address.
        return {
            "bind_address": self.bind,
            "port": self.port,
            "max_connections": self.max_connections,
            "max_user_connections": 0,
            "max_allowed_packet": 64 << 20,
            "skip_name_resolve": 1,
            # What is acknowledged is on the disk: also where the binary log is on, and the server's package says less.
            "innodb_flush_log_at_trx_commit": 1,
            "sync_binlog": 1,
        }

    def probe(self) -> Probe:
        wanted = hashlib.sha256(self.conf()).hexdigest()
        conf = look_at(Command('"$conf"'), wanted, foreign=True)
        script = f"""\
{look(SERVICE.alternatives)}
{FIND}{PRODUCT}[ -z "$conf" ] || (
{conf}
) | sed 's/^/conf /'
[ ! -e "${{conf%/*}}/{_BEFORE}" ] || echo before
{self._given.look()}svc_runs || exit 0
{LISTENS % {"address": cmd(self.bind), "port": self.port}}{_ASK}"""
        return Probe(script, (Payload(self._questions()), Payload(self._login())), limit=60.0)

    @property
    def _given(self) -> Given:
        return Given("mysql", self.password)

    def _questions(self) -> bytes:
        # No SELECT of @@NAME: one that the server does not know would fail, with all others.
        settings = ", ".join(map(text, [*self._settings(), *LOOSE]))
        user = text(self.user)
        return lines(
            "SELECT 'version', VERSION();",
            f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({settings});",
            f"SELECT 'database', schema_name FROM information_schema.schemata WHERE {self._ours('schema_name')};",
            f"SELECT 'holds', schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({_SYSTEM});",
            f"SELECT 'account', user, host FROM mysql.user WHERE user IN ({user}, '');",
            f"SHOW GRANTS FOR {user}@'%';\n",
        ).encode()

    def _ours(self, column: str) -> str:
        return f"{column} IN ({', '.join(map(text, self.databases))})"

    def _login(self) -> bytes:
        return f'[client]\nuser="{self.user}"\npassword="{self.password}"\n'.encode()

    def diff(self, found: Found) -> Sequence[Action]:
        service = parse(found.text)
        product = next(iter(found.rows("product")), "MySQL")
        conf = parse_look("\n".join(found.rows("conf")))
        told = found.text.splitlines()
        server = MySQLServer.parse(found.rows("sql"), told, product) if service.runs else None
        product = "MariaDB" if server and "mariadb" in server.version.lower() else product
        if server and not conf.exists and "before" not in told:
            self._refuse_foreign(server, product)
        given = self._given.state(found)
        ours = conf.exists or "before" in told
        self._refuse_another(server, given, product, ours)
        contents = self._contents(server, given, product)
        return [*self._conf(conf, product), *self._restart(server, service), *SERVICE.boot(service), *contents]

    def _refuse_another(self, server: MySQLServer | None, given: State, product: str, ours: bool) -> None:
        """Raises Problem where the programs' password would be replaced by another control machine's."""
        if self.anew or given == "same":
            return
        closed = server and (server.denied or (given == "other" and not server.login and not server.full))
        shut = server and closed and (self.user, "%") in server.accounts
        if shut or (server is None and ours and given == "other"):
            raise self._given.refusal(product)

    def _refuse_foreign(self, server: MySQLServer, product: str) -> None:
        """Raises Problem where a MySQL that this project did not set up holds others' databases or accounts."""
        accounts = {f"the account {user}@{host}" for user, host in server.accounts if user == self.user}
        if (found := [*sorted(server.holds), *sorted(accounts)]) and not server.login:
            raise Problem(
                f"nothing was changed here: somebody else's {product} runs here and holds {', '.join(found)}; "
                "name it in hosts.toml by [stores.mysql] host, and take the role mysql from this host"
            )

    def _conf(self, seen: Seen, product: str) -> list[Action]:
        right = seen.sha256 == hashlib.sha256(self.conf()).hexdigest() and seen.owned("root", "root", 0o644)
        if stat.S_ISREG(seen.kind) and right:
            return []
        found = '[ -n "$conf" ] || { echo "this host has no directory for the configuration of MySQL"; exit 1; }'
        swap = swap_in(Command('"$conf"'), "root:root", 0o644, keep=True)
        script = FIND + lines(found, swap, f'rm -f "${{conf%/*}}/{_BEFORE}"')
        diff = unified(CONF, seen.content or b"", self.conf())
        says = f"write {CONF} for {product}{told_kept(CONF, seen)}"
        return [Action(says, script, (Payload(self.conf()),), diff=diff)]

    def _restart(self, server: MySQLServer | None, service: Running) -> list[Action]:
        if server is None:
            return [SERVICE.restart("it does not run", FIND, _WAIT, known=service)]
        wanted = {key: str(value) for key, value in {**self._settings(), **LOOSE}.items()}
        now = {"bind_address": self.bind if server.listens else "", **server.settings}
        wrong = [key for key in wanted if now.get(key, wanted[key]) != wanted[key]]
        reasons = [f"{key} is to be {wanted[key]}" for key in wrong] or ["it takes no more connections"] * server.full
        return [SERVICE.restart(", ".join(reasons), FIND, _WAIT, known=service)] if reasons else []

    def _contents(self, server: MySQLServer | None, given: State, product: str) -> list[Action]:
        seen = server or MySQLServer()
        actions = []
        if missing := [name for name in self.databases if name not in seen.databases]:
            sql = [f"CREATE DATABASE IF NOT EXISTS {_name(name)} CHARACTER SET utf8mb4;" for name in missing]
            actions.append(self._sql(f"create databases {', '.join(missing)}", sql))
        account = (self.user, "%")
        known = seen.login or (seen.full and account in seen.accounts)
        if not known or seen.accounts != {account}:
            actions.append(self._account(known, product, unseen=server is None and given != "same"))
        elif not self._right(seen.grants):
            actions.append(self._sql(f"set the rights of {product} user {self.user}", self._rights()))
        if seen.login and given != "same":
            actions.append(self._given.noted(product))
        return actions

    def _account(self, known: bool, product: str, unseen: bool) -> Action:
        """The user with its rights; of a server that was not seen, the user's password is asked for first."""
        sql = lines(*self._forget(known), *self._rights()) + "\n"
        count = f"SELECT COUNT(*) FROM mysql.user WHERE user = {text(self.user)} AND host = '%';\n"
        asked = FIND + ("" if self.anew or not unseen else _UNSEEN % cmd(OTHER.format(product)))
        payloads = tuple(map(Payload, (sql.encode(), count.encode(), self._login())))
        return Action(f"make {product} user {self.user}", lines(asked + RUN.strip(), self._given.note()), payloads)

    def _right(self, grants: Sequence[str]) -> bool:
        """Whether these are all rights on each database, and none besides."""
        found = [match for line in grants if (match := _RIGHT.fullmatch(line))]
        plain = len(found) == len(grants) and not any("GRANT OPTION" in match["rest"] for match in found)
        places = {_unquoted(match["where"]) for match in found if match["what"] in _ALL}
        others = [match for match in found if match["what"] not in _ALL and match["what"] != "USAGE"]
        return plain and not others and places == {f"{_pattern(name)}.*" for name in self.databases}

    def _forget(self, login: bool) -> list[str]:
        """Drops every account of this name, and the nameless ones: at localhost those come before 'user'@'%'.

        An account that can log in stays. What there is may have come with a package that this very
        run installs: so the server makes the list, not the control machine.
        """
        account = f"{text(self.user)}@'%'"
        keep = f" AND NOT (user = {text(self.user)} AND host = '%')" if login else ""
        create = [] if login else [f"CREATE USER {account} IDENTIFIED BY {text(self.password)};"]
        return [
            "SELECT GROUP_CONCAT(QUOTE(user), '@', QUOTE(host)) INTO @old FROM mysql.user"
            f" WHERE user IN ({text(self.user)}, ''){keep};",
            "SET @sql = IF(@old IS NULL, 'DO 0', CONCAT('DROP USER ', @old));",
            "PREPARE forget FROM @sql;",
            "EXECUTE forget;",
            *create,
        ]

    def _rights(self) -> list[str]:
        account = f"{text(self.user)}@'%'"
        grants = [f"GRANT ALL PRIVILEGES ON {_name(_pattern(name))}.* TO {account};" for name in self.databases]
        return [f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account};", *grants]

    def _sql(self, says: str, statements: Sequence[str]) -> Action:
        return Action(says, FIND + RUN, (Payload((lines(*statements) + "\n").encode()),))


def text(value: str) -> str:
    """A value in a statement."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _name(value: str) -> str:
    return "`" + value.replace("`", "``") + "`"


def _pattern(database: str) -> str:
    """A database's name where GRANT wants a pattern: a bare _ would give rights on strangers' databases too."""
    return re.sub(r"([_%])", r"\\\1", database)


def _unquoted(place: str) -> str:
    return place.replace("`", "")
