"""The listeners on TCP ports."""

from __future__ import absolute_import, print_function

import os

from . import processes


def listeners(table, ports=None):
    """TCP ports that somebody listens on, or those of `ports` only.

    [{address, port, pid, name, waiting, line: the process and its ancestors}]

    `waiting` counts the connections that nobody has taken yet; pid is None where it can't be seen.
    """
    inodes = {}
    for name in ("tcp", "tcp6"):
        for line in processes.kernel("/proc/net/" + name).splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].rpartition(":")
            if words[3] == "0A" and (ports is None or int(port, 16) in ports):
                waiting = int(words[4].rpartition(":")[2], 16)
                inodes[words[9]] = {"address": number(address), "port": int(port, 16), "pid": None, "waiting": waiting}
    own(inodes, table)
    for one in inodes.values():
        words = table[one["pid"]].words if one["pid"] in table else []
        one["name"] = os.path.basename(words[0]) if words else "?"
        one["line"] = [one["pid"]] + list(processes.ancestors(one["pid"], table)) if words else []
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


def connections():
    """TCP sockets by inode: {local: (address, port), listens}; those that are connected, and listeners."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in processes.kernel("/proc/net/" + name).splitlines()[1:]:
            words = line.split()
            if words[3] in ("01", "0A"):
                address, _, port = words[1].rpartition(":")
                found[words[9]] = {"local": (number(address), int(port, 16)), "listens": words[3] == "0A"}
    return found


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
    words = [text[i : i + 8] for i in range(0, len(text), 8)]
    if len(words) == 1 or (words[:2] == ["00000000", "00000000"] and words[2] == "FFFF0000"):
        return ".".join(str(int(words[-1][i : i + 2], 16)) for i in (6, 4, 2, 0))
    return (
        "::1"
        if words[3:] == ["01000000"] and set(words[:3]) == set(["00000000"])
        else "::"
        if set(words) == set(["00000000"])
        else text
    )
