"""The tasks that are on their way: in a queue, in the hands of a fetcher or a processor, or put aside."""

from __future__ import absolute_import

import itertools

from . import lua
from .packing import unpack
from .queues import FAILED, HELD
from .words import text

WAY = ("scheduler2fetcher", "fetcher2processor", "status_queue")
"""The lists that a task comes through, in this order: so one that moves on meanwhile is seen at the next."""
PART = 20
"""Messages that are read at once: one may hold a large page."""


def flying(client):
    """The ids of all tasks on their way, by project."""
    found = {}
    for name in WAY:
        # One that was put aside would fail again: it waits there until somebody removes it.
        aside = (message.partition(b"\n")[2] for message in waiting(client, name + FAILED))
        for message in itertools.chain(waiting(client, name), held(client, name), aside):
            for project, taskid in tasks(message):
                found.setdefault(project, set()).add(taskid)
    return found


def waiting(client, name):
    # From the tail: places counted from there stay the same while messages are taken at the head.
    last = -1
    while True:
        part = client.lrange(name, last - PART + 1, last)
        for message in part:
            yield message
        if len(part) < PART:
            return
        last -= PART


def held(client, name):
    for key in [text(one) for one in client.zrange(lua.CONSUMERS, 0, -1)]:
        if key.startswith(name + HELD):
            for number in client.hkeys(key):
                message = client.hget(key, number)
                if message is not None:
                    yield message


def tasks(message):
    """The (project, taskid) of a message; one that nobody can read has none."""
    try:
        packed = unpack(message)
        one = packed[0] if isinstance(packed, (list, tuple)) else packed
        return [(one["project"], one["taskid"])]
    except Exception:
        return []
