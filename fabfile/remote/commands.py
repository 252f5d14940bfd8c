"""The component behind a program's command: a shell, `env` or a script may start it."""

from __future__ import absolute_import, print_function

import os
import re
import shlex

from . import files, processes

SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")
WRAPPERS = ("exec", "env", "nice", "ionice", "nohup", "setsid", "stdbuf", "timeout", "sudo", "chpst")
SEPARATORS = re.compile(r"&&|\|\||[;|\n]")


def component(words, by):
    """(role, its own words, the directory that it changes to) of a command; None where it is none of pyspider's.

    `by` is the user who named the command.
    """
    found = started(words, None)
    if found:
        return found
    if words and os.path.basename(words[0]) in SHELLS and "-c" in words[1:-1]:
        return in_shell(words[words.index("-c") + 1])
    return in_script(words, by) if words else None


def role(words):
    process = object.__new__(processes.Process)
    process.words = words
    return process.role()


def started(words, directory):
    """The component of a command line of its own, behind `env` and its like."""
    behind = bool(words) and os.path.basename(words[0]) in WRAPPERS
    for start in range(len(words) if behind else 1):
        kind = role(words[start:])
        if kind:
            return kind, words[start:], directory
    return None


def in_shell(text):
    directory = None
    for part in SEPARATORS.split(text):
        words = split(part)
        if words[:1] == ["cd"] and len(words) > 1:
            directory = words[1]
        found = started(words, directory)
        if found:
            return found
    return None


def in_script(words, by):
    """The component that a script is told to start, or starts by itself."""
    text = files.read(words[0], by, 1 << 16)
    if not text.startswith("#!") or not re.search(r"run\.py|pyspider", text):
        return None
    named = [word for word in words[1:] if word in processes.COMPONENTS]
    if named:
        return named[0], words, None
    found = in_shell(text)
    return found and (found[0], words, None)


def split(text):
    try:
        return shlex.split(str(text))
    except (ValueError, UnicodeError):
        return []
