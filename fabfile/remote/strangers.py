"""Supervisords and configurations that this project did not make."""

from __future__ import absolute_import, print_function

import os
import re

from . import daemons, files, ground, processes

OURS = "Made by fab from hosts.toml"
"""The words in the first line of this project's supervisord.conf."""
SECTION = re.compile(r"^\[(?:program|fcgi-program|eventlistener):([^\]]+)\]", re.MULTILINE)
INCLUDED = re.compile(r"^\[include\][^\[]*?^files\s*[=:]\s*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)


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


def foreign_sections(path):
    """The programs that somebody else's configuration names, its includes too; None where it is ours or absent."""
    if not ground.stands(path) or is_ours(path):
        return None
    text = files.read(path)
    here = os.path.dirname(path)
    patterns = [word for match in INCLUDED.findall(text) for word in match.replace("%(here)s", here).split()]
    included = sorted(one for pattern in patterns for one in files.glob(os.path.join(here, pattern)))
    return sorted(
        set(found for one in [text] + [files.read(path) for path in included] for found in SECTION.findall(one))
    )


def hidden(conf, searched=daemons.SEARCHED):
    """Somebody else's configuration that supervisorctl without -c, also in a unit's ExecStop, would find no more."""
    if conf not in searched or ground.stands(conf):
        return None
    return next(
        (path for path in searched[searched.index(conf) + 1 :] if ground.stands(path) and not is_ours(path)), None
    )
