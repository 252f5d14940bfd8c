"""Runs on a host, under the runtime's Python 2.7: what runs there, as data; and changes to it.

    supervise.py look OPTIONS [MACHINE]      prints one JSON object; with the path of machine.py, a preflight too
    supervise.py apply OPTIONS     brings the named programs to their sections; exit 1 if one does not come up
    supervise.py reload OPTIONS    supervisorctl reload, then waits for the named programs
    supervise.py start OPTIONS     starts supervisord; exit 1 if it does not answer then, and the one before runs again
    supervise.py clear OPTIONS     removes the socket, if nothing answers on it at this very moment
    supervise.py take OPTIONS      as the cluster's user: puts a file of its own in the place of each of `paths`
    supervise.py owners OPTIONS    prints {path: owner} of `paths`; what is gone, or somebody else's link, is left out
    supervise.py give OPTIONS      gives `paths` to `user`; exit 1 if one of them must not be given
    supervise.py end OPTIONS       ends the given processes; exit 1 if one is still there

OPTIONS is JSON, or the path of a file that holds it.

supervisorctl answers in English; supervisord's XML-RPC and /proc answer in data.
"""

from __future__ import print_function

import errno
import getopt
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
import types

import ground

try:
    import httplib
    import xmlrpclib
except ImportError:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib

RPC_SECONDS = 10
SYSTEMCTL_SECONDS = 10
HEALTHY = "RUNNING"
TAIL_BYTES = 64 << 10
NAME = re.compile(r"[^/\s:]+$")
PYTHON = re.compile(r"(platform-)?(python|pypy)[\d.]*$")
OURS = "Made by fab from hosts.toml"
"""What the first line of this project's supervisord.conf says."""
SECTION = re.compile(r"^\[(?:program|fcgi-program|eventlistener):([^\]]+)\]", re.MULTILINE)
SEARCHED = ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")
SHORT = "c:hvnsku:m:d:l:y:z:e:j:i:q:a:t"
LONG = (
    "configuration=", "help", "version", "nodaemon", "silent", "nocleanup", "user=", "umask=", "directory=", "logfile=", "logfile_maxbytes=",
    "logfile_backups=", "loglevel=", "pidfile=", "identifier=", "childlogdir=", "minfds=", "minprocs=", "strip_ansi", "profile_options=",
)
"""supervisord's options."""
INCLUDED = re.compile(r"^\[include\][^\[]*?^files\s*[=:]\s*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
COMPONENTS = ("scheduler", "fetcher", "processor", "result_worker", "webui", "phantomjs", "all", "one", "bench")


class UnixConnection(httplib.HTTPConnection):
    def __init__(self, path, timeout):
        httplib.HTTPConnection.__init__(self, "localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        ground.connect(self.sock, self.path)


class UnixTransport(xmlrpclib.Transport):
    def __init__(self, path, timeout):
        xmlrpclib.Transport.__init__(self)
        self.path, self.seconds = path, timeout

    def make_connection(self, _host):
        return UnixConnection(self.path, self.seconds)


class TimeoutTransport(xmlrpclib.Transport):
    def make_connection(self, host):
        return httplib.HTTPConnection(host, timeout=RPC_SECONDS)


def supervisor(path, timeout=RPC_SECONDS):
    return xmlrpclib.ServerProxy("http://localhost/RPC2", transport=UnixTransport(path, timeout)).supervisor


def read(path):
    """A file of the kernel's, as it is; any other one by the rule of ground.py."""
    if not path.startswith("/proc/"):
        return ground.read(path)
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except (IOError, OSError):
        return ""


class Process(object):
    """One line of /proc, read once."""

    def __init__(self, pid):
        stat = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
        self.pid = pid
        self.alive = bool(stat) and stat[0] not in "ZX"
        self.parent = int(stat[1]) if stat else 0
        self.ticks = int(stat[19]) if stat else 0
        self.words = read("/proc/%d/cmdline" % pid).split("\0")[:-1]
        pairs = (item.partition("=") for item in read("/proc/%d/environ" % pid).split("\0"))
        self.environment = dict((name, value) for name, _, value in pairs)

    def role(self):
        """The pyspider component that it is, or None: run.py's first word that is no option."""
        python = bool(self.words) and os.path.basename(self.words[0]).startswith("python")
        for index, word in enumerate(self.words[:3]):
            found = component(self.words[index + 1:])
            if os.path.basename(word) == "pyspider" and (found or "all") in COMPONENTS:
                return found or "all"
            # Ours, or one that follows pyspider's manual.
            if os.path.basename(word) == "run.py" and index and python and found in COMPONENTS:
                return found
        if self.words and os.path.basename(self.words[0]) == "phantomjs" and any("phantomjs_fetcher.js" in w for w in self.words):
            return "phantomjs"
        return None


def component(words):
    takes_value = ("-c", "--config", "--logging-config")
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in takes_value:
            skip = True
        elif not word.startswith("-"):
            return word
    return None


def processes():
    return dict((pid, Process(pid)) for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()))


def ancestors(pid, table):
    seen = set()
    while pid in table and pid not in seen:
        seen.add(pid)
        pid = table[pid].parent
        yield pid


def is_supervisord(process):
    return process.alive and program(process.words) is not None


def program(words):
    """supervisord's program in a command line; None where a word only looks like it: an editor's file, a unit's name."""
    for index, word in enumerate(words[:3]):
        if os.path.basename(word) == "supervisord" and (not index or PYTHON.match(os.path.basename(words[0]))):
            return word
    return None


def elsewhere(pid):
    """Whether a process has another root, as in a container: a path of its is another file than the same one here."""
    try:
        there, here = os.stat("/proc/%d/root/" % pid), os.stat("/")
    except OSError:
        return False
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)


