"""Runs under the interpreter that runs pyspider on a host: its packages, and its answers. No password is told.

It asks with the component's own configuration, libraries and passwords, from the component's own
host: it gets the same answers as the component. It must run under any Python from 2.6 on.
"""

from __future__ import absolute_import, print_function

import codecs
import json
import os
import stat
import sys
import time

from . import answers, stores, tasks, tls
from .pythons import urlparse
from .reach import place, why

MODULES = (
    "ssl",
    "hashlib",
    "_hashlib",
    "pycurl",
    "lxml.etree",
    "mysql.connector",
    "redis",
    "tornado",
    "click",
    "pyspider",
)
SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~!*")
DATABASES = ("taskdb", "projectdb", "resultdb")


def modules():
    """None for each module that can be imported, else the reason why not."""
    found = {}
    for name in MODULES:
        try:
            # Not one of the modules here.
            __import__(name, level=0)
            found[name] = None
        except Exception as error:
            found[name] = "%s: %s" % (type(error).__name__, " ".join(str(error).split()))
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
        # The reason quotes the text in place of the port: perhaps a part of the password.
        found = {
            "scheme": url.partition(":")[0],
            "bad": "its port is no number",
            "host": None,
            "port": None,
            "path": "",
        }
        return dict(found, sign=sign(url)), None
    path = parsed.path.lstrip("/")
    found = {"scheme": parsed.scheme, "host": parsed.hostname, "port": port, "user": parsed.username, "path": path}
    if parsed.scheme == "redis" and port is None and "," not in parsed.netloc:
        found["bad"] = "the address has no port"
    found["sign"], found["secret"] = sign(url), bool(parsed.password)
    found["odd_password"] = sorted(set(parsed.password or "") - SAFE) != [] or bool(parsed.query or parsed.fragment)
    return found, parsed.password


def sign(url):
    """The first sign of the password that an address can't hold; empty where all are safe."""
    login, at, _ = url.partition("://")[2].rpartition("@")
    return next((one for one in login.partition(":")[2] if one not in SAFE), "") if at else ""


def shown(config):
    """The configuration without its passwords: of an option that pyspider does not know, only the name."""
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


def text(path):
    """The content of a regular file; anything else might have this wait for ever."""
    stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = stream.read()
        if content.startswith(codecs.BOM_UTF8):
            raise ValueError("it begins with a byte order mark (BOM), which is no JSON; save it without")
        return content.decode("utf-8")
    finally:
        stream.close()


def ask(options):
    """`config` is the path of a config.json, `roles` are those of its components, `site` is host:port or None."""
    begun = time.time()
    found = {"interpreter": interpreter(), "config": None}
    try:
        config = json.loads(text(options["config"]))
        if not isinstance(config, dict):
            raise ValueError("it is no object")
        secured = tls.wanted(os.path.dirname(options["config"]))
    except (IOError, OSError, ValueError) as error:
        found["bad_config"] = why(error)
    else:
        flat = dict((key.replace("-", "_"), value) for key, value in config.items())
        found["config"] = shown(config)
        named = os.path.isdir(os.path.join(os.path.dirname(options["config"]), "launcher"))
        found.update(asked_stores(flat, options["roles"], secured, found["interpreter"]["modules"], named))
        found.update(asked_programs(flat, options["roles"], options["site"], found["interpreter"]["modules"]))
    found["seconds"] = round(time.time() - begun, 2)
    return found


def asked_stores(flat, roles, secured, missing, named):
    """`named`: the programs tell Redis the user of its address; pyspider alone tells it the password only."""
    databases = dict((name, split(flat[name])) for name in DATABASES if flat.get(name))
    answer = {
        "places": dict(
            (name, "%s/%s" % (place(where, 3306), where["path"]))
            for name, (where, _) in databases.items()
            if not where.get("bad")
        )
    }
    # A fetcher has nothing to do with MySQL.
    if set(roles) != set(["fetcher"]) and not missing["mysql.connector"]:
        answer["mysql"] = mysql(databases, secured)
        if "scheduler" in roles and not any(one["error"] for one in answer["mysql"].values()):
            answer["overdue"] = tasks.overdue(databases)
    if flat.get("message_queue"):
        where, password = split(flat["message_queue"])
        where = where if named else dict(where, user=None)
        answer["redis"] = stores.redis(where, password, tls.guard(secured.get("redis")))
        database = (answer["redis"] or {}).get("db", where["path"])
        if not where.get("bad"):
            answer["places"]["message_queue"] = "%s/%s" % (place(where, 6379), database)
    return answer


def asked_programs(flat, roles, site, missing):
    """Only a web UI calls others, only a fetcher phantomjs."""
    webui = flat.get("webui") or {} if "webui" in roles else {}
    answer = {
        "rpc": dict(
            (role, answers.rpc(webui[key]))
            for role in ("scheduler", "fetcher")
            for key in (role + "-rpc", role + "_rpc")
            if webui.get(key)
        )
    }
    if flat.get("phantomjs_proxy") and "fetcher" in roles:
        places = [flat["phantomjs_proxy"]] + list((flat.get("fetcher") or {}).get("renderers") or [])
        answer["phantomjs"] = answers.phantomjs_of_all(places)
    if site and "fetcher" in roles and not missing["pycurl"]:
        answer["site"] = answers.site(site, (flat.get("fetcher") or {}).get("proxy"))
    return answer


def mysql(databases, secured):
    """The answer of MySQL to a client that speaks as the programs of run.py do."""
    if "mysql" in secured:
        tls.secure_mysql(secured["mysql"])
    return stores.mysql(databases)
