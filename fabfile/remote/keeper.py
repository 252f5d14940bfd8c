"""Keeps the programs of a bench on one host, under a lease: without renewals all of it goes away again.

It is root's, and does nothing for the network. Its place is a directory of root's alone: `settings.json` and the zip
that it runs from; `wanted.json` names the programs that are to run; `renewed` holds the seconds that are granted
from now on; `end` ends it; `seen.json` tells what it sees. The programs run as the cluster's user, in a folder of
that user's, and end with the keeper, however that ends. Runs under pyspider's own Python.
"""

from __future__ import absolute_import, print_function

import errno
import json
import os
import shutil
import signal
import sys
import time

from . import child, files, locks, purpose, rights, rpc, scratch, texts, watch
from .bounded import clock
from .pythons import xmlrpclib

PAUSE = 0.2
"""Seconds between two looks at what is wanted."""
TELL_SECONDS = 1.0
END_SECONDS = 12.0
"""The time that programs have to end in order; their stores are scratch."""
STORE_SECONDS = 40.0
"""The time for which stores are tried to be cleared; what is left then waits for the next bench."""
RESUME_SECONDS = 60.0
KILLED_SECONDS = 5.0
NO_SUCH_PROGRAM, RUNS_ALREADY = 10, 60
"""supervisord's."""
ARCHIVE = "bench.zip"
"""A file in the folder of every bench."""
TAIL_BYTES = 3000


def keep(options):
    """Becomes the keeper of its place, unless there is one."""
    lock = locks.locked(os.path.join(options["place"], "lock"), wait=False)
    if lock is None:
        print("a keeper is there already")
        return 1
    # Without a number nobody's rights would be taken, and all be done as root.
    if not rights.user_of(options["user"]):
        print("there is no user %s here, or nobody knows it now" % options["user"])
        return 1
    keeper = Keeper(options)
    try:
        keeper.furnish()
    except Exception as error:
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


class Keeper(object):
    """One host's programs."""

    def __init__(self, options):
        self.options = options
        self.uid = rights.user_of(options["user"])
        self.programs = {}
        self.wanted, self.wanted_at = {}, None
        self.deadline = clock() + options["seconds"]
        self.over = False
        self.again = os.path.exists(self.path("end"))
        """Whether this is only to remove what an earlier keeper has left."""
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
        if self.again:
            return
        with open(sys.path[0], "rb") as stream:
            archive = stream.read()
        folder = self.options["folder"]
        if not self.owns_folder():
            raise OSError(errno.EEXIST, "%s is there, and no bench has made it" % folder)
        with rights.acting(self.uid):
            shutil.rmtree(folder, True)
            os.mkdir(folder, 0o700)
            put(os.path.join(folder, ARCHIVE), archive)
            for name, text in sorted(self.options["files"].items()):
                put(os.path.join(folder, name), raw(text))

    def owns_folder(self):
        """Whether the folder is a bench's, or is not there."""
        folder = self.options["folder"]
        with rights.acting(self.uid):
            return os.path.lexists(os.path.join(folder, ARCHIVE)) or not os.path.lexists(folder)

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
                self.programs[name] = child.begun(name, self.wanted[name], self.options["folder"], self.uid)

    def end(self, name, one):
        if one.ended():
            del self.programs[name]
        elif one.ending is None:
            one.ending = clock() + END_SECONDS
            one.signal(signal.SIGINT)
        elif clock() > one.ending:
            one.signal(signal.SIGKILL)

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
        return {"pid": one.process.pid, "cpu": one.cpu(), "status": None, "tail": ""}

    # The end.

    def clear(self, late):
        """Takes everything away. Other keepers may end somewhat later, where all ended by their deadline (`late`)."""
        try:
            self.end_all()
        finally:
            left = self.resume()
        cleared = not self.options.get("stores") or self.cleared(late)
        # The next bench finds this place, and tries again: once, for programs that can't be started.
        if cleared and (not left or self.again):
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
        # One that hangs in the kernel ends when that lets it go.
        deadline = clock() + KILLED_SECONDS
        while clock() < deadline and not all([one.ended() for one in self.programs.values()]):
            time.sleep(0.1)

    def resume(self):
        """Starts the production programs that were stopped for this bench; the names of those that can't be.

        supervisord itself may be on its way. What was stopped on purpose since then stays so.
        """
        if os.path.exists(self.path("resumed")):
            return []
        rests = purpose.stopped({"stopped": self.options.get("stopped")})
        left = [name for name in self.options.get("resume", []) if name not in rests]
        deadline = clock() + RESUME_SECONDS
        while True:
            left = [name for name in left if not self.begun(name)]
            if not left or clock() > deadline:
                break
            time.sleep(1)
        if left:
            self.say_why("%s can't be started again: see `fab status`" % ", ".join(left))
        else:
            locks.written(self.path("resumed"), b"")
        return left

    def begun(self, name):
        """Whether supervisord has started it, or does not have it any more."""
        try:
            with rights.acting(self.uid):
                rpc.supervisor(self.options["socket"]).startProcessGroup(name, False)
        except xmlrpclib.Fault as fault:
            return fault.faultCode in (NO_SUCH_PROGRAM, RUNS_ALREADY)
        except Exception:
            # Whatever a supervisord answers that is just ending, or another program in its place.
            return False
        return True

    def cleared(self, late):
        if late:
            # Programs of other hosts write until their keepers have ended them.
            time.sleep(self.options["spread"])
        deadline = clock() + STORE_SECONDS
        while clock() < deadline:
            try:
                if scratch.clear_stores(self.options["stores"]):
                    return True
            except Exception as error:
                # Whatever it is: stores that are away come back, and the next bench tells what is left.
                self.say_why(str(error))
            time.sleep(1)
        return False

    def say_why(self, text):
        locks.written(self.path("why"), raw("%s\n" % text))

    def remove_folder(self):
        if not self.owns_folder():
            return
        pid = os.fork()
        if not pid:
            # Only as the user whose it is: there may be a link in place of any of it.
            try:
                rights.become(self.uid)
                shutil.rmtree(self.options["folder"], True)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def put(path, content):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