def ask_supervisord(options):
    """State and programs of the supervisord that answers on the socket, or why none does."""
    server = supervisor(options["socket"])
    try:
        state, pid, now = server.getState()["statename"], server.getPID(), time.time()
        infos = server.getAllProcessInfo()
        keys = ("name", "group", "statename", "pid", "start", "now", "exitstatus", "spawnerr")
        found = [dict((k, info[k]) for k in keys) for info in infos]
        if not all(str(info["name"]).isdigit() or NAME.match(info["name"]) for info in infos):
            raise ValueError("names of programs that supervisord does not allow")
    except (socket.error, IOError, httplib.HTTPException, xmlrpclib.Error) as error:
        return {"answers": False, "errno": getattr(error, "errno", None), "why": str(error)}, []
    except (LookupError, TypeError, ValueError) as error:
        return {"answers": False, "errno": None, "why": "what answers is no supervisord: %s" % error}, []
    return {"answers": True, "state": state, "pid": pid, "asked": now}, found


def programs(infos, table, options):
    found = []
    for info in infos:
        process = table.get(info["pid"]) if info["pid"] else None
        found.append({
            "name": info["name"],
            "state": info["statename"],
            "pid": info["pid"] or None,
            "uptime_s": info["now"] - info["start"] if info["pid"] else None,
            "release": process.environment.get("PYSPIDER_RELEASE") if process else None,
            "log": ground.stands(os.path.join(options["logs"], info["name"] + ".log")) is not None,
            "why": info["spawnerr"],
        })
    return found


def leftovers(table, options):
    """Processes that a supervisord of this cluster started and that no supervisord holds any more."""
    url = "unix://" + options["socket"]
    found = []
    for pid, process in sorted(table.items()):
        if process.environment.get("SUPERVISOR_SERVER_URL") != url or not process.alive or is_supervisord(process):
            continue
        if not any(is_supervisord(table[parent]) for parent in ancestors(pid, table) if parent in table):
            found.append({
                "pid": pid, "ticks": process.ticks, "name": process.environment.get("SUPERVISOR_PROCESS_NAME", "?"),
                "ours": "PYSPIDER_RELEASE" in process.environment,
            })
    return found


