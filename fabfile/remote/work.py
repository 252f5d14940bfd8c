"""The work of a supervisord's programs: RUNNING alone does not tell whether a program does anything."""

from __future__ import absolute_import, print_function

import os
import time

from . import answers, conf, messages, processes
from .ports import connections, sockets

DEAD = "ZX"
HALTED = "TtD" + DEAD
"""The letters in /proc of a process that does nothing: stopped, traced, waiting for a disk, dead."""
LOOK_AGAIN = 1.0
CALLED = ("scheduler", "fetcher")
"""The components with an RPC server."""


def added(programs, table, options):
    """The same programs, each with its `work`; None without a process.

    state    the letter of a process that stood still for a second, else empty; `halted` is its pid
    ends     its own ends of connections to other machines' ports, and to this one's
    listens  the ports that it listens on
    rpc      the answer of its RPC server, {ok, why}; None where it has none that listens
    log      see messages.py; None where the log is none of pyspider's
    exits    the seconds since each end of the program in the last while
    """
    daemon = conf.daemon_of(options["conf"], table, options)
    found = conf.conf_facts(options["conf"], daemon=daemon) if conf.regular(options["conf"], 0) else None
    logs = dict((one["name"], one) for one in (found or {}).get("programs", ()))
    exits = messages.exits((found or {}).get("logfile") or os.path.join(options["logs"], "supervisord.log"))
    families = dict((one["pid"], family(one["pid"], table)) for one in programs if one["pid"] in table)
    halted = still(families, table)
    tcp = connections()
    for one in programs:
        members = families.get(one["pid"])
        one["work"] = members and dict(
            doing(members, table, tcp, one["pid"] in halted),
            state=halted.get(one["pid"], (None, ""))[1],
            halted=halted.get(one["pid"], (None, ""))[0],
            log=messages.read(*written(one["name"], logs, options)),
            exits=exits.get(one["name"], []),
        )
    return programs


def family(pid, table):
    """A program's process, and its descendants: a shell may have started the component."""
    return [pid] + sorted(one for one in table if one != pid and pid in list(processes.ancestors(one, table)))


def doing(members, table, tcp, halted):
    """The role and the network of a program."""
    role = next((kind for kind in (table[one].role() for one in members) if kind), None)
    mine = [tcp[inode] for pid in members for inode in sockets(pid) if inode in tcp]
    listens = [one for one in mine if one["listens"]]
    ends = sorted("%s:%d" % one["local"] for one in mine if not one["listens"])
    place = listens[0]["local"] if listens and role in CALLED and not halted else None
    ports = sorted(set(one["local"][1] for one in listens))
    return {"role": role, "ends": ends, "listens": ports, "rpc": place and called(place)}


def called(place):
    address = "127.0.0.1" if place[0] in ("0.0.0.0", "::") else place[0]
    error = answers.rpc("http://%s:%d/" % (address, place[1]))["error"]
    return {"ok": error is None, "why": error or ""}


def written(name, logs, options):
    """The path of a program's log with its errors, and the user who named it."""
    known = logs.get(name)
    if not known:
        return os.path.join(options["logs"], name + ".log"), 0
    return (known["log"] if known["merged"] or not known["err"] else known["err"]), known["by"]


def still(families, table):
    """(pid, letter) of the programs that stand still now and a second later; without one, nothing is waited for."""
    first = dict((pid, halted(members, table)) for pid, members in families.items())
    suspects = dict((pid, seen) for pid, seen in first.items() if seen)
    deadline = time.time() + LOOK_AGAIN
    while suspects and time.time() < deadline:
        time.sleep(0.1)
        suspects = dict((pid, seen) for pid, seen in suspects.items() if halted(families[pid], table) == seen)
    return dict((pid, seen[:2]) for pid, seen in suspects.items())


def halted(members, table):
    """(pid, letter, its switches so far) of the first process that stands still."""
    for pid in members:
        letter = processes.state(pid)
        if letter and letter in HALTED and not (letter in DEAD and helped(pid, members, table)):
            return pid, letter, switches(pid)
    return None


def helped(pid, members, table):
    """Whether a process only helps a component that lives: a script's child, or a page of Chromium's.

    Such a one may be dead for long before it is waited for. A component that a shell or `pyspider all` began may not.
    """
    above = [one for one in processes.ancestors(pid, table) if one != pid and one in members]
    return any(table[one].role() in processes.SINGLE and processes.state(one) not in DEAD for one in above)


def switches(pid):
    text = processes.kernel("/proc/%d/status" % pid)
    return [line for line in text.splitlines() if "ctxt_switches" in line]
