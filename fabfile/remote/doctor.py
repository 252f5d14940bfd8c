"""Runs on a host, under Python 2.7 or 3: raw facts for `fab doctor`, as one JSON object. Changes nothing.

    doctor.py OPTIONS SUPERVISE MACHINE CONF ASK ANSWERS TLS

All are paths: of JSON, of supervise.py, of machine.py, of doctor_conf.py, of doctor_ask.py, of
doctor_answers.py and of the release's tls.py. The host may have been set up by hand: so supervisord.conf, socket, programs, interpreters and config.json are found by what runs and by
the usual places, and only then by what hosts.toml says.
"""

from __future__ import print_function

import errno
import hashlib
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

import ground

MOST_FILES = 20000
CLIENT_FOLDERS = ("/usr/local/bin", "/usr/bin", "/opt/pyspider/current/bin")
SECONDS = 4


def text(path):
    """What this project sent along."""
    with open(path, "rb") as stream:
        return stream.read()


def module(name, path):
    made = types.ModuleType(name)
    exec(compile(text(path), path, "exec"), made.__dict__)
    return made


# processes and ports

def limit(pid, supervise):
    match = re.search(r"Max open files\s+(\d+)", supervise.read("/proc/%d/limits" % pid))
    return int(match.group(1)) if match else None


def state(pid, supervise):
    return (supervise.read("/proc/%d/stat" % pid).rpartition(")")[2].split() or [""])[0]


def components(supervise, machine, table):
    found = []
    for pid, process in sorted(table.items()):
        kind = process.role() if process.alive else None
        parent = table.get(process.parent)
        if not kind or (parent and parent.role() == kind):
            continue  # a wrapper and its child count once
        held = any(supervise.is_supervisord(table[one]) for one in supervise.ancestors(pid, table) if one in table)
        found.append({
            "pid": pid, "ticks": process.ticks, "parent": process.parent, "role": kind, "user": machine.owner(machine.uid_of(pid)), "words": process.words,
            "name": process.environment.get("SUPERVISOR_PROCESS_NAME"), "held": held, "nofile": limit(pid, supervise),
            "state": state(pid, supervise), "directory": directory(pid), "uid": machine.uid_of(pid), "kb": kilobytes(pid, supervise, table),
        })
    return found


def kilobytes(pid, supervise, table):
    """Memory that a process and what it started hold: pyspider's phantomjs is a child of its wrapper."""
    family = [pid] + [child for child in table if pid in supervise.ancestors(child, table)]
    sizes = [re.search(r"VmRSS:\s+(\d+) kB", supervise.read("/proc/%d/status" % one)) for one in family]
    return sum(int(size.group(1)) for size in sizes if size)


def directory(pid):
    try:
        return os.readlink("/proc/%d/cwd" % pid)
    except OSError:
        return None


def clients(supervise, machine, sight, where, table):
    """What each supervisorctl of another installation than the live supervisord's says to it: [{path, status, says}].

    Decided by exit status: 5 is another version of the API, 3 a supervisord that does not know its commands.
    """
    if not sight["supervisord"]["answers"]:
        return []
    daemon = table.get(sight["supervisord"]["pid"])
    # The user who answers there may name any process.
    if daemon is None or not supervise.is_supervisord(daemon):
        return []
    script = next((word for word in daemon.words[:3] if os.path.basename(word) == "supervisord"), "")
    beside = os.path.realpath(os.path.join(os.path.dirname(script), "supervisorctl"))
    folders = os.environ.get("PATH", "").split(":") + list(CLIENT_FOLDERS)
    paths = set(os.path.realpath(os.path.join(folder, "supervisorctl")) for folder in folders if folder.startswith("/"))
    others = [path for path in paths if os.access(path, os.X_OK) and (path != beside or changed(path, daemon, supervise))]
    # What others can change, the configuration too (its plugins are any code), gets no more rights than they have.
    uid = machine.uid_of(daemon.pid) or ground.author(where["conf"])
    return [dict(asked_by(path, where, uid or ground.runner(path)), path=path, beside=beside) for path in sorted(others)]


def changed(path, process, supervise):
    """Whether a file is younger than a process."""
    boot = re.search(r"^btime (\d+)$", supervise.read("/proc/stat"), re.MULTILINE)
    try:
        return os.stat(path).st_mtime > int(boot.group(1)) + process.ticks / float(os.sysconf("SC_CLK_TCK")) + 1
    except (OSError, AttributeError):
        return False


def asked_by(client, where, uid):
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", HOME="/nonexistent")
    words = ["timeout", str(SECONDS), client, "-c", where["conf"], "-s", "unix://" + where["socket"], "pid"]
    try:
        with open(os.devnull) as nothing:
            process = subprocess.Popen(words, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, preexec_fn=lambda: ground.become(uid))
            out = process.communicate()[0].decode("utf-8", "replace")
    except OSError as error:
        return {"status": None, "says": str(error)}
    return {"status": process.returncode, "says": out.strip()[:300]}


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

def digest(path):
    """The SHA-256 of a file; None where there is none."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except (IOError, OSError):
        return None


def foreign(folders, user, machine):
    """What the cluster's user does not own below its folders: the first few, and how many there are."""
    try:
        wanted = pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
    found = []
    for top in folders:
        for path, seen in ground.walk(top, MOST_FILES):
            if seen.st_uid != wanted and (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode) or stat.S_ISSOCK(seen.st_mode)):
                found.append({"path": path, "owner": machine.owner(seen.st_uid)})
    return {"count": len(found), "paths": found[:200]}


# the programs' own view

