"""What a round of the scheduler asks of several queues, in one question."""

from __future__ import absolute_import

from .queues import SILENCE


def take(queues, count):
    """take(count) of each."""
    first = queues[0]

    def ask():
        # Where an answer was lost on its way, each finds first what it has brought.
        if any(one.unsure for one in queues):
            return each(queues, count)
        mark(queues, True)
        keys = [key for one in queues for key in (one.name, one.held)]
        own = [word for one in queues for word in (one.numbers, one.epoch)]
        found = first.scripts.take(keys=keys, args=[first.token, count, SILENCE] + own)
        mark(queues, False)
        return found and [one._took(one._numbered(part, count)) for one, part in zip(queues, found)]

    found = first._by_lease(ask)
    try:
        return [one._readable(pairs) for one, pairs in zip(queues, found)]
    except Exception:
        forget(queues, found)
        raise


def each(queues, count):
    """take(count) of each by itself: all of them, or none."""
    found = []
    try:
        for one in queues:
            found.append(one._take(count, 0))
    except Exception:
        forget(queues, found)
        raise
    if None in found:
        forget(queues, found)
        return None
    return found


def forget(queues, found):
    for one, pairs in zip(queues, found):
        one._forget(pairs or [])


def mark(queues, unsure):
    for one in queues:
        one.unsure = unsure


def finish(out, messages, done):
    """Puts the packed messages; pairs (queue, numbers) are what has had its effect."""
    args = [out.token, len(messages)] + messages
    for _, numbers in done:
        args += [len(numbers)] + list(numbers)
    keys = [out.name] + [queue.held for queue, _ in done]
    out.last_qsize = out._by_lease(lambda: out.scripts.finish(keys=keys, args=args))
    for queue, numbers in done:
        queue.mine.difference_update(numbers)
