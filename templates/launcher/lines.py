"""Log lines, written together: each write by itself wakes supervisord, which costs more than the line."""

from __future__ import absolute_import

import atexit
import logging
import os
import sys
import threading
import time

GATHER = 0.05
"""Seconds in which lines gather. One of a warning or an error goes out at once, with those before it."""


class Gathered(logging.Handler):
    """In place of a handler that writes each line to a stream."""

    def __init__(self, handler):
        logging.Handler.__init__(self, handler.level)
        self.stream, self.formatter = handler.stream, handler.formatter
        self.filters = handler.filters
        if self.formatter is not None:
            self.formatter.formatTime = SameSecond(self.formatter.formatTime)
        self.lines, self.pid = [], os.getpid()
        self.more, self.ended = threading.Event(), False
        self.thread = threading.Thread(target=self.carry, name="lines")
        self.thread.daemon = True
        self.thread.start()
        # It comes before logging's own end.
        atexit.register(self.end)

    def emit(self, record):
        try:
            text = self.format(record)
        except Exception:
            return self.handleError(record)
        if os.getpid() != self.pid:
            # A process that a script has forked: what its parent gathered is not its own, and it has no such thread.
            self.lines, self.pid, self.ended = [], os.getpid(), True
        self.lines.append(text if isinstance(text, str) else text.encode("utf-8"))
        if record.levelno >= logging.WARNING or self.ended:
            self.flush()
        elif len(self.lines) == 1:
            self.more.set()

    def flush(self):
        self.acquire()
        try:
            lines, self.lines = self.lines, []
            if lines and os.getpid() == self.pid:
                self.stream.write("\n".join(lines) + "\n")
                self.stream.flush()
        except (IOError, OSError):
            # Nobody hears.
            pass
        finally:
            self.release()

    def carry(self):
        sleep = time.sleep
        while not self.ended:
            self.more.wait()
            self.more.clear()
            sleep(GATHER)
            self.flush()

    def end(self):
        self.ended = True
        self.more.set()
        self.thread.join(1)
        self.flush()


class SameSecond(object):
    """The time in words, made once a second; where the words have milliseconds, each time."""

    def __init__(self, make):
        self.make, self.second, self.words = make, None, ""

    def __call__(self, record, datefmt=None):
        if not datefmt:
            return self.make(record, datefmt)
        second = (int(record.created), datefmt)
        if second != self.second:
            self.second, self.words = second, self.make(record, datefmt)
        return self.words


def gather():
    """From now on the lines of all loggers that write to stderr or stdout are written together."""
    found = {}
    for logger in [logging.root] + list(logging.root.manager.loggerDict.values()):
        handlers = getattr(logger, "handlers", [])
        for handler in [one for one in handlers if type(one) is logging.StreamHandler]:
            if handler.stream in (sys.stderr, sys.stdout):
                found[handler] = found.get(handler) or Gathered(handler)
                handlers[handlers.index(handler)] = found[handler]
