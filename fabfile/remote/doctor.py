"""Runs on a host, under Python 2.7 or 3: raw facts for `fab doctor`, as one JSON object. Changes nothing.

    doctor.py OPTIONS SUPERVISE CONF ASK

All four are paths: of JSON, of supervise.py, of doctor_conf.py and of doctor_ask.py. The host may have been set up by
hand: so supervisord.conf, socket, programs, interpreters and config.json are found by what runs and by
the usual places, and only then by what hosts.toml says.
"""

from __future__ import print_function

import errno
import glob
import json
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
import time
import types

MOST_FILES = 20000
SECONDS = 4


def module(name, path):
    with open(path, "rb") as stream:
        text = stream.read()
    made = types.ModuleType(name)
    exec(compile(text, path, "exec"), made.__dict__)
    return made


def owner(number):
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def at(path):
    """What stands at a path, as data; None where there is nothing."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return {
        "path": path, "owner": owner(seen.st_uid), "mode": stat.S_IMODE(seen.st_mode), "size": seen.st_size,
        "mtime": seen.st_mtime, "kind": "socket" if stat.S_ISSOCK(seen.st_mode) else "dir" if stat.S_ISDIR(seen.st_mode) else "file",
    }


# processes and ports

def uid_of(pid):
    try:
        return os.stat("/proc/%d" % pid).st_uid
    except OSError:
        return -1


def limit(pid, supervise):
    match = re.search(r"Max open files\s+(\d+)", supervise.read("/proc/%d/limits" % pid))
    return int(match.group(1)) if match else None


def state(pid, supervise):
    return (supervise.read("/proc/%d/stat" % pid).rpartition(")")[2].split() or [""])[0]


def components(supervise, table):
    found = []
    for pid, process in sorted(table.items()):
        kind = process.role() if process.alive else None
        parent = table.get(process.parent)
        if not kind or (parent and parent.role() == kind):
            continue  # a wrapper and its child count once
        held = any(supervise.is_supervisord(table[one]) for one in supervise.ancestors(pid, table) if one in table)
        found.append({
            "pid": pid, "ticks": process.ticks, "parent": process.parent, "role": kind, "user": owner(uid_of(pid)), "words": process.words,
            "name": process.environment.get("SUPERVISOR_PROCESS_NAME"), "held": held, "nofile": limit(pid, supervise),
            "state": state(pid, supervise), "directory": directory(pid),
        })
    return found


def directory(pid):
    try:
        return os.readlink("/proc/%d/cwd" % pid)
    except OSError:
        return None


def daemons(supervise, conf, table, paths):
    """Every supervisord that holds a pyspider program, or runs with a configuration that names one."""
    found = []
    for pid, process in sorted(table.items()):
        # One that it has forked and that is not yet what it will be looks the same.
        if not supervise.is_supervisord(process) or process.parent in table and supervise.is_supervisord(table[process.parent]):
            continue
        path = conf.after(process.words, "-c", "--configuration")
        holds = sum(1 for one in table.values() if one.parent == pid and one.role())
        if holds or path in paths:
            found.append({"pid": pid, "ticks": process.ticks, "user": owner(uid_of(pid)), "conf": path, "programs": holds})
    return found


def listeners(supervise, table):
    """TCP ports that somebody listens on: [{address, port, pid, name, line: it and its ancestors}]; pid is None where it can't be seen."""
    inodes = {}
    for name in ("tcp", "tcp6"):
        for line in supervise.read("/proc/net/" + name).splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                address, _, port = words[1].rpartition(":")
                inodes[words[9]] = {"address": number(address), "port": int(port, 16), "pid": None}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target[:8] == "socket:[" and target[8:-1] in inodes:
            inodes[target[8:-1]]["pid"] = int(link.split("/")[2])
    for one in inodes.values():
        words = table[one["pid"]].words if one["pid"] in table else []
        one["name"] = os.path.basename(words[0]) if words else "?"
        one["line"] = [one["pid"]] + list(supervise.ancestors(one["pid"], table)) if words else []
    return sorted(inodes.values(), key=lambda one: (one["port"], one["address"]))


def number(text):
    """An address of /proc/net/tcp as people write it."""
    words = [text[i:i + 8] for i in range(0, len(text), 8)]
    if len(words) == 1 or words[:2] == ["00000000", "00000000"] and words[2] == "FFFF0000":
        return ".".join(str(int(words[-1][i:i + 2], 16)) for i in (6, 4, 2, 0))
    return "::1" if words[3:] == ["01000000"] and set(words[:3]) == set(["00000000"]) else "::" if set(words) == set(["00000000"]) else text


def http(address, port, supervise):
    """What the port says to a request without a password: the tutorial's curl."""
    try:
        connection = supervise.httplib.HTTPConnection(address, port, timeout=SECONDS)
        connection.request("GET", "/")
        return {"status": connection.getresponse().status, "error": None, "kind": "answer"}
    except (socket.timeout, supervise.httplib.HTTPException) as error:
        # Python 3 calls a hang-up RemoteDisconnected, which is a ConnectionResetError as well.
        return {"status": None, "error": str(error) or type(error).__name__, "kind": "empty"}
    except (socket.error, IOError) as error:
        kind = "refused" if error.errno == errno.ECONNREFUSED else "empty" if error.errno == errno.ECONNRESET else "other"
        return {"status": None, "error": str(error), "kind": kind}


