"""The supervisord of a cluster: its answers, its processes, its unit in systemd."""

from __future__ import absolute_import, print_function

import getopt
import os
import re
import socket
import subprocess
import time

from . import ground, processes, rpc, texts
from .pythons import httplib, xmlrpclib

SYSTEMCTL_SECONDS = 10
ASKED_SECONDS = 15
"""All three questions of a look; one by one each has as long as any other (rpc.py)."""
NAME = re.compile(r"[^/\s:]+$")
SEARCHED = ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")
SHORT = "c:hvnsku:m:d:l:y:z:e:j:i:q:a:t"
LONG = (
    "configuration=",
    "help",
    "version",
    "nodaemon",
    "silent",
    "nocleanup",
    "user=",
    "umask=",
    "directory=",
    "logfile=",
    "logfile_maxbytes=",
    "logfile_backups=",
    "loglevel=",
    "pidfile=",
    "identifier=",
    "childlogdir=",
    "minfds=",
    "minprocs=",
    "strip_ansi",
    "profile_options=",
)
"""supervisord's options."""


def asked(options):
    """State and programs of the supervisord that answers on the socket, or why none does."""
    server = rpc.supervisor(options["socket"], ASKED_SECONDS, whole=True)
    try:
        state, pid, now = server.getState()["statename"], server.getPID(), time.time()
        infos = server.getAllProcessInfo()
        keys = ("name", "group", "statename", "pid", "start", "now", "exitstatus", "spawnerr")
        found = [texts.native(dict((k, info[k]) for k in keys)) for info in infos]
        if not all(str(info["name"]).isdigit() or NAME.match(info["name"]) for info in infos):
            raise ValueError("names of programs that supervisord does not allow")
    except (socket.error, IOError, httplib.HTTPException, xmlrpclib.Error) as error:
        return {"answers": False, "errno": getattr(error, "errno", None), "why": str(error)}, []
    except Exception as error:  # whatever listens there may answer anything, and XML's parser has errors of its own
        return {"answers": False, "errno": None, "why": "the server there is no supervisord: %s" % error}, []
    return {"answers": True, "state": state, "pid": pid, "asked": now}, found


def running(table, options):
    found = []
    for pid, process in sorted(table.items()):
        # A child that it has just forked looks like itself until it becomes the program.
        forked = process.parent in table and processes.is_supervisord(table[process.parent])
        if (
            processes.is_supervisord(process)
            and not forked
            and configuration(process) == options["conf"]
            and not processes.elsewhere(pid)
        ):
            found.append({"pid": pid, "ticks": process.ticks, "conf": process.environment.get("PYSPIDER_SUPERVISORD")})
    return found


def script(process):
    """The path of a supervisord's own program."""
    word = processes.program(process.words) or ""
    try:
        return os.path.normpath(os.path.join(os.readlink("/proc/%d/cwd" % process.pid), word))
    except OSError:
        return word


def configuration(process):
    """The path of the configuration that a supervisord runs with."""
    word = processes.program(process.words) or ""
    given = process.words[process.words.index(word) + 1 :] if word else []
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


def unit(options):
    """The state of supervisord's unit in systemd; None on a host without systemd.

    {main: the pid of its main process, 0 without one and None where systemd does not answer; state;
    stale: whether its files have changed since systemd read them}
    """
    if not options.get("unit") or not os.path.isdir("/run/systemd/system"):
        return None
    words = [
        "timeout",
        str(SYSTEMCTL_SECONDS),
        "systemctl",
        "show",
        "-p",
        "MainPID",
        "-p",
        "SubState",
        "-p",
        "NeedDaemonReload",
    ]
    _, text = run(words + [options["unit"] + ".service"])
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    main = int(found["MainPID"]) if found.get("MainPID", "").isdigit() else None
    return {"main": main, "state": found.get("SubState"), "stale": found.get("NeedDaemonReload") == "yes"}


def run(words):
    """Exit status and all output of a command."""
    with open(os.devnull) as nothing:
        # A daemon may keep our pipe open, and its reader would wait for it.
        process = subprocess.Popen(
            words, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True
        )
        text = process.communicate()[0].decode("utf-8", "replace")
        return process.returncode, text
