"""Messages that go back to the head of their lists: of consumers that end, have ended, or give no sign of life."""

from __future__ import absolute_import

from . import consumer as consumers
from . import lua
from .queues import ENDS, ENDS_AMONG, EPOCH, GAP, HELD, LONGEST_SILENCE, PART, SILENCE
from .words import text


OF_SCHEDULERS = ("newtask_queue", "status_queue")
"""A scheduler holds many messages, reads no page, and ends at once where its port is taken: none of them ends it."""


def give_back(scripts, held, why, store=None):
    """Puts a consumer's messages back; silent: only if it is still silent, gone: its process has ended."""
    name = held.partition(HELD)[0]
    error = "%d consumers ended with it, or %d that had more in their hands" % (ENDS, ENDS_AMONG)
    alone, among = ENDS_AMONG // ENDS, 0 if name in OF_SCHEDULERS else 1
    ask = store.ask if store else lambda question: question()
    while ask(lambda: scripts.give_back(keys=[held, name], args=[why, PART, ENDS_AMONG, error, alone, among])):
        # The last one of many was none that was alone.
        alone = among


def give_back_silent(scripts):
    """Puts back the messages of all consumers that give no sign of life; names them."""
    keys, times = [lua.CONSUMERS, lua.WATCH], [SILENCE, GAP, LONGEST_SILENCE]
    found = [text(one) for one in scripts.silent(keys=keys, args=times)]
    for held in found:
        give_back(scripts, held, "silent")
    return found


def give_back_gone(client, scripts, mine):
    """Puts back the messages of processes that have ended on this host; names them."""
    known = [text(one) for one in client.zrange(lua.CONSUMERS, 0, -1)]
    found = [held for held in known if consumers.gone(held.partition(HELD)[2], mine)]
    for held in found:
        give_back(scripts, held, "gone")
    return found


def hand_back(queue):
    """All that this process still holds goes back to the head of the list."""
    give_back(queue.scripts, queue.held, "handed", queue.store)
    if queue.epoch:
        queue.store.ask(lambda: queue.redis.delete(queue.held + EPOCH))
    queue.mine.clear()
