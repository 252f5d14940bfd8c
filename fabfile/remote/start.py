"""Starts supervisord; and the one before it, where the new one does not come up."""

from __future__ import absolute_import, print_function

import os
import re
import time

from . import daemons, files, locks, logs


def start(options):
    """Starts supervisord by its unit, or by its command where systemd does not run; falls back to the one before.

    `before` is {conf: the digest of the configuration that it ran with}, or None; `restore` are the commands that put
    the release back.
    """
    with locks.alone(options):
        return begun(options)


def begun(options):
    """The same, while nobody else starts one."""
    told = started(options)
    if told is None:
        return 0
    for line in told:
        print("| " + line)
    # Below its words: of a long output the end is shown.
    print("no supervisord answers on %s" % options["socket"])
    if options.get("before"):
        fall_back(options, options["before"])
    return 1


def started(options):
    """None where supervisord answers after its start; else its words."""
    moment, sizes = time.time(), logs.log_sizes(options["logs"])
    service = (options.get("unit") or "") + ".service"
    # A unit that waits to be started again, or is there without a main process, starts by a restart too.
    words = ["systemctl", "restart", service] if daemons.unit(options) else options["words"]
    if not daemons.unit(options) and daemons.asked(options)[0]["answers"]:
        return None  # its watcher was first
    status, text = bounded(words, options["seconds"] + options["stop_seconds"])
    deadline = time.time() + options["seconds"]
    while status == 0 and time.time() < deadline:
        server, seen = daemons.asked(options)[0], daemons.unit(options)
        if server["answers"] and (not seen or server["pid"] == seen["main"]):
            return None
        if seen and seen["state"] in ("auto-restart", "failed", "dead"):
            break
        time.sleep(0.2)
    if daemons.unit(options):
        text += daemons.run(
            ["journalctl", "--no-pager", "-o", "cat", "-n", "20", "--since", "@%d" % moment, "-u", service]
        )[1]
    return text.splitlines() + logs.logged(
        os.path.join(options["logs"], "supervisord.log"), sizes.get("supervisord", 0)
    )


def bounded(words, seconds):
    """Exit status and last lines of a command that ends in time; one supervisord was seen to fill a disk by output."""
    script = '{ timeout "$@"; echo "$?"; } 2>&1 | tail -n 21'
    lines = daemons.run(["sh", "-c", script, "sh", str(seconds)] + words)[1].splitlines()
    return int(lines[-1]), "".join(line + "\n" for line in lines[:-1])


def fall_back(options, before):
    """Configuration and release as they were, and supervisord with them."""
    folder, name = os.path.split(options["conf"])
    # The one that it ran with: a deploy of some roles may have written others since.
    kept = os.path.join(folder, ".%s.was-%s" % (name, before["conf"]))
    if daemons.run(["sha256sum", kept])[1][:12] != before["conf"]:
        print("the configuration that ran before is no longer there, so it can't be started again")
        return
    daemons.run(["cp", "-p", kept, kept + ".new"])
    os.rename(kept + ".new", options["conf"])
    for words in options["restore"]:
        daemons.run(words)
    # Perhaps its socket has changed; the file is this project's own.
    found = re.search(r"^file=(.+)$", files.read(options["conf"]), re.MULTILINE)
    options = dict(options, socket=found.group(1) if found else options["socket"])
    told = started(options)
    if told is not None and daemons.unit(options):
        # An older version of this project ran it without the unit.
        daemons.run(["systemctl", "stop", options["unit"] + ".service"])
        told = started(dict(options, unit=""))
    print("the one before was started again" if told is None else "the one before does not start either")
