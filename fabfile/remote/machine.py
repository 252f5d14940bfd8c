"""Runs on a host, loaded by supervise.py and doctor.py: what the machine has. Disks, memory, ports, supervisords.

Python 2.7 or 3.
"""

from __future__ import print_function

import errno
import json
import os
import pwd
import re
import socket
import stat

import ground

REACH_SECONDS = 4


def owner(number):
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def at(path, by=0):
    """What stands at a path, as data; None where there is nothing. `by` is the user who named it."""
    seen = ground.seen(path, by)
    if seen is None:
        return None
    return {
        "path": path, "owner": owner(seen.st_uid), "mode": stat.S_IMODE(seen.st_mode), "size": seen.st_size,
        "mtime": seen.st_mtime, "kind": "socket" if stat.S_ISSOCK(seen.st_mode) else "dir" if stat.S_ISDIR(seen.st_mode) else "file",
    }


def uid_of(pid):
    try:
        return os.stat("/proc/%d" % pid).st_uid
    except OSError:
        return -1


def after(words, *names):
    for word, following in zip(words, words[1:]):
        if word in names:
            return following
    for word in words:
        for name in names:
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1:]
    return None


def daemons(supervise, table, paths):
    """Every supervisord that holds a pyspider program, or runs with a configuration that names one."""
    found = []
    for pid, process in sorted(table.items()):
        # One that it has forked and that is not yet what it will be looks the same.
        if not supervise.is_supervisord(process) or process.parent in table and supervise.is_supervisord(table[process.parent]):
            continue
        path = after(process.words, "-c", "--configuration")
        holds = sum(1 for one in table.values() if one.parent == pid and one.role())
        if holds or path in paths:
            found.append({"pid": pid, "ticks": process.ticks, "user": owner(uid_of(pid)), "conf": path, "programs": holds})
    return found


def listeners(supervise, table, ports=None):
    """TCP ports that somebody listens on, or those of `ports` only: [{address, port, pid, name, line: it and its ancestors}].

    `waiting` counts the connections that nobody has taken yet; pid is None where it can't be seen.
    """
    inodes = {}
    for name in ("tcp", "tcp6"):
        for line in supervise.read("/proc/net/" + name).splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].rpartition(":")
            if words[3] == "0A" and (ports is None or int(port, 16) in ports):
                waiting = int(words[4].rpartition(":")[2], 16)
                inodes[words[9]] = {"address": number(address), "port": int(port, 16), "pid": None, "waiting": waiting}
    own(inodes, table)
    for one in inodes.values():
        words = table[one["pid"]].words if one["pid"] in table else []
        one["name"] = os.path.basename(words[0]) if words else "?"
        one["line"] = [one["pid"]] + list(supervise.ancestors(one["pid"], table)) if words else []
    return sorted(inodes.values(), key=lambda one: (one["port"], one["address"]))


def own(inodes, table):
    """Fills in whose sockets they are; pyspider's processes are asked first, since then the others need not be."""
    missing = set(inodes)
    for pid in sorted(table, key=lambda pid: (table[pid].role() is None, pid)):
        if not missing:
            return
        for inode in sockets(pid) & missing:
            inodes[inode]["pid"] = pid
            missing.discard(inode)


def sockets(pid):
    folder, found = "/proc/%d/fd" % pid, set()
    try:
        for name in os.listdir(folder):
            target = os.readlink(os.path.join(folder, name))
            if target[:8] == "socket:[":
                found.add(target[8:-1])
    except OSError:
        pass  # it has ended meanwhile
    return found


def number(text):
    """An address of /proc/net/tcp as people write it."""
    words = [text[i:i + 8] for i in range(0, len(text), 8)]
    if len(words) == 1 or words[:2] == ["00000000", "00000000"] and words[2] == "FFFF0000":
        return ".".join(str(int(words[-1][i:i + 2], 16)) for i in (6, 4, 2, 0))
    return "::1" if words[3:] == ["01000000"] and set(words[:3]) == set(["00000000"]) else "::" if set(words) == set(["00000000"]) else text


def disks(paths):
    found = {}
    for path in paths:
        path, seen, device = ground.room(path)
        found.setdefault(device, {
            "path": path, "bytes": seen.f_blocks * seen.f_frsize, "free": seen.f_bavail * seen.f_frsize, "inodes": seen.f_files, "inodes_free": seen.f_favail,
        })
    return sorted(found.values(), key=lambda one: one["path"])


