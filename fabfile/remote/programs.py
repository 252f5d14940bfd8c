"""Changes to the programs of a supervisord, by XML-RPC; as its user."""

from __future__ import absolute_import, print_function

import os
import socket
import time

from . import logs, purpose, rpc
from .pythons import httplib, xmlrpclib

HEALTHY = "RUNNING"
TRIES = 5
"""A program that has ended as often right after its start does not come up: supervisord never gives it up."""
ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")


def apply(options):
    """reread, then exactly the named programs are updated, restarted or removed; waits for them."""
    # One that ends answers once it has.
    server = rpc.supervisor(options["socket"], max(options["seconds"], options.get("stop_seconds", 0)))
    now = logs.log_sizes(options["logs"])
    options["since"] = dict(options.get("since", {}), **dict((name, now.get(name, 0)) for name in options["restart"]))
    added, changed, removed = server.reloadConfig()[0]
    for name in options["remove"]:
        end(server, name)
        if name in removed:
            server.removeProcessGroup(name)
    restart(server, options["restart"], added, changed)
    for name in options["reopen"]:
        server.clearProcessLogs(name)
    return await_running(server, options)


def restart(server, names, added, changed):
    """Of one role the programs restart one after the other; of several, all end first, from the last to the first."""
    known = [name for name in names if name not in added]
    if len(set(map(role, names))) > 1:
        for name in reversed(known):
            end(server, name)
    for name in names:
        if name in known:
            end(server, name)
            if name in changed:
                server.removeProcessGroup(name)
        if name in added or name in changed:
            server.addProcessGroup(name)
        # One that was stopped on purpose does not start by itself.
        server.startProcessGroup(name, False)


def role(name):
    return name.rstrip("0123456789")


def end(server, name, wait=True):
    try:
        server.stopProcessGroup(name, wait)
    except xmlrpclib.Fault as fault:
        if fault.faultCode not in (10, 70):  # BAD_NAME, NOT_RUNNING: already as wanted
            raise


def stop(options):
    """Ends the named programs, all at once, and waits until they have."""
    server = rpc.supervisor(options["socket"], options["seconds"])
    for name in options["stop"]:
        end(server, name, False)
    deadline = time.time() + options["seconds"]
    while True:
        states = dict((info["name"], info["statename"]) for info in server.getAllProcessInfo())
        left = [name for name in options["stop"] if states.get(name) in ALIVE]
        if not left or time.time() > deadline:
            break
        time.sleep(0.1)
    for name in left:
        print("%s is still %s" % (name, states[name]))
    return 1 if left else 0


def await_running(server, options):
    deadline = time.time() + options["seconds"]
    wanted, tries = set(options["wait"]), {}
    while True:
        states = dict((info["name"], info) for info in server.getAllProcessInfo())
        waiting = sorted(n for n in wanted if states.get(n, {}).get("statename") != HEALTHY)
        if not waiting:
            return 0
        hopeless = [n for n in waiting if fails(states.get(n, {}), tries.setdefault(n, set()))]
        if hopeless or time.time() > deadline:
            for name in hopeless or waiting:
                report(name, states.get(name), options)
            return 1
        time.sleep(0.2)


def fails(info, tries):
    """Whether a program will not come up; `tries` takes the beginnings of those that have ended."""
    if info.get("statename") == "BACKOFF":
        tries.add(info["start"])
    return info.get("statename") == "FATAL" or len(tries) >= TRIES


def report(name, info, options):
    state = info["statename"] if info else "not known to supervisord"
    print("%s is %s %s" % (name, state, (info or {}).get("spawnerr", "")))
    for line in logs.logged(os.path.join(options["logs"], name + ".log"), options.get("since", {}).get(name, 0)):
        print("  | " + line)


def reload(options):
    server, rest = rpc.supervisor(options["socket"]), purpose.stopped(options)
    options["wait"] = [name for name in options["wait"] if name not in rest]
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
