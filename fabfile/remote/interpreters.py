"""The interpreters that run pyspider on a host, and the answers of each about itself, as its own user."""

from __future__ import absolute_import, print_function

import json
import os
import re
import select
import signal
import subprocess
import time

from . import files, ground, machine, processes, rights, texts

ARCHIVE = os.path.dirname(os.path.dirname(__file__))
"""The zip that all of this is in."""
STDIN = "/proc/self/fd/0"
ASK_SECONDS = 45
"""For all of them together: one that hangs is named, and waited for no longer."""
MOST = 4 << 20


def interpreter(words, by=0):
    """The program that runs these words: the first of them, or the one that its first line names, read as that user."""
    path = words[0] if words else ""
    if not path.startswith("/"):
        folders = os.environ.get("PATH", "").split(":")
        path = next((one for one in (os.path.join(folder, path) for folder in folders) if os.access(one, os.X_OK)), "")
    if re.match(r"python[\d.]*$", os.path.basename(path)):
        return path
    first = files.read(path, by, 200).partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    return interpreter(words[1:] if words and words[0].endswith("/env") else words, by) if words else None


def pairs(found):
    """(interpreter, config.json, user) of every component but phantomjs, each once, with its roles."""
    answer = {}
    for one in found:
        config = processes.after(one["words"], "-c", "--config")
        path = interpreter(one["words"], one["uid"])
        if one["role"] != "phantomjs" and path:
            if config:
                config = os.path.join(one.get("directory") or "/", config)
            # Root runs nothing, and reads nothing, that somebody else can have put there.
            uid = one["uid"] or ground.runner(path) or (ground.author(config) if config else 0)
            answer.setdefault((path, config, uid), set()).add(one["role"])
    return answer


def asked(found, site):
    """The answers of each interpreter about itself and its config.json; all at once, each as its own user."""
    begun = []
    for (path, config, uid), roles in sorted(pairs(found).items(), key=str):
        options = {"config": config or "/nonexistent", "roles": sorted(roles), "site": site}
        words = [path, "-B", STDIN, "ask", json.dumps(texts.told(options))]
        begun.append((path, config, uid, sorted(roles), begin(words, uid)))
    answer, deadline = [], time.time() + ASK_SECONDS
    for path, config, uid, roles, process in begun:
        seen = machine.at(config, uid) if config else None
        answer.append(dict(said(process, deadline), python=path, path=config, roles=roles, file=seen))
    return answer


def begin(words, uid):
    """A process of that user, or why there is none. The zip is its stdin: a user can't read where root keeps it."""
    try:
        with open(ARCHIVE, "rb") as program:
            os.fchmod(program.fileno(), 0o644)
            return subprocess.Popen(
                words,
                stdin=program,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                preexec_fn=lambda: begun_as(uid),
            )
    except (IOError, OSError) as error:
        return error


def begun_as(uid):
    os.setsid()
    rights.become(uid)


def said(process, deadline):
    if isinstance(process, EnvironmentError):
        return {"broken": str(process)[-300:]}
    out, err = heard(process, deadline)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return {"broken": "it says nothing within %d s" % ASK_SECONDS}
    try:
        return json.loads(out)
    except ValueError:
        return {"broken": (err or out).strip()[-300:]}


def heard(process, deadline):
    """Its output and its complaints until it ends: a child of it that goes on may keep them open for ever."""
    heard_of = dict((stream.fileno(), []) for stream in (process.stdout, process.stderr))
    pending = set(heard_of)
    while pending and time.time() < deadline:
        ready = select.select(list(pending), [], [], 0.1)[0]
        if not ready and process.poll() is not None:
            break
        for fd in ready:
            chunk = os.read(fd, 1 << 16)
            heard_of[fd].append(chunk)
            if not chunk or sum(map(len, heard_of[fd])) > MOST:
                pending.discard(fd)
    while process.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    return [b"".join(heard_of[one.fileno()]).decode("utf-8", "replace") for one in (process.stdout, process.stderr)]
