"""Runs on a host, under the interpreter that runs pyspider there: what that interpreter has, and what answers it.

    doctor_ask.py CONFIG.json ROLES      prints one JSON object; no password is in it

It asks with the component's own configuration, libraries and passwords, from the component's own
host: what it is told is what the component is told. It must run under any Python from 2.6 on.
"""

from __future__ import print_function

import json
import os
import socket
import sys
import time

try:
    import httplib
    import xmlrpclib
    from urlparse import urlparse
except ImportError:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib
    from urllib.parse import urlparse

SECONDS = 4
MODULES = ("ssl", "hashlib", "_hashlib", "pycurl", "lxml.etree", "mysql.connector", "redis", "tornado", "click", "pyspider")
SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~!*")
DATABASES = ("taskdb", "projectdb", "resultdb")
SECTIONS = ("scheduler", "fetcher", "processor", "result_worker", "webui", "phantomjs", "bench", "all", "one", "send_message")
QUEUES = ("newtask_queue", "status_queue", "scheduler2fetcher", "fetcher2processor", "processor2result")
CLIENT_COMMANDS = ("llen", "lpop", "rpush", "blpop", "brpop", "lpush", "rpop")


def why(error):
    text = " ".join(str(error).split())
    return "%s: %s" % (type(error).__name__, text) if text else type(error).__name__


def modules():
    """None for each module that can be imported, else the reason why not."""
    found = {}
    for name in MODULES:
        try:
            __import__(name)
            found[name] = None
        except Exception as error:
            found[name] = why(error)
    return found


def versions():
    """Package -> version, by the names of the folders that pip leaves."""
    found = {}
    for folder in reversed(sys.path):
        try:
            names = os.listdir(folder or ".")
        except (IOError, OSError):
            continue
        for name in names:
            base, _, kind = name.rpartition(".")
            parts = base.split("-")
            if kind in ("dist-info", "egg-info", "egg") and len(parts) > 1:
                found[parts[0].lower().replace("_", "-")] = parts[1]
    return found


def interpreter():
    found = {"version": list(sys.version_info[:3]), "modules": modules(), "versions": versions()}
    if not found["modules"]["pycurl"]:
        found["curl"] = sys.modules["pycurl"].version
        found["curl_https"] = "https" in sys.modules["pycurl"].version_info()[8]
    if not found["modules"]["mysql.connector"]:
        found["cext"] = bool(getattr(sys.modules["mysql.connector"], "HAVE_CEXT", False))
    return found


def split(url):
    """An address as pyspider takes it apart (database/__init__.py, message_queue/__init__.py), and why it can't."""
    try:
        parsed = urlparse(url)
        port = parsed.port
    except ValueError:
        # The reason quotes what stands where the port should be: perhaps a part of the password.
        return {"scheme": url.partition(":")[0], "bad": "its port is no number", "host": None, "path": ""}, None
    path = parsed.path.lstrip("/")
    found = {"scheme": parsed.scheme, "host": parsed.hostname, "port": port, "user": parsed.username, "path": path}
    found["odd_password"] = sorted(set(parsed.password or "") - SAFE) != [] or bool(parsed.query or parsed.fragment)
    return found, parsed.password


def place(found, port):
    """Where an address leads, the same for every way to write it: a number, and never a loopback one."""
    try:
        address = socket.gethostbyname(found["host"] or "")
    except (socket.error, UnicodeError):
        return "%s:%s" % (found["host"], found["port"] or port)
    if address.startswith("127."):
        address = "this host"
    return "%s:%s" % (address, found["port"] or port)


def mysql(addresses):
    """What MySQL says to each of the addresses, which differ in their database at least."""
    found = {}
    for name, (where, password) in sorted(addresses.items()):
        if where.get("bad") or where["scheme"].split("+")[0] != "mysql":
            continue
        import mysql.connector
        try:
            server = mysql.connector.connect(
                host=where["host"], port=where["port"] or 3306, user=where["user"] or "root", password=password or "",
                connection_timeout=SECONDS,
            )
        except Exception as error:
            found[name] = {"errno": getattr(error, "errno", None), "error": why(error)}
            continue
        try:
            found[name] = on_mysql(server, where["path"])
        finally:
            server.close()
    return found


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
    return answer


