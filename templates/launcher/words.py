"""What goes to a store and comes from it: in how many requests, and in which words."""

from __future__ import absolute_import

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of one request to Redis."""


def parts(items, size, most_bytes=MOST_BYTES, most=None):
    """The items of each request, in order: together no larger than that, but for one that is larger by itself."""
    part, total = [], 0
    for item in items:
        own = size(item)
        if part and (total + own > most_bytes or len(part) == most):
            yield part
            part, total = [], 0
        part.append(item)
        total += own
    if part:
        yield part


def one_line(error):
    """The words of an error; its kind where it has none. Python 2.7 can't read those of all errors by itself."""
    try:
        words = u"%s" % (error,)
    except UnicodeError:
        try:
            words = str(error).decode("utf-8", "replace")
        except UnicodeError:
            words = u"%s" % repr(error)
    return (u" ".join(words.split()) or type(error).__name__)[:500]


def text(raw):
    return raw if isinstance(raw, str) else raw.decode("utf-8")
