"""Words as Redis gives and takes them."""

from __future__ import absolute_import

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of an outcome that travel in one request."""


def portions(outcomes):
    """The arguments of each request, none of them too large by the addition of a second message."""
    part, size = [], 0
    for name, message in outcomes:
        if part and size + len(message) > MOST_BYTES:
            yield part
            part, size = [], 0
        part += [name, message]
        size += len(message)
    if part:
        yield part


def one_line(error):
    """The words of an error; its kind where it has none."""
    return (" ".join((u"%s" % (error,)).split()) or type(error).__name__)[:500]


def text(raw):
    return raw if isinstance(raw, str) else raw.decode("utf-8")
