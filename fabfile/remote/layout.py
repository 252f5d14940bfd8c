"""How the supervisord of a host is started and asked there: its programs, and the user that it runs as."""

from __future__ import absolute_import, print_function

import os
import re

from . import conf, files, ground, processes, rights, whose

FOLDERS = ("/usr/local/bin", "/usr/bin", "/opt/pyspider/current/bin")
UNITS = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/", "/lib/systemd/system/")
STARTED = re.compile(r"(/\S*/supervisord)\b")
AS_USER = re.compile(r"\bsu\s+(?:-\S*\s+)*([a-z_][\w-]*)\s.*supervisord|^User\s*=\s*([a-z_][\w-]*)", re.MULTILINE)


def layout(own, where, live, boot):
    """How it is started and asked: paths are empty where none was found.

    {supervisord, supervisorctl, user: it runs as, or would be started as; unit: that it runs in, or is started by;
    rooted: whether supervisorctl and its configuration are root's alone; lost: folders that a reboot took away}
    """
    mine = [one for one in live if one["conf"] == where["conf"]] or live
    # Anybody has a crontab: nobody else's word becomes a command that root is told to type.
    trusted = whose.users(where)
    texts = [files.read(path) for path in boot if ground.author(path) in trusted]
    running = [one["program"] for one in mine]
    started = [path for text in texts for path in STARTED.findall(text)]
    commands = [os.path.dirname(one["words"][0]) for one in own.get("programs", []) if one["words"]]
    daemon = sound(running + started + near("supervisord", commands) + near("supervisord", FOLDERS), trusted)
    ctl = sound(near("supervisorctl", (os.path.dirname(daemon),) + FOLDERS), trusted)
    return {
        "supervisord": daemon,
        "supervisorctl": ctl,
        "rooted": not (own.get("by") or ground.author(where["conf"]) or ground.runner(ctl)),
        "unit": unit(mine, boot, where),
        "user": mine[0]["user"] if mine else starter(own, where, texts),
        "lost": sorted(lost(own)),
    }


def unit(mine, boot, where):
    """The systemd unit of the supervisord that lives; of one that does not, the unit that starts it."""
    units = [os.path.basename(path) for path in boot if path.endswith(".service")]
    held = "".join(processes.kernel("/proc/%d/cgroup" % one["pid"]) for one in mine)
    return next((name for name in units + started_in(held, where) if not mine or "/" + name in held), "")


def started_in(held, where):
    """The units of the system that processes are in, and that start supervisord: also those not enabled at boot."""
    names = re.findall(r":/system\.slice/([^/\n]+\.service)$", held, re.MULTILINE)
    return [one for one in names if any(conf.starts(files.read(folder + one), where["conf"]) for folder in UNITS)]


def near(name, folders):
    return [os.path.join(folder, name) for folder in folders if folder.startswith("/")]


def sound(paths, trusted):
    """The first of the programs that is there and that only a trusted user can have put there; empty without one."""
    return next((path for path in paths if os.access(path, os.X_OK) and ground.runner(path) in trusted), "")


def starter(own, where, texts):
    """The user as whom a supervisord that does not run was started: by its configuration, its log, its boot file."""
    if own.get("user"):
        return "root"  # only root can become another user; its own is no harm
    log = ground.stands(own["logfile"]) if own.get("logfile") else None
    if log:
        return rights.name_of(log.st_uid)
    found = [match.group(1) or match.group(2) for text in texts for match in AS_USER.finditer(text)]
    return next(iter(found), where["user"])


def lost(own):
    """The folders of its files that are gone: a reboot takes those below /run away; without any it does not start."""
    paths = [own.get("socket"), own.get("pidfile"), own.get("logfile")]
    paths += [one[kind] for one in own.get("programs", []) for kind in ("log", "err")]
    folders = set(os.path.dirname(path) for path in paths if path and path.startswith("/"))
    return [folder for folder in folders if ground.stands(folder) is None]