def memory(supervise):
    """Bytes of memory: all of it, and what programs can still get; None where the kernel (before 3.14) does not say."""
    text = supervise.read("/proc/meminfo")
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", text, re.MULTILINE))
    return {"bytes": int(found["MemTotal"]) << 10, "free": int(found["MemAvailable"]) << 10} if len(found) == 2 else None


def reach(host, port):
    """How a TCP connection to it ends: open, refused (nobody listens, or a filter says so), silent, or unknown (no such name)."""
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
        return "open"
    except socket.timeout:
        return "silent"
    except socket.gaierror:
        return "unknown"
    except (socket.error, OSError) as error:
        return "refused" if error.errno == errno.ECONNREFUSED else "silent"


def store(host, port, supervise):
    """Whether a store can be reached: a connection that stands already is proof enough.

    A new one without a login would count against this host: MySQL blocks whoever breaks off a hundred in a row.
    """
    try:
        wanted = "%s:%d" % (socket.gethostbyname(host), port)
    except socket.error:
        return "unknown"
    for line in supervise.read("/proc/net/tcp").splitlines()[1:]:
        words = line.split()
        address, _, far = words[2].rpartition(":")
        if words[3] == "01" and "%s:%d" % (number(address), int(far, 16)) == wanted:
            return "open"
    return reach(host, port)


def unwritable(wanted, name):
    """What of all that its programs write the cluster's user can't write, asked as that user; changes nothing.

    `wanted` is {"files": [...], "folders": [...], "data": a folder with files, made where there is none}. [{path, owner, why, mendable}]; a file is mendable where the user may
    put another one in its place.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return []
    back, forth = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(back)
            os.initgroups(name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.write(forth, json.dumps(refused(wanted, user.pw_uid)).encode("ascii"))
        finally:
            os._exit(0)
    os.close(forth)
    with os.fdopen(back, "rb") as stream:
        answer = stream.read().decode("ascii")
    os.waitpid(child, 0)
    # Without an answer nothing is known, and so nothing refused: whoever starts the programs will tell.
    return json.loads(answer) if answer else []


def refused(wanted, uid):
    found, data = [], wanted["data"]
    files = [os.path.join(data, name) for name in sorted(os.listdir(data))] if os.access(data, os.R_OK) and os.path.isdir(data) else []
    while not os.path.lexists(data):
        data = os.path.dirname(data)
    for path in wanted["folders"] + [data]:
        if not os.path.isdir(path):
            why = "something that is no directory stands there" if os.path.lexists(path) else "there is no such directory"
            found.append({"path": path, "owner": None, "why": why, "mendable": False})
        elif not os.access(path, os.W_OK | os.X_OK):
            found.append({"path": path, "owner": owner(os.stat(path).st_uid), "why": "it may not write there", "mendable": False})
    for path in wanted["files"] + [path for path in files if not os.path.isdir(path)]:
        try:
            # No byte is written, and a pipe that nobody reads does not hold us.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
        except (IOError, OSError) as error:
            if error.errno != errno.ENOENT:
                kind = ground.kind(path)
                why = os.strerror(error.errno).lower() if kind in (None, "a file") else "%s stands there, see who put it there, and move it away" % kind
                found.append(dict(replaceable(path, uid), path=path, why=why))
    return found


def replaceable(path, uid):
    """Whose file it is, and whether this user may put another one there: in a directory of its own it may."""
    try:
        seen, folder = os.lstat(path), os.lstat(os.path.dirname(path))
    except OSError:
        return {"owner": None, "mendable": False}
    return {"owner": owner(seen.st_uid), "mendable": stat.S_ISREG(seen.st_mode) and stat.S_ISDIR(folder.st_mode) and folder.st_uid == uid}


def preflight(options, supervise, table):
    """What `fab deploy` wants to know before it changes anything; costs some milliseconds."""
    return {
        "disks": disks(options["folders"]), "memory": memory(supervise), "daemons": daemons(supervise, table, [options["conf"]]),
        "listeners": listeners(supervise, table, options["ports"]),
        "stores": dict((name, store(host, port, supervise)) for name, (host, port) in sorted(options["stores"].items())),
        "unwritable": unwritable(options["writes"], options["user"]),
    }