def supervisord_processes(table, options):
    found = []
    for pid, process in sorted(table.items()):
        # A child that it has just forked looks like itself until it becomes the program.
        forked = process.parent in table and is_supervisord(table[process.parent])
        if is_supervisord(process) and not forked and configuration(process) == options["conf"] and not elsewhere(pid):
            found.append({"pid": pid, "ticks": process.ticks, "conf": process.environment.get("PYSPIDER_SUPERVISORD")})
    return found


def configuration(process):
    """The path of the configuration that a supervisord runs with."""
    word = program(process.words) or ""
    given = process.words[process.words.index(word) + 1:] if word else []
    try:
        named = [value for option, value in getopt.getopt(given, SHORT, LONG)[0] if option in ("-c", "--configuration")]
    except getopt.GetoptError:
        named = []
    try:
        folder = os.readlink("/proc/%d/cwd" % process.pid)
    except OSError:
        return named[-1] if named else SEARCHED[0]
    if named:
        return os.path.normpath(os.path.join(folder, named[-1]))
    # As supervisord itself looks for it: beside its program, where it was started, then in the usual places.
    tops = [os.path.dirname(os.path.dirname(os.path.join(folder, word))), folder]
    near = [os.path.join(top, *names) for top in tops for names in (("etc", "supervisord.conf"), ("supervisord.conf",))]
    return next((path for path in near + list(SEARCHED) if ground.stands(path)), SEARCHED[0])


def is_ours(path):
    return OURS in read(path).partition("\n")[0]


def strangers(table, options, server, daemons):
    """Supervisords that this project did not start and that hold its configuration's path or its socket.

    [{pid, user, conf, holds: "conf" or "socket", running: [name]}]
    """
    ours = is_ours(options["conf"])
    held = dict((one["pid"], "conf") for one in daemons if not (ours or one["conf"]))
    answering = table.get(server.get("pid"))
    if answering and not ours_by(answering, options, ours):
        held.setdefault(answering.pid, "socket")
    return [{
        "pid": pid, "user": user(pid), "conf": configuration(table[pid]), "holds": held[pid],
        "running": sorted(name(one) for one in table.values() if one.parent == pid and one.alive),
    } for pid in sorted(held)]


def ours_by(process, options, ours):
    return "PYSPIDER_SUPERVISORD" in process.environment or (ours and configuration(process) == options["conf"])


def name(process):
    return process.environment.get("SUPERVISOR_PROCESS_NAME") or os.path.basename((process.words or ["?"])[0])


def user(pid):
    try:
        return name_of(os.stat("/proc/%d" % pid).st_uid)
    except OSError:
        return "?"


