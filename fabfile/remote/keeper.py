"""Keeps the programs of a bench on one host, under a lease: without renewals all of it goes away again.

It is root's, and does nothing for the network. Its place is a directory of root's alone: `settings.json` and the zip
that it runs from; `wanted.json` names the programs that are to run; `renewed` holds the seconds that are granted
from now on; `end` ends it; `seen.json` tells what it sees. The programs run as the cluster's user, in a folder of
that user's, and end with the keeper, however that ends. Runs under pyspider's own Python.
"""

from __future__ import absolute_import, print_function

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

from . import files, locks, processes, rights, rpc, scratch, texts, watch
from .pythons import xmlrpclib

PAUSE = 0.2
"""Seconds between two looks at what is wanted."""
TELL_SECONDS = 1.0
END_SECONDS = 12.0
"""The time that programs have to end in order; their stores are scratch."""
STORE_SECONDS = 40.0
"""The time for which stores are tried to be cleared; what is left then waits for the next bench."""
DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""
TAIL_BYTES = 3000


def clock():
    """Seconds that no setting of the clock changes."""
    return os.times()[4]


def keep(options):
    """Becomes the keeper of its place, unless there is one."""
    lock = locks.locked(os.path.join(options["place"], "lock"), wait=False)
    if lock is None:
        print("a keeper is there already")
        return 1
    keeper = Keeper(options)
    try:
        keeper.furnish()
    except (IOError, OSError) as error:
        print("the folder of the bench can't be made: %s" % error)
        keeper.clear(False)
        return 1
    # The number of the process is known as soon as this has ended.
    pid = os.fork()
    if pid:
        locks.written(os.path.join(options["place"], "pid"), ("%d\n" % pid).encode())
        return 0
    watch.detach(lock)
    keeper.run()
    os._exit(0)


class Child(object):
    """A program that runs, or has ended by itself or by us."""

    def __init__(self, process):
        self.process, self.ending, self.status = process, None, None

    def ended(self):
        if self.status is None:
            self.status = self.process.poll()
        return self.status is not None

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise


