"""The answers of MySQL and Redis to a program that knocks. Any Python from 2.6 on."""

from __future__ import absolute_import, print_function

import socket
import time

from . import allowed
from .reach import SECONDS, reach, why

QUEUES = ("newtask_queue", "status_queue", "scheduler2fetcher", "fetcher2processor", "processor2result")
PULSE = "pyspider:pulse"
STILL_SECONDS = 1.0
FIRST = "local one = redis.call('LINDEX', KEYS[1], 0) return one and redis.sha1hex(one) or ''"
"""A queue's first entry, told apart from others; the page in it stays where it is."""
CLIENT_COMMANDS = ("llen", "lpop", "rpush", "blpop", "brpop", "lpush", "rpop")


def mysql(addresses):
    """The answer of MySQL at each of the addresses, which differ in their database at least."""
    found, away = {}, {}
    for name, (where, password) in sorted(addresses.items()):
        if where.get("bad") or where["scheme"].split("+")[0] != "mysql":
            continue
        place = (where["host"], where["port"] or 3306)
        # A server that does not even take a connection is waited for once.
        found[name] = away.get(place) or asked_mysql(place, where, password)
        if found[name].get("tcp", "open") != "open":
            away[place] = found[name]
    return found


def asked_mysql(place, where, password):
    import mysql.connector

    try:
        server = mysql.connector.connect(
            host=place[0],
            port=place[1],
            user=where["user"] or "root",
            password=password or "",
            connection_timeout=SECONDS,
        )
    except Exception as error:
        number = getattr(error, "errno", None)
        answer = {"errno": number, "error": why(error)}
        return dict(answer, tcp=reach(*place)) if number is None or 2000 <= number < 3000 else answer
    try:
        return on_mysql(server, where["path"])
    except Exception as error:
        return {"errno": getattr(error, "errno", None), "error": why(error)}
    finally:
        server.close()


def on_mysql(server, database):
    cursor = server.cursor()
    answer = {"errno": 0, "error": None}
    try:
        cursor.execute("USE `%s`" % database.replace("`", "``"))
    except Exception as error:
        if getattr(error, "errno", None) != 1049:
            return {"errno": getattr(error, "errno", None), "error": why(error)}
        # pyspider makes its database itself, if it may.
        answer["absent"] = True
    cursor.execute("SHOW GLOBAL VARIABLES WHERE variable_name IN ('max_connections', 'max_allowed_packet')")
    answer.update((str(name), int(value)) for name, value in cursor.fetchall())
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    answer["connected"] = int(cursor.fetchall()[0][1])
    cursor.execute("SELECT VERSION()")
    answer["version"] = text(cursor.fetchall()[0][0])
    answer["charsets"] = charsets(cursor, database)
    return answer


def charsets(cursor, database):
    """[[table, character set], ...] of tables whose text can't be just any text; not more than a few.

    information_schema.columns would tell more, and have the server write a temporary table to its disk.
    """
    cursor.execute(
        "SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = %s"
        " AND table_collation NOT LIKE 'utf8mb4%' AND (table_name = 'projectdb' OR table_collation NOT LIKE 'utf8%')"
        " ORDER BY table_name LIMIT 5",
        (database,),
    )
    return [[text(table), text(collation).partition("_")[0]] for table, collation in cursor.fetchall()]


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else value


class NoTLS(Exception):
    """There is no TLS with a server, or it does not prove its name."""


CLUSTERED = ("CLUSTER", "CLUSTERDOWN", "CROSSSLOT", "MOVED", "ASK", "TRYAGAIN")
"""The first words of errors that only a Redis in cluster mode answers with."""


class NoRedis(ValueError):
    """The server there is something else than Redis."""


class NoUsers(ValueError):
    """A Redis before 6 knows one password, and no users."""


class RedisConnection(object):
    """As much of Redis' protocol as a few questions need; a refusal is an Exception with its text."""

    def __init__(self, host, port, guard=None):
        self.socket = socket.create_connection((host, port), SECONDS)
        if guard:
            try:
                self.socket = guard(self.socket, host)
            except (socket.error, IOError) as error:
                raise NoTLS("no TLS: %s" % (error.args[-1] if error.args else why(error)))
        self.stream = self.socket.makefile("rb")

    def ask(self, *words):
        self.socket.sendall(
            ("*%d\r\n" % len(words)).encode()
            + b"".join(
                b"$" + str(len(word)).encode() + b"\r\n" + word + b"\r\n"
                for word in [str(w).encode("utf-8") for w in words]
            )
        )
        return self.answer()

    def answer(self):
        line = self.stream.readline().decode("utf-8", "replace")
        kind, text = line[:1], line[1:].strip()
        if kind == "$":
            return self.stream.read(int(text) + 2)[:-2].decode("utf-8", "replace") if int(text) >= 0 else None
        if kind == "*":
            return [self.answer() for _ in range(int(text))]
        if kind == "-":
            raise ValueError(text)
        if kind not in ("+", ":"):
            raise NoRedis("the server there is not Redis")
        return int(text) if kind == ":" else text


