"""The names of consumers: host/program/process. A process is known by its start as well, since pids come again."""

from __future__ import absolute_import

import os
import socket


def here():
    """The name of this process, as it stands in the names of its keys."""
    host = os.environ.get("PYSPIDER_HOST") or socket.gethostname()
    program = os.environ.get("SUPERVISOR_PROCESS_NAME") or "pid%d" % os.getpid()
    return "%s/%s/%s" % (host, program, process(os.getpid()))


def process(pid):
    """pid.start.boot of a process of this host; "" where there is none."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            fields = stream.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id") as stream:
            boot = stream.read().strip()[:8]
    except (IOError, OSError):
        return ""
    return "" if fields[0] in "ZX" else "%d.%s.%s" % (pid, fields[19], boot)


def gone(consumer, mine):
    """Whether that consumer is one of this very host, and its process has ended."""
    host, _, rest = consumer.partition("/")
    known = rest.rpartition("/")[2]
    pid = known.partition(".")[0]
    return host == mine.partition("/")[0] and pid.isdigit() and process(int(pid)) != known