# files and figures

def disks(paths):
    found = {}
    for path in paths:
        while not os.path.isdir(path):
            path = os.path.dirname(path)
        seen = os.statvfs(path)
        found.setdefault(os.stat(path).st_dev, {
            "path": path, "bytes": seen.f_blocks * seen.f_frsize, "free": seen.f_bavail * seen.f_frsize, "inodes": seen.f_files, "inodes_free": seen.f_favail,
        })
    return sorted(found.values(), key=lambda one: one["path"])


def foreign(folders, user):
    """What the cluster's user does not own below its folders: the first few, and how many there are."""
    try:
        wanted = pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
    seen, found, count = 0, [], 0
    for top in folders:
        for folder, names, files in os.walk(top):
            for path in [folder] + [os.path.join(folder, name) for name in files]:
                seen += 1
                try:
                    number = os.lstat(path).st_uid
                except OSError:
                    continue
                if number != wanted:
                    count += 1
                    found.append({"path": path, "owner": owner(number)})
            if seen > MOST_FILES:
                break
    return {"count": count, "paths": found[:200]}


# the programs' own view

def interpreter(words):
    """What runs these words: themselves, or what their first line names."""
    path = words[0] if words else ""
    if not path.startswith("/"):
        folders = os.environ.get("PATH", "").split(":")
        path = next((one for one in (os.path.join(folder, path) for folder in folders) if os.access(one, os.X_OK)), "")
    if re.match(r"python[\d.]*$", os.path.basename(path)):
        return path
    try:
        with open(path, "rb") as stream:
            first = stream.readline(200).decode("utf-8", "replace")
    except (IOError, OSError):
        return None
    words = first[2:].split() if first.startswith("#!") else []
    return interpreter(words[1:] if words and words[0].endswith("/env") else words)


def pairs(conf, found):
    """(interpreter, config.json) of every component but phantomjs, each pair once, with who uses it."""
    answer = {}
    for one in found:
        config = conf.after(one["words"], "-c", "--config")
        path = interpreter(one["words"])
        if one["role"] != "phantomjs" and path:
            if config:
                config = os.path.join(one.get("directory") or "/", config)
            answer.setdefault((path, config), set()).add(one["role"])
    return answer


def ask(conf, found, script):
    """What each interpreter says of itself and of what its config.json leads to; all at once."""
    begun = []
    for (path, config), roles in sorted(pairs(conf, found).items(), key=str):
        words = [path, "-B", script, config or "/nonexistent", " ".join(sorted(roles))]
        try:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            process = error
        begun.append((path, config, sorted(roles), process))
    answer = []
    for path, config, roles, process in begun:
        out, err = ("", str(process)) if isinstance(process, OSError) else [part.decode("utf-8", "replace") for part in process.communicate()]
        one = {"python": path, "path": config, "roles": roles, "file": at(config) if config else None}
        try:
            one.update(json.loads(out))
        except ValueError:
            one["broken"] = (err or out).strip()[-300:]
        answer.append(one)
    return answer


def look(options, supervise, conf, script):
    table = supervise.processes()
    found = conf.confs(options, supervise, table)
    own = conf.effective(found, options) or {}
    where = dict(options, conf=own.get("path") or options["conf"], socket=own.get("socket") or options["socket"])
    sight = supervise.look(where)
    table = supervise.processes()
    live = components(supervise, table)
    configured = [program for one in found for program in one["programs"]]
    ports = listeners(supervise, table)
    mine = set(one["pid"] for one in live if one["role"] == "webui")
    webuis = [one for one in ports if mine.intersection(one["line"])]
    return {
        "python": list(sys.version_info[:3]), "clock": time.time(), "ours": os.path.islink(os.path.join(options["home"], "current")), "sight": sight, "conf": own or None, "confs": found,
        "socket": at(where["socket"]), "socket_path": where["socket"], "pidfile": pidfile(own.get("pidfile"), table),
        "daemons": daemons(supervise, conf, table, [one["path"] for one in found]), "components": live, "listeners": ports,
        "webuis": [dict(http(local(one["address"]), one["port"], supervise), **one) for one in webuis],
        "disks": disks([options["home"], options["logs"], "/tmp", "/var/tmp", "/"]),
        "foreign": foreign([options["home"], options["logs"]], options["user"]),
        "logs": conf.logs(configured), "daemon_log": conf.tail(own.get("logfile")), "asked": ask(conf, configured + live, script),
    }


def local(address):
    return "127.0.0.1" if address in ("0.0.0.0", "::") else address


def pidfile(path, table):
    try:
        with open(path) as stream:
            pid = int(stream.read())
    except (IOError, OSError, TypeError, ValueError):
        return None
    return {"path": path, "pid": pid, "alive": pid in table}


if __name__ == "__main__":
    with open(sys.argv[1]) as stream:
        given = json.load(stream)
    supervise, conf = module("supervise", sys.argv[2]), module("conf", sys.argv[3])
    print(json.dumps(look(given, supervise, conf, sys.argv[4])))