class Redis(object):
    """As much of Redis' protocol as a few questions need; a refusal is an Exception with its text."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), SECONDS)
        self.stream = self.socket.makefile("rb")

    def ask(self, *words):
        self.socket.sendall(("*%d\r\n" % len(words)).encode() + b"".join(
            b"$" + str(len(word)).encode() + b"\r\n" + word + b"\r\n" for word in [str(w).encode("utf-8") for w in words]
        ))
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
            raise ValueError("what listens there is not Redis")
        return int(text) if kind == ":" else text


def redis(where, password):
    if where.get("bad") or where["scheme"] != "redis" or not where["host"] or "," in where["host"]:
        return None
    number = where["path"].split("/")[0]
    answer = {"db": int(number) if number.isdigit() else 0, "error": None, "code": ""}
    try:
        server = Redis(where["host"], where["port"] or 6379)
        if password:
            server.ask("AUTH", password)
        server.ask("SELECT", answer["db"])
        info = dict(line.split(":", 1) for line in server.ask("INFO").splitlines() if ":" in line)
        answer["policy"], answer["role"] = info.get("maxmemory_policy", ""), info.get("role", "")
        answer["queues"] = dict((name, server.ask("LLEN", name)) for name in QUEUES)
        answer["clients"] = clients(server, answer["db"])
    except ValueError as error:
        answer["error"], answer["code"] = str(error), str(error).split(" ")[0]
    except (socket.error, IOError) as error:
        answer["error"], answer["code"] = why(error), "refused"
    return answer


def clients(server, db):
    """Whose programs use the queues of this database: their addresses."""
    try:
        lines = server.ask("CLIENT", "LIST").splitlines()
    except ValueError:
        return []  # a server that keeps this to itself
    rows = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return sorted(set(
        row["addr"].rpartition(":")[0] for row in rows
        if row.get("db") == str(db) and row.get("cmd") in CLIENT_COMMANDS and row.get("addr")
    ))


def rpc(url):
    """What the server at url can do: a scheduler knows `newtask`, a fetcher `fetch`. `kind` tells silence from a wrong answer."""
    parsed = urlparse(url)
    found = {"url": url.replace(parsed.netloc, parsed.netloc.rpartition("@")[2]), "methods": [], "error": None}
    try:
        if parsed.scheme != "http" or not parsed.hostname:
            raise ValueError("it does not begin with http://")
        connection = httplib.HTTPConnection(parsed.netloc.rpartition("@")[2], timeout=SECONDS)
        connection.request("POST", parsed.path or "/RPC2", xmlrpclib.dumps((), "system.listMethods"), {"Content-Type": "text/xml"})
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError("HTTP status %d" % response.status)
        found["methods"] = [str(name) for name in xmlrpclib.loads(response.read())[0][0]]
    except socket.timeout as error:
        found.update(error=why(error), kind="silent")
    except (socket.error, IOError) as error:
        found.update(error=why(error), kind="refused")
    except Exception as error:
        found.update(error=why(error), kind="other")
    return found


def phantomjs(proxy):
    """A GET is answered with 403 by pyspider's phantomjs_fetcher.js."""
    where = proxy.partition("://")[2] or proxy
    try:
        connection = httplib.HTTPConnection(where.rstrip("/"), timeout=SECONDS)
        connection.request("GET", "/")
        return {"where": where, "status": connection.getresponse().status, "error": None}
    except (socket.error, IOError, httplib.HTTPException, ValueError) as error:
        return {"where": where, "status": None, "error": why(error)}


def shown(config):
    """The configuration without its passwords: what is not an option of pyspider's keeps its name only."""
    found = {}
    for key, value in config.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            found[key] = dict((k, True if "password" in k or "@" in repr(v) else v) for k, v in value.items())
        elif name in DATABASES or name in ("message_queue", "amqp_url"):
            found[key] = split(value)[0] if isinstance(value, type("")) or hasattr(value, "encode") else {"scheme": "?"}
        elif "password" in name or "@" in repr(value):
            found[key] = True
        else:
            found[key] = value
    return found


def look(path, roles):
    found = {"interpreter": interpreter(), "config": None}
    try:
        with open(path) as stream:
            config = json.load(stream)
        if not isinstance(config, dict):
            raise ValueError("it is no object")
    except (IOError, OSError, ValueError) as error:
        found["bad_config"] = why(error)
        return found
    found["config"] = shown(config)
    flat = dict((key.replace("-", "_"), value) for key, value in config.items())
    databases = dict((name, split(flat[name])) for name in DATABASES if flat.get(name))
    found["places"] = dict((name, "%s/%s" % (place(where, 3306), where["path"])) for name, (where, _) in databases.items())
    # A fetcher has nothing to do with MySQL; only a web UI calls others, only a fetcher phantomjs.
    if set(roles) != set(["fetcher"]) and not found["interpreter"]["modules"]["mysql.connector"]:
        found["mysql"] = mysql(databases)
    if flat.get("message_queue"):
        where, password = split(flat["message_queue"])
        found["redis"] = redis(where, password)
        found["places"]["message_queue"] = "%s/%s" % (place(where, 6379), (found["redis"] or {}).get("db", where["path"]))
    webui = flat.get("webui") or {} if "webui" in roles else {}
    found["rpc"] = dict(
        (role, rpc(webui[key])) for role in ("scheduler", "fetcher") for key in (role + "-rpc", role + "_rpc") if webui.get(key)
    )
    if flat.get("phantomjs_proxy") and "fetcher" in roles:
        found["phantomjs"] = phantomjs(flat["phantomjs_proxy"])
    return found


if __name__ == "__main__":
    begun = time.time()
    answer = look(sys.argv[1], sys.argv[2].split())
    answer["seconds"] = round(time.time() - begun, 2)
    print(json.dumps(answer))
