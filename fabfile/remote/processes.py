"""The processes of a host, as /proc tells them."""

from __future__ import absolute_import, print_function

import os
import re

from . import rights, texts

PYTHON = re.compile(r"(platform-)?(python|pypy)[\d.]*$")
SINGLE = ("scheduler", "fetcher", "processor", "result_worker", "webui", "phantomjs")
"""The components that run alone in their process."""
COMPONENTS = SINGLE + ("all", "one", "bench")


def kernel(path):
    """A file of the kernel's, as it is."""
    try:
        with open(path, "rb") as stream:
            return texts.text(stream.read())
    except (IOError, OSError):
        return ""


class Process(object):
    """One line of /proc, read once."""

    def __init__(self, pid):
        stat = kernel("/proc/%d/stat" % pid).rpartition(")")[2].split()
        self.pid = pid
        self.uid = uid_of(pid)
        self.alive = bool(stat) and stat[0] not in "ZX"
        self.parent = int(stat[1]) if stat else 0
        self.ticks = int(stat[19]) if stat else 0
        self.words = kernel("/proc/%d/cmdline" % pid).split("\0")[:-1]
        pairs = (item.partition("=") for item in kernel("/proc/%d/environ" % pid).split("\0"))
        self.environment = dict((name, value) for name, _, value in pairs)
        if self.role() == "phantomjs":
            self.parent = asker(self) or self.parent

    def role(self):
        """The pyspider component that it is, or None: run.py's first word that is no option."""
        words = rendered(self.words)
        python = bool(words) and os.path.basename(words[0]).startswith("python")
        for index, word in enumerate(words[:3]):
            found = component(words[index + 1 :])
            own = os.path.basename(word) == "pyspider" and (python or not index)
            if own and (found or "all") in COMPONENTS:
                return found or "all"
            # Ours, or one that follows pyspider's manual.
            if os.path.basename(word) == "run.py" and index and python and found in COMPONENTS:
                return found
        if words and os.path.basename(words[0]) == "phantomjs" and any("phantomjs_fetcher.js" in w for w in words):
            return "phantomjs"
        if python and any(os.path.basename(word) == "chromium_fetcher.py" for word in words[1:4]):
            return "phantomjs"
        return None


def rendered(words):
    """The command line that templates/renderer.py is asked to run; any other one is its own."""
    asks = [os.path.basename(word) for word in words[1:3]] == ["renderer.py", "run"]
    return words[4:] if asks else words


def asker(process):
    """The program of supervisord's for which the renderer's user runs a process; None where that is not so.

    Anybody may claim it: so the socket that the program asks has to be in a directory of that very user.
    """
    stub = process.environment.get("PYSPIDER_STUB", "")
    words = kernel("/proc/%s/cmdline" % stub).split("\0")[:-1] if stub.isdigit() else []
    if rendered(words) == words:
        return None
    try:
        return int(stub) if os.stat(os.path.dirname(words[3])).st_uid == process.uid else None
    except OSError:
        return None


def component(words):
    takes_value = ("-c", "--config", "--logging-config")
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in takes_value:
            skip = True
        elif not word.startswith("-"):
            return word
    return None


def table():
    return dict((pid, Process(pid)) for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()))


def of_a_bench(process, table):
    """Whether a keeper of root's runs it, with stores of its own (keeper.py): it does nothing for the cluster."""
    keeper = table.get(process.parent)
    return keeper is not None and keeper.uid == 0 and keeper.words[-2:-1] == ["keep"]


def ancestors(pid, table):
    seen = set()
    while pid in table and pid not in seen:
        seen.add(pid)
        pid = table[pid].parent
        yield pid


def is_supervisord(process):
    return process.alive and program(process.words) is not None


def program(words):
    """supervisord's program in a command line; None where a word only looks like it (an editor's file, a unit)."""
    for index, word in enumerate(words[:3]):
        if os.path.basename(word) == "supervisord" and (not index or PYTHON.match(os.path.basename(words[0]))):
            return word
    return None


def elsewhere(pid):
    """Whether a process has another root, as in a container: a path of its is another file than the same one here."""
    try:
        there, here = os.stat("/proc/%d/root/" % pid), os.stat("/")
    except OSError:
        return False
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)


def state(pid):
    """Its letter in /proc; empty where it has ended."""
    return (kernel("/proc/%d/stat" % pid).rpartition(")")[2].split() or [""])[0]


def user(pid):
    uid = uid_of(pid)
    return "?" if uid < 0 else rights.name_of(uid)


def uid_of(pid):
    """The user of a process: who started it, also where it runs with root's rights; -1 where it has ended."""
    # The directory in /proc is root's as soon as a process hides its memory.
    found = re.search(r"^Uid:\s+(\d+)\s+(\d+)", kernel("/proc/%d/status" % pid), re.MULTILINE)
    return int(found.group(1)) or int(found.group(2)) if found else -1


def after(words, *names):
    for word, following in zip(words, words[1:]):
        if word in names:
            return following
    for word in words:
        for name in names:
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None
