"""Log lines, written together: each write by itself wakes supervisord, which costs more than the line.

The last lines, of 50 ms at most, are lost with a process that is killed or crashes; those of an error never wait.
"""

from __future__ import absolute_import

import atexit
import logging
import os
import sys
import threading
import time

GATHER = 0.05
"""Seconds in which lines gather. One of a warning or an error goes out at once, with those before it."""
gathered = []


class Gathered(logging.Handler):
    """In place of a handler that writes each line to a stream."""

    def __init__(self, handler):
        logging.Handler.__init__(self, handler.level)
        self.stream, self.formatter = handler.stream, handler.formatter
        self.filters = handler.filters
        if plain(self.formatter):
            self.formatter.formatTime = SameSecond(self.formatter.formatTime)
        self.lines, self.pid = [], os.getpid()
        self.more, self.ended = threading.Event(), False
        self.thread = threading.Thread(target=self.carry, name="lines")
        self.thread.daemon = True
        self.thread.start()
        # It comes before logging's own end.
        atexit.register(self.end, self.pid)

    def acquire(self):
        if os.getpid() != self.pid:
            # A process that a script has forked: what its parent gathered, and whoever held the lock, is not its own.
            self.createLock()
            self.lines, self.pid, self.ended = [], os.getpid(), True
        logging.Handler.acquire(self)

    def emit(self, record):
        try:
            text = self.format(record)
            self.lines.append(text if isinstance(text, str) else text.encode("utf-8"))
        except Exception:
            return self.handleError(record)
        if record.levelno >= logging.WARNING or self.ended:
            self.flush()
        elif len(self.lines) == 1:
            self.more.set()

    def flush(self):
        self.acquire()
        try:
            self.write()
        finally:
            self.release()

    def write(self):
        lines, self.lines = self.lines, []
        try:
            if lines:
                self.stream.write("\n".join(lines) + "\n")
                self.stream.flush()
        except Exception:
            # There is no other place to tell it; a script may have closed the stream.
            pass

    def carry(self):
        sleep = time.sleep
        while not self.ended:
            self.more.wait()
            self.more.clear()
            sleep(GATHER)
            self.flush()

    def end(self, pid):
        """The end of the process that has this number."""
        if os.getpid() == pid:
            self.ended = True
            self.more.set()
            self.thread.join(1)
        self.flush()


class SameSecond(object):
    """The time in words, made once a second; where the words have milliseconds, each time."""

    def __init__(self, make):
        self.make, self.known = make, (None, "")

    def __call__(self, record, datefmt=None):
        if not datefmt:
            return self.make(record, datefmt)
        second, (known, words) = (int(record.created), datefmt), self.known
        if second != known:
            words = self.make(record, datefmt)
            self.known = (second, words)
        return words


def plain(formatter):
    """Whether a formatter tells the time as logging does. One of a user's own may tell more of it."""
    own = getattr(type(formatter), "formatTime", None)
    known = logging.Formatter.formatTime
    return own is not None and getattr(own, "im_func", own) is getattr(known, "im_func", known)


def gather():
    """From now on the lines of all loggers that write to stderr or stdout are written together."""
    found = {}
    for logger in [logging.root] + list(logging.root.manager.loggerDict.values()):
        handlers = getattr(logger, "handlers", [])
        for handler in [one for one in handlers if type(one) is logging.StreamHandler]:
            if handler.stream in (sys.stderr, sys.stdout):
                found[handler] = found.get(handler) or Gathered(handler)
                handlers[handlers.index(handler)] = found[handler]
    gathered.extend(found.values())


def last():
    """Writes what is there, in a signal's handler, before the process ends at once: it waits for nobody."""
    for handler in gathered:
        if handler.lock.acquire(False):
            handler.write()
