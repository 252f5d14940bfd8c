"""A program that a keeper runs as the cluster's user, with all that it begins. Runs under pyspider's own Python."""

from __future__ import absolute_import, print_function

import ctypes
import errno
import os
import resource
import signal
import stat
import subprocess

from . import processes, rights

DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""


class Child(object):
    """A program that runs, or has ended by itself or by us."""

    def __init__(self, process):
        self.process, self.ending, self.status = process, None, None

    def ended(self):
        # It is waited for when its group is gone: until then its number is nobody else's.
        if self.status is None and processes.state(self.process.pid) in ("", "Z"):
            self.signal(signal.SIGKILL)
            self.status = self.process.wait()
        return self.status is not None

    def signal(self, number):
        if self.status is not None:
            return
        try:
            os.killpg(self.process.pid, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    def cpu(self):
        """Seconds of CPU that all living processes of a session have used, with those that they have waited for."""
        total = 0
        for name in os.listdir("/proc"):
            if name.isdigit():
                fields = processes.kernel("/proc/%s/stat" % name).rpartition(")")[2].split()
                if len(fields) > 14 and fields[3] == str(self.process.pid):
                    total += sum(map(int, fields[11:15]))
        return total / float(os.sysconf("SC_CLK_TCK"))


def begun(name, wanted, folder, uid):
    """A program of that user's that begins in a folder of the user's. Raises OSError."""

    def become():
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_NOFILE, most_files())
        rights.become(uid)
        os.umask(0o077)
        # With the user's own rights: root could get into any folder that a link leads to.
        os.chdir(folder)
        # After the change of the user, which takes it away.
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)

    with rights.acting(uid):
        # Without a wait: a pipe may be in its place.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
        log = os.open(os.path.join(folder, name + ".log"), flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(log).st_mode):
            raise OSError(errno.EINVAL, "the log of %s is no file" % name)
        with open(os.devnull) as nothing:
            streams = {"stdin": nothing, "stdout": log, "stderr": log, "close_fds": True}
            where = {"cwd": "/", "env": wanted["environment"], "preexec_fn": become}
            return Child(subprocess.Popen(wanted["words"], **dict(streams, **where)))
    finally:
        os.close(log)


def most_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return (min(4096, hard) if hard > 0 else 4096, hard)
