"""Supervisords and configurations that this project did not make."""

from __future__ import absolute_import, print_function

import os
import re

from . import conf, daemons, files, ground, processes

OURS = "Made by fab from hosts.toml"
"""The words in the first line of this project's supervisord.conf."""
SECTION = re.compile("(?:program|fcgi-program|eventlistener):(.+)")


def is_ours(path):
    return OURS in files.read(path).partition("\n")[0]


def strangers(table, options, server, running):
    """Supervisords that this project did not start and that hold its configuration's path or its socket.

    [{pid, user, conf, holds: "conf" or "socket", running: [name]}]
    """
    ours = is_ours(options["conf"])
    held = dict((one["pid"], "conf") for one in running if not (ours or one["conf"]))
    answering = table.get(server.get("pid"))
    if answering and not ours_by(answering, options, ours):
        held.setdefault(answering.pid, "socket")
    return [
        {
            "pid": pid,
            "user": processes.user(pid),
            "conf": daemons.configuration(table[pid]),
            "holds": held[pid],
            "running": sorted(name(one) for one in table.values() if one.parent == pid and one.alive),
        }
        for pid in sorted(held)
    ]


def ours_by(process, options, ours):
    return "PYSPIDER_SUPERVISORD" in process.environment or (ours and daemons.configuration(process) == options["conf"])


def name(process):
    return process.environment.get("SUPERVISOR_PROCESS_NAME") or os.path.basename((process.words or ["?"])[0])


def foreign_sections(path, daemon=None):
    """The programs that somebody else's configuration names, its includes too; None where it is ours or absent.

    An include whose files nobody can know may hold any: its pattern stands for them.
    """
    if not ground.stands(path) or is_ours(path):
        return None
    found = conf.sections(path, 0, daemon)[0]
    unknown = [one for one in found.get("include", {}).get("files", "").split() if "%(" in one]
    named = [match.group(1) for match in map(SECTION.match, found) if match]
    return sorted(named + ["the programs of " + one for one in unknown])


def hidden(conf, searched=daemons.SEARCHED):
    """Somebody else's configuration that supervisorctl without -c, also in a unit's ExecStop, would find no more."""
    if conf not in searched or ground.stands(conf):
        return None
    return next(
        (path for path in searched[searched.index(conf) + 1 :] if ground.stands(path) and not is_ours(path)), None
    )
