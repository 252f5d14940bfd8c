"""supervisord.conf, and the logs of its programs.

The standard library's ConfigParser refuses what supervisor accepts.
"""

from __future__ import absolute_import, print_function

import glob
import os
import re
import stat

from . import commands, daemons, files, ground, names, processes, rights, whose

CONFS = (
    "/etc/supervisord.conf",
    "/etc/supervisor/supervisord.conf",
    "/etc/supervisord/supervisord.conf",
    "/usr/etc/supervisord.conf",
)
BOOTS = (
    "/etc/systemd/system/*.wants/*.service",
    "/lib/systemd/system/*.wants/*.service",
    "/etc/rc[2345].d/S*",
    "/etc/rc.d/rc[2345].d/S*",
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/inittab",
    "/etc/init/*.conf",
    "/etc/crontab",
    "/etc/cron.d/*",
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
)
OWN = ("supervisord", "unix_http_server", "supervisorctl")
"""The sections that name supervisord's own files."""
TAIL_BYTES = 16384


def sections(path, by=0, daemon=None):
    """{section: {key: value}} of an INI file as supervisor reads it, its includes too; and {section: (writer, file)}.

    `by` is the user who named the file. A file that somebody but root wrote names paths with that user's rights only;
    so does a name out of the environment of `daemon`, the supervisord that runs with it.
    """
    found, writers = {}, {}
    pending = [(path, by)]
    while pending:
        one, named = pending.pop(0)
        here, writer = os.path.dirname(one), named or ground.author(one)
        for name, values in parse(files.read(one, named)):
            told, lender = told_by(daemon, values, here)
            found.setdefault(name, {}).update(told)
            before, first = writers.get(name, (0, one))
            writers[name] = before or writer or lender, first
            if name == "include" and one == path:
                for pattern in found[name].get("files", "").split():
                    included = files.glob(os.path.join(here, pattern), writers[name][0])
                    pending += [(each, writers[name][0]) for each in sorted(included)]
    return found, writers


def told_by(daemon, values, here):
    """A section's settings as supervisord takes them, and the user whose environment any of them comes from, or 0."""
    own = dict((key, names.filled(value, here, {})) for key, value in values.items())
    if daemon is None:
        return own, 0
    told = dict((key, names.filled(value, here, daemon.environment)) for key, value in values.items())
    return told, 0 if told == own else daemon.uid


def daemon_of(path, table, options):
    """The supervisord of the cluster's users that runs with a configuration, or None."""
    found = (table[one["pid"]] for one in daemons.running(table, dict(options, conf=path)))
    return next((one for one in found if whose.theirs(one, options)), None)


def parse(text):
    found, key = [], None
    for line in text.splitlines():
        bare = re.split(r"\s;", line)[0].rstrip()
        if not bare.strip() or bare.lstrip()[0] in ";#":
            continue
        if bare[0] == "[" and "]" in bare:
            found.append((bare[1 : bare.index("]")], {}))
            key = None
        elif bare[0] in " \t" and key and found:
            found[-1][1][key] += "\n" + bare.strip()
        elif found:
            key, _, value = re.sub("^([^=:]*)[=:]", lambda match: match.group(1) + "\0", bare).partition("\0")
            key = key.strip().lower()
            found[-1][1][key] = value.strip()
    return found


def programs(found, writers, live):
    """The pyspider programs of a supervisord.conf: command, user, logs of each, and the user who wrote it.

    `live` are the roles of those that run, by their names: a script may start anything.
    """
    for name, values in sorted(found.items()):
        if not name.startswith("program:"):
            continue
        for number in numbers(values):
            one = dict((key, expand(value, name[8:], number)) for key, value in values.items())
            title = one.get("process_name", name[8:])
            words = commands.split(one.get("command", ""))
            known = commands.component(words, writers[name][0]) or (live.get(title), words, None)
            kind, words, inner = known
            if kind:
                yield {
                    "name": title,
                    "section": name[8:],
                    "file": writers[name][1],
                    "role": kind,
                    "words": words,
                    "user": one.get("user"),
                    "directory": inner or one.get("directory"),
                    "log": one.get("stdout_logfile"),
                    "err": one.get("stderr_logfile"),
                    "merged": one.get("redirect_stderr", "").lower() in ("true", "1", "yes", "on"),
                    "by": writers[name][0],
                    "uid": writers[name][0] or rights.user_of(one.get("user")) or 0,
                }


def numbers(values):
    first, count = values.get("numprocs_start", "0"), values.get("numprocs", "1")
    return range(int(first), int(first) + int(count)) if first.isdigit() and count.isdigit() else [0]


