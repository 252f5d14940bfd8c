"""Raw facts for `fab doctor`. Changes nothing.

The host may have been set up by hand: so supervisord.conf, socket, programs, interpreters and config.json are found by
its processes and by the usual places, and only then by hosts.toml.
"""

from __future__ import absolute_import, print_function

import errno
import hashlib
import os
import pwd
import re
import socket
import stat
import sys
import time

from . import (
    bounded,
    clients,
    conf,
    files,
    interpreters,
    layout,
    look,
    machine,
    ports,
    processes,
    refusal,
    rights,
    selinux,
    whose,
)
from .pythons import httplib
from .reach import SECONDS

MOST_FILES = 20000


def limit(pid):
    match = re.search(r"Max open files\s+(\d+)", processes.kernel("/proc/%d/limits" % pid))
    return int(match.group(1)) if match else None


def components(table, options):
    """pyspider's processes that are the cluster's."""
    found = []
    for pid, process in sorted(table.items()):
        kind = process.role() if process.alive else None
        parent = table.get(process.parent)
        # A wrapper and its child count once.
        if not kind or (parent and parent.role() == kind) or not whose.judged(process, table, options):
            continue
        if processes.of_a_bench(process, table):
            continue
        held = any(processes.is_supervisord(table[one]) for one in processes.ancestors(pid, table) if one in table)
        found.append(
            {
                "pid": pid,
                "ticks": process.ticks,
                "parent": process.parent,
                "role": kind,
                "user": rights.name_of(process.uid),
                "words": process.words,
                "name": process.environment.get("SUPERVISOR_PROCESS_NAME"),
                "held": held,
                "nofile": limit(pid),
                "state": processes.state(pid),
                "directory": directory(pid),
                "uid": process.uid,
                "kb": kilobytes(pid, table),
            }
        )
    return found


def kilobytes(pid, table):
    """Memory that a process and its children hold; what they share counts once, as in templates/limits.py."""
    family = [pid] + [child for child in table if pid in processes.ancestors(child, table)]
    sizes = [processes.kernel("/proc/%d/statm" % one).split()[1:3] for one in family]
    pairs = [(int(size[0]), int(size[1])) for size in sizes if len(size) == 2]
    pages = sum(held - both for held, both in pairs) + max([both for _, both in pairs] or [0])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 10


def directory(pid):
    try:
        return os.readlink("/proc/%d/cwd" % pid)
    except OSError:
        return None


def http(address, port):
    """The answer of the port to a request without a password: the tutorial's curl."""
    try:
        connection = bounded.Connection(address, port, SECONDS)
        connection.request("GET", "/")
        return {"status": connection.getresponse().status, "error": None, "kind": "answer"}
    except (socket.timeout, httplib.HTTPException) as error:
        # Python 3 calls a hang-up RemoteDisconnected, which is a ConnectionResetError as well.
        return {"status": None, "error": str(error) or type(error).__name__, "kind": "empty"}
    except (socket.error, IOError) as error:
        kind = (
            "refused" if error.errno == errno.ECONNREFUSED else "empty" if error.errno == errno.ECONNRESET else "other"
        )
        return {"status": None, "error": str(error), "kind": kind}


def digest(path):
    """The SHA-256 of a file; None where there is none."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except (IOError, OSError):
        return None


def foreign(folders, user):
    """The files below its folders that the cluster's user does not own: the first few, and their number."""
    try:
        wanted = pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
    found = []
    for top in folders:
        for path, seen in files.walk(top, MOST_FILES):
            if seen.st_uid != wanted and (
                stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode) or stat.S_ISSOCK(seen.st_mode)
            ):
                found.append({"path": path, "owner": rights.name_of(seen.st_uid)})
    return {"count": len(found), "paths": found[:200]}


def doctor(options):
    """The facts that the checks of doctor judge."""
    table = processes.table()
    found = conf.confs(options, table)
    own = conf.effective(found, options) or {}
    where = dict(conf.where(options, own), work=True)
    answer = {"sight": look.look(where), "conf": own or None, "confs": found, "socket_path": where["socket"]}
    table = processes.table()
    listeners = ports.listeners(table)
    answer.update(python=list(sys.version_info[:3]), clock=time.time())
    answer.update(files_of(options, where, own, table))
    answer.update(running(where, answer, table, listeners))
    answer["layout"] = layout.layout(own, where, answer["daemons"], answer["boot"])
    alone = not answer["daemons"] and not answer["sight"]["supervisord"]["answers"]
    answer["refusal"] = refusal.refusal(own, answer["layout"]) if alone else ""
    # Only now: all of the above has taken its time.
    answer["listeners"] = standing(listeners, ports.listeners(processes.table()))
    return answer


def files_of(options, where, own, table):
    """Files of supervisord and of this project."""
    by = own.get("by", 0)
    return {
        "ours": conf.deployed(options),
        "socket": machine.at(where["socket"], by),
        "pidfile": pidfile(own.get("pidfile"), table, by),
        "foreign": foreign([options["home"], options["logs"]], options["user"]),
        "daemon_log": conf.tail(own.get("logfile"), by),
        "boot": conf.boots(where["conf"]),
        "denials": selinux.denials(["/opt/pyspider", options["home"], options["logs"]], time.time()),
        "files": dict((path, digest(path)) for path in options.get("files", ())),
    }


def running(where, answer, table, listeners):
    """The processes, their own ports and logs, and the answers of the interpreter of each program."""
    live = components(table, where)
    configured = [program for one in answer["confs"] for program in one["programs"]]
    mine = set(one["pid"] for one in live if one["role"] == "webui")
    webuis = [one for one in listeners if mine.intersection(one["line"])]
    return {
        "daemons": machine.daemons(table, [one["path"] for one in answer["confs"]], where),
        "components": live,
        "clients": clients.clients(answer["sight"], where, table),
        "webuis": [dict(http(local(one["address"]), one["port"]), **one) for one in webuis],
        "disks": machine.disks([where["home"], where["logs"], "/tmp", "/var/tmp", "/"]),
        "memory": machine.memory(),
        "logs": conf.logs(configured),
        "asked": interpreters.asked(configured + live, where.get("site")),
    }


def standing(before, after):
    """The listeners of the whole look: one that ended in between, and began again, refused by itself; no filter did."""
    left = set((one["address"], one["port"], one["pid"]) for one in after)
    return [one for one in before if (one["address"], one["port"], one["pid"]) in left]


def local(address):
    return "127.0.0.1" if address in ("0.0.0.0", "::") else address


def pidfile(path, table, by):
    try:
        pid = int(files.read(path, by, 64))
    except (TypeError, ValueError):
        return None
    return {"path": path, "pid": pid, "alive": pid in table}
