"""Whose processes are the cluster's: its user's and root's, and all that a supervisord of theirs runs.

Anybody may give a process the name of pyspider's: those of others are named, and neither judged, asked nor ended.
"""

from __future__ import absolute_import, print_function

from . import daemons, processes, rights


def users(options):
    """The numbers of root, of the cluster's user, and of those that a configuration of root's names (`users`)."""
    names = [options.get("user")] + list(options.get("users", ()))
    return set([0] + [uid for uid in map(rights.user_of, names) if uid is not None])


def theirs(process, options):
    """Whether a process runs as one of them."""
    return process.uid in users(options)


def judged(process, table, options):
    """Whether a process is the cluster's."""
    return theirs(process, options) or any(
        processes.is_supervisord(table[one]) and theirs(table[one], options)
        for one in processes.ancestors(process.pid, table)
        if one in table
    )


def others(table, options):
    """The processes of other users that look like the cluster's: [{pid, role, user}]; a wrapper and its child once."""
    kinds = dict((pid, kind(process, options)) for pid, process in table.items())
    return [
        {"pid": pid, "role": kinds[pid], "user": rights.name_of(process.uid)}
        for pid, process in sorted(table.items())
        if kinds[pid] and kinds.get(process.parent) != kinds[pid] and not judged(process, table, options)
    ]


def kind(process, options):
    if not process.alive or processes.elsewhere(process.pid):
        return None
    if processes.is_supervisord(process):
        return "supervisord" if daemons.configuration(process) == options["conf"] else None
    return process.role()
