"""Runs on a host, loaded by doctor.py: what supervisord.conf says, and what its programs have logged.

The standard library's ConfigParser refuses what supervisor accepts.
"""

from __future__ import print_function

import glob
import os
import re
import shlex

CONFS = ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf", "/etc/supervisord/supervisord.conf", "/usr/etc/supervisord.conf")
BOOTS = (
    "/etc/systemd/system/*.wants/*.service", "/lib/systemd/system/*.wants/*.service", "/etc/rc[2345].d/S*", "/etc/rc.d/rc[2345].d/S*",
    "/etc/rc.local", "/etc/rc.d/rc.local", "/etc/inittab", "/etc/init/*.conf", "/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
)
TAIL_BYTES = 16384


def sections(path, read):
    """{section: {key: value}} of an INI file as supervisor reads it, its includes too."""
    found = {}
    pending = [path]
    while pending:
        one = pending.pop(0)
        here = os.path.dirname(one)
        for name, values in parse(read(one)):
            found.setdefault(name, {}).update((key, value.replace("%(here)s", here).replace("%%", "%")) for key, value in values.items())
            if name == "include" and one == path:
                for pattern in found[name].get("files", "").split():
                    pending += sorted(glob.glob(os.path.join(here, pattern)))
    return found


def parse(text):
    found, key = [], None
    for line in text.splitlines():
        bare = re.split(r"\s;", line)[0].rstrip()
        if not bare.strip() or bare.lstrip()[0] in ";#":
            continue
        if bare[0] == "[" and "]" in bare:
            found.append((bare[1:bare.index("]")], {}))
            key = None
        elif bare[0] in " \t" and key and found:
            found[-1][1][key] += "\n" + bare.strip()
        elif found:
            key, _, value = re.sub("^([^=:]*)[=:]", lambda match: match.group(1) + "\0", bare).partition("\0")
            key = key.strip()
            found[-1][1][key] = value.strip()
    return found


def role(supervise, words):
    process = object.__new__(supervise.Process)
    process.words = words
    return process.role()


def programs(found, supervise):
    """The pyspider programs of a supervisord.conf, one by one: what they run, as whom, and where they log."""
    for name, values in sorted(found.items()):
        if not name.startswith("program:"):
            continue
        for number in numbers(values):
            one = dict((key, expand(value, name[8:], number)) for key, value in values.items())
            try:
                words = shlex.split(str(one.get("command", "")))
            except ValueError:
                continue
            kind = role(supervise, words)
            if kind:
                yield {
                    "name": one.get("process_name", name[8:]), "role": kind, "words": words, "user": one.get("user"),
                    "directory": one.get("directory"), "log": one.get("stdout_logfile"), "err": one.get("stderr_logfile"),
                    "merged": one.get("redirect_stderr", "").lower() in ("true", "1", "yes", "on"),
                }


def numbers(values):
    first, count = values.get("numprocs_start", "0"), values.get("numprocs", "1")
    return range(int(first), int(first) + int(count)) if first.isdigit() and count.isdigit() else [0]


def expand(value, name, number):
    """supervisor's own names in a setting, as it fills them in."""
    value = value.replace("%(program_name)s", name).replace("%(group_name)s", name)
    return re.sub(r"%\(process_num\)(\d*d)", lambda match: ("%" + match.group(1)) % number, value)


def conf_facts(path, supervise):
    """One supervisord.conf; its programs are only those of pyspider."""
    found = sections(path, supervise.read)
    http = found.get("inet_http_server")
    ctl = found.get("supervisorctl", {}).get("serverurl", "")
    return {
        "path": path, "sections": sorted(found), "programs": list(programs(found, supervise)),
        "socket": found.get("unix_http_server", {}).get("file"), "ctl": ctl[7:] if ctl.startswith("unix://") else ctl,
        "pidfile": found.get("supervisord", {}).get("pidfile"), "logfile": found.get("supervisord", {}).get("logfile"),
        "inet": {"port": http.get("port", ""), "password": bool(http.get("password"))} if http else None,
    }


def confs(options, supervise, machine, table):
    """The configurations that a supervisord runs with, hosts.toml's, and the usual ones that name pyspider."""
    running = [machine.after(process.words, "-c", "--configuration") for process in table.values() if supervise.is_supervisord(process)]
    paths = [path for path in running if path and path.startswith("/")] + [options["conf"]] + list(CONFS)
    once = [path for index, path in enumerate(paths) if path not in paths[:index]]
    found = [conf_facts(path, supervise) for path in once if os.path.isfile(path)]
    return [one for one in found if one["path"] == options["conf"] or one["programs"]]


def effective(found, options):
    """The configuration that counts: hosts.toml's where it is there, else the first that names pyspider."""
    return next((one for one in found if one["path"] == options["conf"]), found[0] if found else None)


def boots(path, read):
    """The files that start supervisord with this configuration when the host starts; one that names no configuration may mean this one."""
    return [name for pattern in BOOTS for name in sorted(glob.glob(pattern)) if os.path.isfile(name) and starts(read(name), path)]


def starts(text, path):
    lines = [line for line in text.splitlines() if "supervisord" in line and not line.lstrip().startswith("#")]
    named = [match.strip("'\"") for line in lines for match in re.findall(r"(?:\s-c|--configuration)[ =]+(\S+)", line.partition("supervisord")[2])]
    return bool(lines) and (path in named or not [one for one in named if one.startswith("/")])


def tail(path):
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - TAIL_BYTES))
            return stream.read().decode("utf-8", "replace").splitlines()[-60:]
    except (IOError, OSError, TypeError):
        return []


def logs(found):
    """Per program its log files, and the last lines of the one with its errors."""
    answer = {}
    for program in found:
        paths = [path for path in (program["log"], None if program["merged"] else program["err"]) if path and path.startswith("/")]
        answer[program["name"]] = {"files": [{"path": path, "size": size(path)} for path in paths], "tail": tail(paths[-1]) if paths else []}
    return answer


def size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return None