def interpreter(words, by=0):
    """What runs these words: themselves, or what their first line names, as the user reads it who says them."""
    path = words[0] if words else ""
    if not path.startswith("/"):
        folders = os.environ.get("PATH", "").split(":")
        path = next((one for one in (os.path.join(folder, path) for folder in folders) if os.access(one, os.X_OK)), "")
    if re.match(r"python[\d.]*$", os.path.basename(path)):
        return path
    first = ground.read(path, by, 200).partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    return interpreter(words[1:] if words and words[0].endswith("/env") else words, by) if words else None


def pairs(machine, found):
    """(interpreter, config.json, user) of every component but phantomjs, each once, with who uses it."""
    answer = {}
    for one in found:
        config = machine.after(one["words"], "-c", "--config")
        path = interpreter(one["words"], one["uid"])
        if one["role"] != "phantomjs" and path:
            if config:
                config = os.path.join(one.get("directory") or "/", config)
            # Root runs nothing, and reads nothing, that somebody else can have put there.
            uid = one["uid"] or ground.runner(path) or (ground.author(config) if config else 0)
            answer.setdefault((path, config, uid), set()).add(one["role"])
    return answer


def ask(machine, found, scripts, site):
    """What each interpreter says of itself and of what its config.json leads to; all at once, each as its own user."""
    begun = []
    for (path, config, uid), roles in sorted(pairs(machine, found).items(), key=str):
        words = [path, "-B", "-", config or "/nonexistent", " ".join(sorted(roles)), site or "", "-", "-"]
        begun.append((path, config, uid, sorted(roles), begin(words, uid, scripts)))
    answer = []
    for path, config, uid, roles, process in begun:
        out, err = ("", str(process)) if isinstance(process, OSError) else [part.decode("utf-8", "replace") for part in process.communicate()]
        one = {"python": path, "path": config, "roles": roles, "file": machine.at(config, uid) if config else None}
        try:
            one.update(json.loads(out))
        except ValueError:
            one["broken"] = (err or out).strip()[-300:]
        answer.append(one)
    return answer


def begin(words, uid, scripts):
    """A process of that user that reads its script; a user can't read where root keeps it."""
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", preexec_fn=lambda: ground.become(uid),
        )
        process.stdin.write(together(*scripts))
        process.stdin.close()
        process.stdin = None
    except (IOError, OSError) as error:
        return error if isinstance(error, OSError) else OSError(str(error))
    return process


def together(ask_path, answers_path, tls_path):
    """doctor_ask.py with doctor_answers.py and tls.py as one script for stdin, by any Python."""
    ask_text, answers_text, tls_text = [str(text(path).decode("ascii")) for path in (ask_path, answers_path, tls_path)]
    return (TOGETHER % (answers_text, tls_text, ask_text)).encode("ascii")


TOGETHER = """\
import sys, types
answers = sys.modules["answers"] = types.ModuleType("answers")
exec(compile(%r, "doctor_answers.py", "exec"), answers.__dict__)
tls = sys.modules["tls"] = types.ModuleType("tls")
exec(compile(%r, "tls.py", "exec"), tls.__dict__)
exec(compile(%r, "doctor_ask.py", "exec"))
"""


def look(options, supervise, machine, conf, scripts):
    table = supervise.processes()
    found = conf.confs(options, supervise, machine, table)
    own = conf.effective(found, options) or {}
    where = dict(options, conf=own.get("path") or options["conf"], socket=own.get("socket") or options["socket"])
    sight = supervise.look(where)
    table = supervise.processes()
    live = components(supervise, machine, table)
    configured = [program for one in found for program in one["programs"]]
    ports = machine.listeners(supervise, table)
    mine = set(one["pid"] for one in live if one["role"] == "webui")
    webuis = [one for one in ports if mine.intersection(one["line"])]
    answer = {
        "python": list(sys.version_info[:3]), "clock": time.time(), "ours": ground.kind(os.path.join(options["home"], "current")) == "a link", "sight": sight, "conf": own or None, "confs": found,
        "socket": machine.at(where["socket"], own.get("by", 0)), "socket_path": where["socket"], "pidfile": pidfile(own.get("pidfile"), table, own.get("by", 0)),
        "daemons": machine.daemons(supervise, table, [one["path"] for one in found]), "components": live, "listeners": ports,
        "clients": clients(supervise, machine, sight, where, table), "webuis": [dict(http(local(one["address"]), one["port"], supervise), **one) for one in webuis],
        "disks": machine.disks([options["home"], options["logs"], "/tmp", "/var/tmp", "/"]), "memory": machine.memory(supervise),
        "foreign": foreign([options["home"], options["logs"]], options["user"], machine),
        "logs": conf.logs(configured), "daemon_log": conf.tail(own.get("logfile"), own.get("by", 0)), "boot": conf.boots(where["conf"], supervise.read), "files": dict((path, digest(path)) for path in options.get("files", ())), "asked": ask(machine, configured + live, scripts, options.get("site")),
    }
    answer["listeners"] = standing(ports, machine.listeners(supervise, supervise.processes()))
    return answer


def standing(before, after):
    """Who listened all the while: one who ended, and began again, in between refused whoever asked, and no filter did."""
    left = set((one["address"], one["port"], one["pid"]) for one in after)
    return [one for one in before if (one["address"], one["port"], one["pid"]) in left]


def local(address):
    return "127.0.0.1" if address in ("0.0.0.0", "::") else address


def pidfile(path, table, by):
    try:
        pid = int(ground.read(path, by, 64))
    except (TypeError, ValueError):
        return None
    return {"path": path, "pid": pid, "alive": pid in table}


if __name__ == "__main__":
    with open(sys.argv[1]) as stream:
        given = json.load(stream)
    parts = [module(name, path) for name, path in zip(("supervise", "machine", "conf"), sys.argv[2:5])]
    print(json.dumps(look(given, *(parts + [sys.argv[5:8]]))))
