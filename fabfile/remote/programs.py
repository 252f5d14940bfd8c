"""Changes to the programs of a supervisord, by XML-RPC; as its user."""

from __future__ import absolute_import, print_function

import os
import socket
import time

from . import logs, rpc
from .pythons import httplib, xmlrpclib

HEALTHY = "RUNNING"


def apply(options):
    """reread, then exactly the named programs are updated, restarted or removed; waits for them."""
    server = rpc.supervisor(options["socket"], options["seconds"])
    now = logs.log_sizes(options["logs"])
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
    for line in logs.logged(os.path.join(options["logs"], name + ".log"), options.get("since", {}).get(name, 0)):
        print("  | " + line)


def reload(options):
    server = rpc.supervisor(options["socket"])
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
