"""The machine: disks, memory, supervisords, a way to the stores."""

from __future__ import absolute_import, print_function

import os
import re
import socket
import stat

from . import daemons as supervisords
from . import files, ports, processes, rights, whose, writable
from .reach import reach


def at(path, by=0):
    """The file at a path, as data; None where there is nothing. `by` is the user that named it."""
    seen = files.seen(path, by)
    if seen is None:
        return None
    return {
        "path": path,
        "owner": rights.name_of(seen.st_uid),
        "mode": stat.S_IMODE(seen.st_mode),
        "size": seen.st_size,
        "mtime": seen.st_mtime,
        "kind": "socket" if stat.S_ISSOCK(seen.st_mode) else "dir" if stat.S_ISDIR(seen.st_mode) else "file",
    }


def daemons(table, paths, options):
    """The supervisords of the cluster's users that hold a pyspider program, or run with a configuration that does."""
    found = []
    for pid, process in sorted(table.items()):
        # A child that has not become its program yet looks the same.
        forked = process.parent in table and processes.is_supervisord(table[process.parent])
        if not processes.is_supervisord(process) or forked or not whose.theirs(process, options):
            continue
        path = supervisords.configuration(process)
        holds = sum(1 for one in table.values() if one.parent == pid and one.role())
        if holds or path in paths:
            found.append(
                {
                    "pid": pid,
                    "ticks": process.ticks,
                    "user": rights.name_of(process.uid),
                    "conf": path,
                    "state": processes.state(pid),
                    "program": supervisords.script(process),
                    "programs": holds,
                }
            )
    return found


def disks(paths):
    found = {}
    for wanted in paths:
        path, seen, device = files.room(wanted)
        found.setdefault(
            device,
            {
                "path": top(path, device),
                # What root alone may fill counts for none, as for df: else a disk is never seen empty.
                "bytes": (seen.f_blocks - seen.f_bfree + seen.f_bavail) * seen.f_frsize,
                "free": seen.f_bavail * seen.f_frsize,
                "inodes": seen.f_files,
                "inodes_free": seen.f_favail,
            },
        )
    return sorted(found.values(), key=lambda one: one["path"])


def top(path, device):
    """The directory on which a path's file system is mounted: all that may fill it is below that one."""
    while path != "/" and os.lstat(os.path.dirname(path)).st_dev == device:
        path = os.path.dirname(path)
    return path


def memory():
    """Bytes of memory: all of it, and the rest for programs; None where the kernel (before 3.14) does not say."""
    text = processes.kernel("/proc/meminfo")
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", text, re.MULTILINE))
    return (
        {"bytes": int(found["MemTotal"]) << 10, "free": int(found["MemAvailable"]) << 10} if len(found) == 2 else None
    )


def store(host, port):
    """Whether a store can be reached: a connection that stands already is proof enough.

    A new one without a login would count against this host: MySQL blocks a host that breaks off a hundred in a row.
    """
    try:
        wanted = "%s:%d" % (socket.gethostbyname(host), port)
    except socket.error:
        return "unknown"
    for line in processes.kernel("/proc/net/tcp").splitlines()[1:]:
        words = line.split()
        address, _, far = words[2].rpartition(":")
        if words[3] == "01" and "%s:%d" % (ports.number(address), int(far, 16)) == wanted:
            return "open"
    return reach(host, port)


def preflight(options, table):
    """The facts that `fab deploy` judges before it changes anything; costs some milliseconds."""
    return {
        "disks": disks(options["folders"]),
        "memory": memory(),
        "daemons": daemons(table, [options["conf"]], options),
        "listeners": ports.listeners(table, options["ports"]),
        "stores": dict((name, store(host, port)) for name, (host, port) in sorted(options["stores"].items())),
        "unwritable": writable.unwritable(options["writes"], options["user"]),
    }
