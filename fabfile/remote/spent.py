"""What programs and their host use: CPU, memory and disks, as the kernel counts them."""

from __future__ import absolute_import, print_function

import os
import time

from . import machine, processes, work


def added(programs, table):
    """The same programs, each with what its processes use together; None without a process."""
    for one in programs:
        members = work.family(one["pid"], table) if one["pid"] in table else []
        one["spent"] = together(members) if members else None
    return programs


def together(members):
    """`cpu` is seconds since the start of these processes, `memory` bytes, of which shared ones count in each."""
    ticks = pages = 0
    for pid in members:
        stat = processes.kernel("/proc/%d/stat" % pid).rpartition(")")[2].split()
        size = processes.kernel("/proc/%d/statm" % pid).split()
        ticks += int(stat[11]) + int(stat[12]) if len(stat) > 12 else 0
        pages += int(size[1]) if len(size) > 1 else 0
    return {"cpu": float(ticks) / os.sysconf("SC_CLK_TCK"), "memory": pages * os.sysconf("SC_PAGE_SIZE")}


def host(folders):
    """`busy` and `all` are seconds of all cores since the boot, `at` is this host's clock."""
    words = (processes.kernel("/proc/stat").splitlines() or [""])[0].split()[1:9]
    ticks = [int(word) for word in words]
    hertz = float(os.sysconf("SC_CLK_TCK"))
    load = (processes.kernel("/proc/loadavg").split() or ["0"])[0]
    return {
        "at": time.time(),
        "cores": os.sysconf("SC_NPROCESSORS_ONLN"),
        "load": float(load),
        # The fourth and fifth are idle, and idle while a disk works.
        "busy": (sum(ticks) - sum(ticks[3:5])) / hertz,
        "all": sum(ticks) / hertz,
        "memory": machine.memory(),
        "disks": machine.disks(folders),
    }
