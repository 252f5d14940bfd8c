"""Disks, files and limits: figures against thresholds."""

from __future__ import annotations

from collections.abc import Iterator

from ...inventory.schema import Cluster
from ...steps.shell import cmd
from ..findings import ENDS, Check, Hit, View

FREE = 0.05
ENOUGH = 5 << 30
"""Bytes: a large disk may be 96 % full and still take weeks to fill."""
ENOUGH_INODES = 20000
ENOUGH_MEMORY = 512 << 20
"""Bytes."""
LOG_BYTES = 1 << 30
FILES = 1024
"""Open files. A fetcher with its 100 connections, each with a DNS lookup, needs a few hundred."""
CLOCK_SECONDS = 30
OWNED = r"\( -type d -o -links 1 -type f -o -links 1 -type s \)"
"""find's words for things that may be given away."""


def disks(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for one in host.facts.disks:
            if one.bytes and one.free < min(ENOUGH, one.bytes * FREE):
                yield Hit(
                    host.name, f"{one.path}: {one.free >> 20} of {one.bytes >> 20} MB are free", items=(one.path,)
                )


def inodes(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for one in host.facts.disks:
            if one.inodes and one.inodes_free < min(ENOUGH_INODES, one.inodes * FREE):
                seen = f"{one.path}: {one.inodes_free} of {one.inodes} inodes are free"
                yield Hit(host.name, seen, items=(one.path,))


def memory(view: View) -> Iterator[Hit]:
    for host in view.seen:
        seen = host.facts.memory
        if seen and seen.free < min(ENOUGH_MEMORY, seen.bytes * FREE):
            yield Hit(host.name, f"{seen.free >> 20} of {seen.bytes >> 20} MB of memory can still be had")


def logs(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for name, log in host.facts.logs.items():
            for file in log.files:
                if file.size and file.size > LOG_BYTES:
                    yield Hit(host.name, f"{file.path} is {file.size / (1 << 30):.1f} GB", items=(name,))


def files(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for one in host.components:
            if one.nofile is not None and one.nofile < FILES:
                yield Hit(host.name, f"{one.name or one.role} (pid {one.pid}) may open {one.nofile} files")


def clocks(view: View) -> Iterator[Hit]:
    """Every clock against the one in the middle: with two hosts nobody knows which is wrong."""
    times = {host.name: host.facts.clock_off for host in view.seen if host.facts.clock_off is not None}
    if len(times) > 2:
        middle = sorted(times.values())[len(times) // 2]
        for name, off in times.items():
            if abs(off - middle) > CLOCK_SECONDS:
                yield Hit(
                    name,
                    f"its clock is {abs(off - middle):.0f} s {'ahead of' if off > middle else 'behind'} the others'",
                )


def strange_files(view: View) -> Iterator[Hit]:
    user = view.fleet.cluster.user
    for host in view.seen:
        foreign = host.facts.foreign
        starter = user if host.ours else host.facts.layout.user or user
        runs_as = {one.user for one in host.facts.daemons} or {starter}
        # Where root starts supervisord, files of root's are as they should be.
        if not foreign or not foreign.count or runs_as - {user}:
            continue
        paths = [one.path for one in foreign.paths if one.path != host.facts.socket_path]
        if paths:
            owners = ", ".join(sorted({one.owner for one in foreign.paths if one.path in paths}))
            # The paths are the first of those that were counted, and the socket is no fault.
            count = foreign.count - (len(foreign.paths) - len(paths))
            belong = f"and {count - 1} more belong" if count > 1 else "belongs"
            # A name that is not UTF-8 can't be given back to the host.
            odd = any("\ufffd" in path for path in paths)
            fix = f"on {host.name} as root: {_given(view.fleet.cluster)}"
            text = f"{paths[0]} {belong} to {owners}, not to {user}"
            yield Hit(host.name, text, "", fix if odd else "", fix, odd, items=tuple(paths))


def _given(cluster: Cluster) -> str:
    """The files for the cluster's user. That user may move them: so each is given in the folder where it is met."""
    found = cmd("find", cluster.home, cluster.logs, "-xdev", "!", "-user", cluster.user)
    # A file with a second name may be anybody's.
    return f"{found} {OWNED} -execdir {cmd('chown', '-h', cluster.user)} {{}} +"


CHECKS = (
    Check(
        id="disk-full",
        title="[Errno 28] No space left on device",
        cause="the disk is full, or nearly: logs and queues can't be written, programs end",
        fix="look what fills it, on {host} as root: du -x -h -d 2 {items} | sort -h | tail",
        find=disks,
        hides=ENDS,
    ),
    Check(
        id="inodes",
        title="[Errno 28] No space left on device, though df shows space",
        cause="the file system has room but can hold no more files",
        fix="find the directory with the most files, on {host} as root: du -x --inodes -d 3 {items} | sort -n | tail",
        find=inodes,
        hides=ENDS,
    ),
    Check(
        id="memory",
        title="programs vanish and come back; Out of memory: Killed process … in the kernel's log",
        cause="the host has hardly any memory left: Linux ends whichever process it finds largest",
        fix="look who holds it, on {host} as root: ps -eo rss,pid,args --sort=-rss | head",
        find=memory,
    ),
    Check(
        id="log-size",
        title="a log file of gigabytes",
        cause="the log is not rotated: stdout_logfile_maxbytes is 0, or a program loops (a result_worker without "
        "Redis)",
        fix="set stdout_logfile_maxbytes, then on {host} as root: {ctl} clear {items}",
        find=logs,
    ),
    Check(
        id="nofile",
        title="[Errno 24] Too many open files",
        cause="the limit of open files that the program was started with is too low",
        fix="fab -H {host} reload",
        find=files,
        foreign_fix="write minfds=4096 below [supervisord] in {conf}; then on {host} as root: {again}",
    ),
    Check(
        id="clock",
        title="tasks run too early or too late; certificates are not yet valid",
        cause="this host's clock differs from the other hosts' clocks",
        fix="set up NTP on the host: chrony or systemd-timesyncd",
        find=clocks,
        hides=frozenset({"ca-bundle"}),
    ),
    Check(
        id="root-owned",
        title="Permission denied on logs, data or releases",
        cause="somebody ran a command as root that made or changed files in the cluster's directories",
        fix="fab -H {host} doctor --fix",
        find=strange_files,
        fixes=("owner",),
        foreign_fix="on {host} as root: chown -h {user} the files",
        hides=ENDS | {"config-unreadable"},
    ),
)