def name_of(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def foreign_sections(path):
    """The programs that somebody else's configuration names, its includes too; None where it is ours or absent."""
    if not ground.stands(path) or is_ours(path):
        return None
    text = read(path)
    here = os.path.dirname(path)
    patterns = [word for match in INCLUDED.findall(text) for word in match.replace("%(here)s", here).split()]
    included = sorted(one for pattern in patterns for one in ground.glob(os.path.join(here, pattern)))
    return sorted(set(found for one in [text] + [read(path) for path in included] for found in SECTION.findall(one)))


def hidden(conf, searched=SEARCHED):
    """Somebody else's configuration that supervisorctl without -c, also in a unit's ExecStop, would find no more."""
    if conf not in searched or ground.stands(conf):
        return None
    return next((path for path in searched[searched.index(conf) + 1:] if ground.stands(path) and not is_ours(path)), None)


def schedulers(table):
    """Pids of live schedulers, whoever started them; a wrapper and its child count once."""
    pids = [pid for pid, process in table.items() if process.alive and process.role() in ("scheduler", "all", "one")]
    return sorted(pid for pid in pids if table[pid].parent not in pids)


def webui_answer(ask):
    """The queue sizes as the web UI tells them; the body is checked, since 200 alone proves nothing."""
    import base64
    connection = httplib.HTTPConnection(ask["host"], ask["port"], timeout=RPC_SECONDS)
    headers = {}
    if ask.get("username"):
        pair = "%s:%s" % (ask["username"], ask["password"])
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")
    try:
        connection.request("GET", "/queues", headers=headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        if response.status != 200:
            return {"ok": False, "why": "HTTP status %d" % response.status}
        queues = json.loads(body)
    except (socket.error, httplib.HTTPException) as error:
        return {"ok": False, "why": str(error) or type(error).__name__}
    except ValueError:
        return {"ok": False, "why": "its answer is not JSON"}
    if not isinstance(queues, dict) or "scheduler2fetcher" not in queues:
        return {"ok": False, "why": "its answer names no queues"}
    return {"ok": True}


def rpc_answer(url):
    try:
        size = xmlrpclib.ServerProxy(url, transport=TimeoutTransport()).size()
    except (socket.error, IOError, httplib.HTTPException, xmlrpclib.Error) as error:
        return {"ok": False, "why": str(error) or type(error).__name__}
    return {"ok": isinstance(size, int), "size": size}


def unit(options):
    """What systemd says of supervisord's unit; None on a host that it does not run.

    {main: the pid of its main process, 0 without one and None where systemd does not answer; state;
    stale: whether its files have changed since systemd read them}
    """
    if not options.get("unit") or not os.path.isdir("/run/systemd/system"):
        return None
    words = ["timeout", str(SYSTEMCTL_SECONDS), "systemctl", "show", "-p", "MainPID", "-p", "SubState", "-p", "NeedDaemonReload"]
    _, text = run(words + [options["unit"] + ".service"])
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    main = int(found["MainPID"]) if found.get("MainPID", "").isdigit() else None
    return {"main": main, "state": found.get("SubState"), "stale": found.get("NeedDaemonReload") == "yes"}


def run(words):
    """Exit status and all output of a command."""
    with open(os.devnull) as nothing:
        # What a daemon kept open of ours, its reader would wait for.
        process = subprocess.Popen(words, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True)
        text = process.communicate()[0].decode("utf-8", "replace")
        return process.returncode, text


def look(options, machine=None):
    server, infos = ask_supervisord(options)
    # After the supervisor's answer: a pid that it names must be in the table.
    table = processes()
    daemons = supervisord_processes(table, options)
    answer = {
        "supervisord": server,
        "socket": ground.stands(options["socket"]) is not None,
        "socket_kind": ground.kind(options["socket"]),
        "programs": programs(infos, table, options),
        "leftovers": leftovers(table, options),
        "supervisords": daemons,
        "unit": unit(options),
        "strangers": strangers(table, options, server, daemons),
        "foreign_conf": foreign_sections(options["conf"]),
        "hidden": hidden(options["conf"]),
        "schedulers": schedulers(table),
        "log_sizes": log_sizes(options["logs"]),
        "current": link(options.get("home", "") + "/current"),
    }
    if options.get("webui"):
        answer["webui"] = webui_answer(options["webui"])
    for name, url in options.get("rpc", {}).items():
        answer[name] = rpc_answer(url)
    if machine:
        answer["preflight"] = machine.preflight(options["preflight"], sys.modules[__name__], table)
    return answer


def module(name, path):
    made = types.ModuleType(name)
    exec(compile(read(path), path, "exec"), made.__dict__)
    return made


def restart(server, names, added, changed):
    for name in names:
        if name not in added:
            stop(server, name)
            if name in changed:
                server.removeProcessGroup(name)
        if name in added or name in changed:
            # Starts it too: every section says autostart.
            server.addProcessGroup(name)
        else:
            server.startProcessGroup(name, False)


def stop(server, name):
    try:
        server.stopProcessGroup(name)
    except xmlrpclib.Fault as fault:
        if fault.faultCode not in (10, 70):  # BAD_NAME, NOT_RUNNING: already as wanted
            raise


def apply(options):
    """reread, then exactly the named programs are updated, restarted or removed; waits for them."""
    server = supervisor(options["socket"], options["seconds"])
    now = log_sizes(options["logs"])
    options["since"] = dict(options.get("since", {}), **dict((name, now.get(name, 0)) for name in options["restart"]))
    added, changed, removed = server.reloadConfig()[0]
    for name in options["remove"]:
        stop(server, name)
        if name in removed:
            server.removeProcessGroup(name)
    restart(server, options["restart"], added, changed)
    for name in options["reopen"]:
        server.clearProcessLogs(name)
    return await_running(server, options)


def await_running(server, options):
    deadline = time.time() + options["seconds"]
    wanted = set(options["wait"])
    while True:
        states = dict((info["name"], info) for info in server.getAllProcessInfo())
        waiting = sorted(n for n in wanted if states.get(n, {}).get("statename") != HEALTHY)
        fatal = [n for n in waiting if states.get(n, {}).get("statename") == "FATAL"]
        if not waiting:
            return 0
        if fatal or time.time() > deadline:
            for name in fatal or waiting:
                report(name, states.get(name), options)
            return 1
        time.sleep(0.2)


def report(name, info, options):
    state = info["statename"] if info else "not known to supervisord"
    print("%s is %s %s" % (name, state, (info or {}).get("spawnerr", "")))
    for line in logged(os.path.join(options["logs"], name + ".log"), options.get("since", {}).get(name, 0)):
        print("  | " + line)


def logged(path, since):
    """The last lines that a log has got since it was `since` bytes long; what is older would only mislead."""
    # One that was rotated meanwhile is shorter, and all of it is new.
    return ground.tail(path, TAIL_BYTES, since=since).splitlines()[-20:]


def link(path):
    try:
        with ground.acting(ground.owner(path)):
            return os.readlink(path)
    except OSError:
        return None


def log_sizes(folder):
    """How long each program's log is by now."""
    found = {}
    for path in ground.glob(os.path.join(folder, "*.log")):
        seen = ground.stands(path)
        if seen:
            found[os.path.basename(path)[:-4]] = seen.st_size
    return found


def reload(options):
    server = supervisor(options["socket"])
    before = [info["pid"] for info in server.getAllProcessInfo() if info["pid"]]
    server.restart()
    deadline = time.time() + options["seconds"]
    while time.time() < deadline:
        try:
            now = [info["pid"] for info in server.getAllProcessInfo() if info["pid"]]
            if not set(before) & set(now):
                return await_running(server, options)
        except (socket.error, IOError, httplib.HTTPException, xmlrpclib.Error):
            pass  # it answers again when it has read its configuration
        time.sleep(0.2)
    print("supervisord has not come back after the reload")
    return 1


def start(options):
    """supervisord's unit by systemd, or its command elsewhere; where it does not come up, the one before is started again.

    `before` is {conf: the digest of the configuration that it ran with}, or None; `restore` are the commands that put
    the release back.
    """
    told = started(options)
    if told is None:
        return 0
    print("no supervisord answers on %s" % options["socket"])
    for line in told:
        print("  | " + line)
    if options.get("before"):
        fall_back(options, options["before"])
    return 1


def started(options):
    """None where supervisord answers after its start; else what it said."""
    begun, sizes = time.time(), log_sizes(options["logs"])
    service = (options.get("unit") or "") + ".service"
    # Also what waits to be started again, or is there without a main process, starts by a restart.
    words = ["systemctl", "restart", service] if unit(options) else options["words"]
    status, text = bounded(words, options["seconds"] + options["stop_seconds"])
    deadline = time.time() + options["seconds"]
    while status == 0 and time.time() < deadline:
        server, seen = ask_supervisord(options)[0], unit(options)
        if server["answers"] and (not seen or server["pid"] == seen["main"]):
            return None
        if seen and seen["state"] in ("auto-restart", "failed", "dead"):
            break
        time.sleep(0.2)
    if unit(options):
        text += run(["journalctl", "--no-pager", "-o", "cat", "-n", "20", "--since", "@%d" % begun, "-u", service])[1]
    return text.splitlines() + logged(os.path.join(options["logs"], "supervisord.log"), sizes.get("supervisord", 0))


def bounded(words, seconds):
    """Exit status and last lines of a command that ends in time; one supervisord was seen to fill a disk with its words."""
    script = '{ timeout "$@"; echo "$?"; } 2>&1 | tail -n 21'
    lines = run(["sh", "-c", script, "sh", str(seconds)] + words)[1].splitlines()
    return int(lines[-1]), "".join(line + "\n" for line in lines[:-1])


def fall_back(options, before):
    """Configuration and release as they were, and supervisord with them."""
    folder, name = os.path.split(options["conf"])
    # The one that it ran with: a deploy of some roles may have written others since.
    kept = os.path.join(folder, ".%s.was-%s" % (name, before["conf"]))
    if run(["sha256sum", kept])[1][:12] != before["conf"]:
        print("the configuration that ran before is no longer there, so it can't be started again")
        return
    run(["cp", "-p", kept, kept + ".new"])
    os.rename(kept + ".new", options["conf"])
    for words in options["restore"]:
        run(words)
    # Perhaps its socket is what has changed; the file is this project's own.
    found = re.search(r"^file=(.+)$", read(options["conf"]), re.MULTILINE)
    options = dict(options, socket=found.group(1) if found else options["socket"])
    told = started(options)
    if told is not None and unit(options):
        # An older version of this project ran it without the unit.
        run(["systemctl", "stop", options["unit"] + ".service"])
        told = started(dict(options, unit=""))
    print("the one before was started again" if told is None else "the one before does not start either")


def clear(options):
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(RPC_SECONDS)
        ground.connect(connection, options["socket"])
    except (socket.error, OSError) as error:
        if error.errno == errno.ECONNREFUSED:
            ground.remove_socket(options["socket"])
    # Where somebody answers, systemd has started it again meanwhile: then it is stale no more.
    return 0


def take(options):
    """A copy of one's own in the place of a file of somebody else.

    One that can't be read, or of which a copy would take more than half of the room there is, is kept beside instead.
    """
    for path in options["paths"]:
        try:
            copied(path, path + ".fresh")
            os.rename(path + ".fresh", path)
        except (IOError, OSError) as error:
            if os.path.lexists(path + ".fresh"):
                os.unlink(path + ".fresh")
            if error.errno not in (errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                raise
            os.rename(path, path + options["suffix"])
    return 0


def copied(path, fresh):
    with open(path, "rb") as old:
        room = os.statvfs(os.path.dirname(path))
        if os.fstat(old.fileno()).st_size > room.f_bavail * room.f_frsize // 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        with open(fresh, "wb") as new:
            for chunk in iter(lambda: old.read(1 << 16), b""):
                new.write(chunk)


def owners(options):
    found = dict((path, ground.stands(path)) for path in options["paths"])
    print(json.dumps(dict((path, name_of(seen.st_uid)) for path, seen in found.items() if seen)))
    return 0


def give(options):
    user = pwd.getpwnam(options["user"])
    why = [ground.give(path, user.pw_uid, user.pw_gid, options["tops"]) for path in options["paths"]]
    print("\n".join(one for one in why if one))
    return 1 if any(why) else 0


def end(options):
    """End processes (by pid and start time, so that a recycled pid is safe): gently, then not."""
    status = end_all(options["end"], options["signals"])
    # What an ended supervisord leaves behind is seen only now.
    return end_all([one for one in leftovers(processes(), options) if one["ours"]], options["signals"]) or status


def end_all(items, signals):
    for name, seconds in signals:
        for item in [item for item in items if same(item)]:
            try:
                os.kill(item["pid"], getattr(signal, name))
            except OSError as error:
                if error.errno != errno.ESRCH:
                    raise
        deadline = time.time() + seconds
        while any(same(item) for item in items) and time.time() < deadline:
            time.sleep(0.05)
    return 1 if any(same(item) for item in items) else 0


def same(item):
    process = Process(item["pid"])
    return process.alive and process.ticks == item["ticks"]


def main(verb, text, machine=None):
    options = json.loads(text if text.startswith("{") else read(text))
    if verb == "look":
        print(json.dumps(look(options, module("machine", machine) if machine else None)))
        return 0
    verbs = {"apply": apply, "reload": reload, "start": start, "clear": clear, "take": take, "owners": owners, "give": give, "end": end}
    return verbs[verb](options)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
