"""The watcher of supervisord, for hosts without systemd. It is root's, reads nothing, and sleeps.

A supervisord that ends by itself takes its socket and its pidfile away: then it stays down. One that was killed leaves
them: its programs are ended, and it is started again. There are two processes, each of which starts the other again.
"""

from __future__ import absolute_import, print_function

import errno
import os
import signal
import sys
import time

from . import daemons, ground, leftovers, locks, processes, start, whose

WORD = "watch"
POLL_SECONDS = 1.0
START_SECONDS = 30
SIGNALS = (("SIGINT", 8), ("SIGTERM", 2), ("SIGKILL", 5))
"""The ends of a dead supervisord's programs. They are short: it is to be back soon, and programs lose nothing."""
PAUSES = (2, 4, 8, 16, 30, 60)
"""Seconds between two starts that fail."""
FILES = 256
"""The descriptors that a process of somebody else's may have left open."""


def watch(options):
    """Watches for as long as the host lives; where there is a watcher, there is no second one."""
    lock = locks.locked(locks.place(options, "watch.lock"), wait=False)
    if lock is None:
        return 0
    if os.fork():
        return 0
    detach(lock)
    while pair(options):
        time.sleep(POLL_SECONDS)
    return 0


def pair(options):
    """Keeps a second process that watches; False where that was told to end. A child returns True: it is alone now."""
    first = os.getpid()
    second = os.fork()
    if not second:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        look_after(options, lambda: os.getppid() == first)
        return True

    def both(_number, _frame):
        os.kill(second, signal.SIGTERM)
        os._exit(0)

    signal.signal(signal.SIGTERM, both)
    status = awaited(second)
    # Its number may be another's soon.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM)


def awaited(pid):
    while True:
        try:
            return os.waitpid(pid, 0)[1]
        except OSError as error:
            if error.errno != errno.EINTR:
                raise


def detach(kept):
    """Holds nothing of its caller's but one descriptor: no terminal, no pipe, no directory."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, FILES)


def look_after(options, wanted):
    """Starts a supervisord again whenever one has died, as long as that is wanted."""
    known, failures = None, 0
    while wanted():
        if known is None or not leftovers.same(known):
            known = living(options)
            if known is None and died(options):
                known = recovered(options)
                failures = 0 if known else failures + 1
        time.sleep(PAUSES[min(failures, len(PAUSES)) - 1] if failures else POLL_SECONDS)


def died(options):
    """Whether a supervisord has left without taking its files away."""
    return bool(ground.stands(options["socket"]) or ground.stands(options["pidfile"]))


def living(options):
    """The supervisord that runs; None where there is none. Nobody looks at all processes while nothing has changed."""
    if not died(options):
        return None
    table = processes.table()
    running = daemons.running(table, options)
    return next((one for one in running if whose.theirs(table[one["pid"]], options)), None)


def recovered(options):
    """The supervisord that was started in the place of a dead one, whose programs are ended first; or None."""
    with locks.alone(options):
        known = living(options)
        # Somebody else's may hold the socket: that is for people to see to.
        if known or not died(options) or daemons.asked(options)[0]["answers"]:
            return known
        leftovers.end(dict(options, end=[], signals=SIGNALS))
        leftovers.clear(options)
        start.bounded(options["words"], START_SECONDS)
        return living(options)


def seen(table, options):
    """The processes of the watcher, and the digest of what they run; only root's own are believed."""
    ours = dict((pid, text) for pid, text in ((pid, named(table[pid], options)) for pid in table) if text)
    return {"pids": sorted(ours), "digest": next(iter(sorted(ours.values())), "")}


def named(process, options):
    """The digest in the command line of a watcher of this cluster's; empty where it is none."""
    if process.uid or not process.alive or WORD not in process.words or processes.elsewhere(process.pid):
        return ""
    path, folder = process.words[-1], locks.place(options, "")
    return path[len(folder) :].rpartition(".")[0] if path.startswith(folder) and path.endswith(".json") else ""


def guard(options):
    """Puts the watcher of this zip there, and starts it in the place of any other."""
    unguard(options)
    os.umask(0o022)
    if not os.path.isdir(options["folder"]):
        os.makedirs(options["folder"], 0o755)
    program, settings = locks.place(options, "zip"), locks.place(options, options["digest"] + ".json")
    with open(sys.path[0], "rb") as stream:
        locks.written(program, stream.read())
    locks.written(settings, options["settings"].encode("utf-8"))
    if daemons.run([sys.executable, "-E", "-s", "-B", program, WORD, settings])[0]:
        return 1
    return waited(lambda: len(seen(processes.table(), options)["pids"]) == 2)


def unguard(options):
    """Ends the watcher and takes its files away; supervisord and its programs go on."""
    for pid in seen(processes.table(), options)["pids"]:
        try:
            os.kill(pid, signal.SIGTERM)
            # One that somebody has stopped hears nothing else.
            os.kill(pid, signal.SIGCONT)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise
    status = waited(lambda: not seen(processes.table(), options)["pids"])
    names = os.listdir(options["folder"]) if os.path.isdir(options["folder"]) else []
    for name in names:
        if name == options["unit"] + ".zip" or (name.startswith(options["unit"] + ".") and name.endswith(".json")):
            os.unlink(os.path.join(options["folder"], name))
    return status


def waited(wanted, seconds=20):
    """0 as soon as it is so, else 1."""
    deadline = time.time() + seconds
    while not wanted():
        if time.time() > deadline:
            return 1
        time.sleep(0.1)
    return 0