class Keeper(object):
    """One host's programs."""

    def __init__(self, options):
        self.options = options
        self.uid = rights.user_of(options["user"])
        self.programs = {}
        self.wanted, self.wanted_at = {}, None
        self.deadline = clock() + options["seconds"]
        self.over = False
        self.told_at = 0

    def path(self, name):
        return os.path.join(self.options["place"], name)

    def run(self):
        signal.signal(signal.SIGTERM, self.told_to_end)
        try:
            while clock() < self.deadline and not self.over and not os.path.exists(self.path("end")):
                self.renew()
                self.bring()
                self.tell()
                time.sleep(PAUSE)
        finally:
            # A second TERM comes too late to change anything.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.clear(clock() >= self.deadline or self.over)

    def told_to_end(self, _number, _frame):
        self.over = True

    def furnish(self):
        """The folder of the cluster's user, with the files that its programs read."""
        if os.path.exists(self.path("end")):
            return
        with open(sys.path[0], "rb") as stream:
            archive = stream.read()
        with rights.acting(self.uid):
            folder = self.options["folder"]
            shutil.rmtree(folder, True)
            os.mkdir(folder, 0o700)
            for name, text in sorted(self.options["files"].items()):
                put(os.path.join(folder, name), raw(text))
            put(os.path.join(folder, "bench.zip"), archive)

    def renew(self):
        path = self.path("renewed")
        if not os.path.exists(path):
            return
        text = files.read(path).strip()
        os.unlink(path)
        if text.isdigit():
            self.deadline = clock() + int(text)

    def bring(self):
        """Starts what is wanted and ends what is not; one that has ended by itself stays so, and is told of."""
        path = self.path("wanted.json")
        changed = os.stat(path).st_mtime if os.path.exists(path) else None
        if changed != self.wanted_at:
            self.wanted, self.wanted_at = texts.native(json.loads(files.read(path) or "{}")), changed
        for name in sorted(self.programs):
            one = self.programs[name]
            if name not in self.wanted:
                self.end(name, one)
            else:
                one.ended()
        for name in sorted(self.wanted):
            if name not in self.programs:
                self.programs[name] = Child(self.started(name, self.wanted[name]))

    def end(self, name, one):
        if one.ended():
            del self.programs[name]
        elif one.ending is None:
            one.ending = clock() + END_SECONDS
            one.signal(signal.SIGINT)
        elif clock() > one.ending:
            one.signal(signal.SIGKILL)

    def started(self, name, wanted):
        folder, uid = self.options["folder"], self.uid

        def become():
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_NOFILE, self.most_files())
            rights.become(uid)
            os.umask(0o077)
            # After the change of the user, which takes it away.
            ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)

        with rights.acting(uid):
            log = os.open(os.path.join(folder, name + ".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with open(os.devnull) as nothing:
                streams = {"stdin": nothing, "stdout": log, "stderr": log, "close_fds": True}
                where = {"cwd": folder, "env": wanted["environment"], "preexec_fn": become}
                return subprocess.Popen(wanted["words"], **dict(streams, **where))
        finally:
            os.close(log)

    @staticmethod
    def most_files():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return (min(4096, hard) if hard > 0 else 4096, hard)

    def tell(self):
        if clock() < self.told_at + TELL_SECONDS:
            return
        self.told_at = clock()
        found = dict((name, self.told(name, one)) for name, one in self.programs.items())
        text = json.dumps(texts.told({"at": clock(), "programs": found}))
        locks.written(self.path("seen.json"), text.encode("utf-8"))

    def told(self, name, one):
        """Its pid, the seconds of CPU of all its processes so far, its exit status and then its last words."""
        if one.ended():
            path = os.path.join(self.options["folder"], name + ".log")
            return {"pid": 0, "cpu": 0.0, "status": one.status, "tail": files.tail(path, TAIL_BYTES, self.uid)}
        return {"pid": one.process.pid, "cpu": cpu(one.process.pid), "status": None, "tail": ""}

    # The end.

    def clear(self, late):
        """Takes everything away. Other keepers may end somewhat later, where all ended by their deadline (`late`)."""
        self.end_all()
        self.resume()
        if self.options.get("stores") and not self.cleared(late):
            # The next bench finds this place, and tries again.
            return
        self.remove_folder()
        shutil.rmtree(self.options["place"], True)

    def end_all(self):
        for one in self.programs.values():
            one.signal(signal.SIGINT)
        deadline = clock() + END_SECONDS
        while clock() < deadline and not all([one.ended() for one in self.programs.values()]):
            time.sleep(0.1)
        for one in self.programs.values():
            one.signal(signal.SIGKILL)
            one.process.wait()

    def resume(self):
        """Starts the production programs that were stopped for this bench; supervisord itself may be on its way."""
        left = list(self.options.get("resume", []))
        deadline = clock() + 60
        while left and clock() < deadline:
            try:
                with rights.acting(self.uid):
                    server = rpc.supervisor(self.options["socket"])
                    while left:
                        begin(server, left[0])
                        del left[0]
            except (socket.error, IOError, xmlrpclib.Error, ValueError):
                time.sleep(1)

    def cleared(self, late):
        deadline = clock() + STORE_SECONDS
        wait_until = clock() + (self.options["spread"] if late else 0)
        while clock() < deadline:
            try:
                done = scratch.clear_stores(self.options["stores"])
                if done and clock() >= wait_until:
                    return True
            except Exception as error:
                # Whatever it is: stores that are away come back, and the next bench tells what is left.
                locks.written(self.path("why"), ("%s\n" % error).encode("utf-8", "replace"))
            time.sleep(1)
        return False

    def remove_folder(self):
        pid = os.fork()
        if not pid:
            # Only as the user whose it is: there may be a link in place of any of it.
            try:
                rights.become(self.uid)
                shutil.rmtree(self.options["folder"], True)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)


def begin(server, name):
    try:
        server.startProcessGroup(name, False)
    except xmlrpclib.Fault as fault:
        # 10: no such program any more; 60: it runs.
        if fault.faultCode not in (10, 60):
            raise


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def put(path, content):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)


def cpu(session):
    """Seconds of CPU that all living processes of a session have used, with those that they have waited for."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = processes.kernel("/proc/%s/stat" % name).rpartition(")")[2].split()
            if len(stat) > 14 and stat[3] == str(session):
                total += sum(map(int, stat[11:15]))
    return total / float(os.sysconf("SC_CLK_TCK"))