def redis(where, password, guard=None):
    """The answer of Redis; `guard` puts TLS around a connection to a host."""
    if where.get("bad") or where["scheme"] != "redis" or not where["host"] or "," in where["host"]:
        return None
    number = where["path"].split("/")[0]
    answer = {"db": int(number) if number.isdigit() else 0, "error": None, "code": ""}
    try:
        server = RedisConnection(where["host"], where["port"] or 6379, guard)
        log_in(server, where.get("user"), password)
        server.ask("SELECT", answer["db"])
        answer.update(seen(server, where.get("user"), answer["db"]))
    except NoTLS as error:
        answer["error"], answer["code"] = str(error), "tls"
    except NoRedis as error:
        answer["error"], answer["code"] = str(error), "strange"
    except NoUsers as error:
        answer["error"], answer["code"] = str(error), "old"
    except ValueError as error:
        answer["error"], answer["code"] = str(error), refusal(str(error))
        if is_sentinel(server):
            answer["error"], answer["code"] = "it knows where others keep queues, and keeps none itself", "sentinel"
    except (socket.error, IOError) as error:
        answer["error"], answer["code"] = why(error), "refused"
        answer["tcp"] = reach(where["host"], where["port"] or 6379)
    odd = answer["code"] in ("strange", "refused") and answer.get("tcp", "open") == "open"
    if odd and not guard and speaks_tls(where["host"], where["port"] or 6379):
        answer["error"], answer["code"] = "it is to be spoken to by TLS", "tls"
    return answer


def seen(server, user, db):
    """All that is asked of a Redis that has let us in. Raises ValueError where it can't serve programs."""
    lacks = allowed.lacks(server) if user else []
    if lacks:
        raise ValueError("NOPERM the user %s lacks %s" % (user, " ".join(lacks)))
    info = dict(line.split(":", 1) for line in server.ask("INFO").splitlines() if ":" in line)
    if info.get("redis_mode") == "cluster":
        raise ValueError("CLUSTER it runs in cluster mode")
    answer = {"policy": info.get("maxmemory_policy", ""), "role": info.get("role", "")}
    answer["queues"] = dict((name, server.ask("LLEN", name)) for name in QUEUES)
    users = rows(server, db)
    answer["clients"] = clients(users)
    answer["idle"] = dict((row["addr"], int(row["idle"])) for row in users if row.get("idle", "").isdigit())
    answer["still"] = still(server)
    told = server.ask("HGETALL", PULSE)
    answer["pulses"] = dict(zip(told[::2], told[1::2]))
    answer["aside"] = dict((name, found) for name, found in ((one, aside(server, one)) for one in QUEUES) if found)
    return answer


def refusal(text):
    """The code of an error that Redis answers with: its first word, or where that says nothing, one of ours."""
    word = text.split(" ")[0]
    if word in CLUSTERED or "in cluster mode" in text:
        return "cluster"
    if word != "ERR":
        return word
    # The protocol has no other word for these.
    if "max number of clients" in text:
        return "full"
    if "DB index" in text:
        return "db"
    return word if "AUTH" in text or "password" in text else "error"


def log_in(server, user, password):
    try:
        if password:
            server.ask("AUTH", *([user, password] if user else [password]))
    except ValueError as error:
        # One that knows users answers WRONGPASS.
        if user and refusal(str(error)) in ("ERR", "error"):
            raise NoUsers("it is older than 6, and knows no users")
        raise


def is_sentinel(server):
    """Whether it watches over other servers, by its own word; one that wants a password of its own says nothing."""
    try:
        return (server.ask("ROLE") or [""])[0] == "sentinel"
    except (ValueError, socket.error, IOError):
        return False


def aside(server, queue):
    """[number, error of the last one] of a queue's messages that were put aside; nothing where there are none."""
    last = server.ask("LINDEX", queue + ":failed", -1)
    return [server.ask("LLEN", queue + ":failed"), last.partition("\n")[0]] if last else None


def speaks_tls(host, port):
    """Whether the server there begins with TLS, with any certificate."""
    try:
        import ssl

        context = ssl.create_default_context()
    except (ImportError, AttributeError):
        return False  # an old Python, or one without TLS
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        connection = socket.create_connection((host, port), SECONDS)
        try:
            context.wrap_socket(connection).close()
            return True
        finally:
            connection.close()
    except (socket.error, IOError, ValueError):
        return False


def rows(server, db):
    """The clients of this database, as Redis tells of them."""
    try:
        lines = server.ask("CLIENT", "LIST").splitlines()
    except ValueError:
        return []  # a server that keeps this to itself
    found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return [row for row in found if row.get("db") == str(db) and row.get("addr")]


def clients(users):
    """Whose programs use the queues of this database: their addresses."""
    return sorted(set(row["addr"].rpartition(":")[0] for row in users if row.get("cmd") in CLIENT_COMMANDS))


def still(server):
    """The queues whose first entry is the same a second later; without entries, nothing is waited for."""
    try:
        before, deadline = firsts(server, QUEUES), time.time() + STILL_SECONDS
        while before and time.time() < deadline:
            time.sleep(0.1)
            now = firsts(server, before)
            before = dict((name, first) for name, first in before.items() if now.get(name) == first)
    except NoRedis:
        raise
    except ValueError:
        return []  # it runs no scripts for this user
    return sorted(before)


def firsts(server, names):
    found = [(name, server.ask("EVAL", FIRST, 1, name)) for name in names]
    return dict((name, first) for name, first in found if first)