def expand(value, name, number):
    """supervisor's own names in a setting, as it fills them in."""
    value = value.replace("%(program_name)s", name).replace("%(group_name)s", name)
    return re.sub(r"%\(process_num\)(\d*d)", lambda match: ("%" + match.group(1)) % number, value)


def conf_facts(path, by=0, live=None, daemon=None):
    """One supervisord.conf; its programs are only those of pyspider."""
    found, writers = sections(path, by, daemon)
    known = [writers[name][0] for name in OWN if name in writers]
    author = next((uid for uid in known if uid), by or ground.author(path))
    http = found.get("inet_http_server")
    ctl = found.get("supervisorctl", {}).get("serverurl", "")
    return {
        "path": path,
        "sections": sorted(found),
        "programs": list(programs(found, writers, live or {})),
        "by": author,
        "writer": rights.name_of(author) if author else "",
        "user": found.get("supervisord", {}).get("user"),
        "socket": found.get("unix_http_server", {}).get("file"),
        "ctl": ctl[7:] if ctl.startswith("unix://") else ctl,
        "pidfile": found.get("supervisord", {}).get("pidfile"),
        "logfile": found.get("supervisord", {}).get("logfile"),
        "inet": {"port": http.get("port", ""), "password": bool(http.get("password"))} if http else None,
    }


def confs(options, table):
    """The configurations that a supervisord runs with, hosts.toml's, and the usual ones that name pyspider."""
    running = [
        (daemons.configuration(process), process.uid)
        for process in table.values()
        if processes.is_supervisord(process) and whose.theirs(process, options) and not processes.elsewhere(process.pid)
    ]
    paths = dict((path, 0) for path in (options["conf"],) + CONFS)
    for path, by in running:
        paths.setdefault(path, by)
    order = [path for path, _ in running if path in paths] + [options["conf"]] + list(CONFS)
    once = [path for index, path in enumerate(order) if path not in order[:index]]
    mine = [one for one in table.values() if one.role() and whose.judged(one, table, options)]
    live = dict((one.environment.get("SUPERVISOR_PROCESS_NAME"), one.role()) for one in mine)
    found = [
        conf_facts(path, paths[path], live, daemon_of(path, table, options))
        for path in once
        if regular(path, paths[path])
    ]
    return [one for one in found if one["path"] == options["conf"] or one["programs"]]


def regular(path, by):
    seen = files.seen(path, by)
    return seen is not None and stat.S_ISREG(seen.st_mode)


def effective(found, options):
    """The configuration that counts: hosts.toml's where this project wrote it or none names pyspider, else that one."""
    wanted = next((one for one in found if one["path"] == options["conf"]), None)
    if wanted and (wanted["programs"] or deployed(options)):
        return wanted
    return next((one for one in found if one["programs"]), wanted)


def deployed(options):
    """Whether this project has deployed the host."""
    return ground.kind(os.path.join(options["home"], "current")) == "a link"


def where(options, own):
    """The options of a look at the supervisord that was found, wherever hosts.toml expects it."""
    # A file that somebody but root can write names anybody.
    named = [one["user"] for one in [own] + own["programs"] if one.get("user")] if own and not own["by"] else []
    own = own or {}
    place = {"conf": own.get("path") or options["conf"], "socket": own.get("socket") or options["socket"]}
    return dict(options, users=sorted(set(named)), **place)


def boots(path):
    """The files that start supervisord with this configuration when the host starts.

    One that names no configuration may mean this one.
    """
    return [
        name
        for pattern in BOOTS
        for name in sorted(glob.glob(pattern))
        if os.path.isfile(name) and starts(files.read(name), path)
    ]


def starts(text, path):
    lines = [line for line in text.splitlines() if "supervisord" in line and not line.lstrip().startswith("#")]
    named = [
        match.strip("'\"")
        for line in lines
        for match in re.findall(r"(?:\s-c|--configuration)[ =]+(\S+)", line.partition("supervisord")[2])
    ]
    return bool(lines) and (path in named or not [one for one in named if one.startswith("/")])


def tail(path, by=0):
    return files.tail(path, TAIL_BYTES, by).splitlines()[-60:] if path else []


def logs(found):
    """Per program its log files, and the last lines of the one with its errors."""
    answer = {}
    for program in found:
        both, by = (program["log"], None if program["merged"] else program["err"]), program["by"]
        paths = [path for path in both if path and path.startswith("/")]
        answer[program["name"]] = {
            "files": [{"path": path, "size": size(path, by)} for path in paths],
            "tail": tail(paths[-1], by) if paths else [],
        }
    return answer


def size(path, by):
    seen = files.seen(path, by)
    return None if seen is None else seen.st_size
