"""Waiting for a store that is away: a pause that grows, one line in the log, an end when this process is to end."""

from __future__ import absolute_import

import logging
import re
import time

from .clock import clock
from .words import one_line

LONGEST = 5.0
"""Seconds of the longest pause."""

TRIES = 5
PAUSES = (0.2, 1.0, 2.0, 5.0)
"""Seconds before each further try of a message that fails by something else than a store or its script."""


class Ended(BaseException):
    """This process is to end, and the store that it waits for is away. pyspider takes any Exception for a script's."""


class Ending(object):
    """Whether this process was told to end, and until when it may finish what it has begun."""

    def __init__(self, seconds=20.0):
        self.seconds = seconds
        self.since = None

    def begin(self):
        self.since = self.since or clock()

    def __bool__(self):
        return self.since is not None

    __nonzero__ = __bool__

    def recent(self):
        return self.since is not None and clock() < self.since + 1

    def over(self):
        return self.since is not None and clock() > self.since + self.seconds


class Store(object):
    """A store, as this process knows it: whether it answers. `lost` tells an error of its own from a wrong question."""

    def __init__(self, name, lost, ending, patient=True, cut=None):
        self.name, self.lost, self.ending, self.patient = name, lost, ending, patient
        self.cut = cut or redis_cut
        self.away_since = None
        self.error, self.refusal = "", ""

    def ask(self, question):
        """The answer to question(); asked again until there is one. Raises Ended, and errors that are not the store's.

        One that is impatient asks once.
        """
        pause = 0.1
        while True:
            try:
                answer = question()
            except Exception as error:
                if not self.patient or not self.lost(error):
                    # It has answered: whatever is wrong, it is not away.
                    if self.patient:
                        self.back()
                    raise
                self.away(error)
                self.wait(pause)
                pause = min(pause * 2, LONGEST)
            else:
                self.back()
                return answer

    def away(self, error):
        self.error = one_line(error)
        self.refusal = "" if self.cut(error) else "%s: %s" % (self.name, self.error)
        if self.away_since is None:
            self.away_since = clock()
            logging.warning("%s is away (%s); waiting for it, nothing is dropped", self.name, self.error)

    def back(self):
        since, self.away_since, self.refusal = self.away_since, None, ""
        if since is not None:
            logging.warning("%s answers again, after %.0f s", self.name, clock() - since)

    def wait(self, seconds):
        """Raises Ended when this process is to end. A process that ends still asks for a second."""
        until = clock() + seconds
        while True:
            if self.ending and clock() > self.ending.since + 1:
                raise Ended("%s is away" % self.name)
            if clock() >= until:
                return
            time.sleep(min(0.1, seconds))


class Loop(object):
    """Over a component that does one thing after the other: once() waits, and goes on when its end is asked for."""

    def quit(self):
        self.ending.begin()
        self.waker.wake()

    def run(self):
        logging.info("starts, with queues that hold")
        try:
            while not self.ending:
                self.once()
        except Ended:
            logging.warning("open messages stay held in Redis, until the next start")


TROUBLE = re.compile(
    r"(?:^|: -?)(?:LOADING|BUSY|MISCONF|OOM|READONLY|MASTERDOWN|NOREPLICAS|NOAUTH|NOPERM|WRONGPASS)\b"
)
"""The words by which Redis begins when it can't serve anybody now; before Redis 7 those of a script stand within."""
KNOWN = ("NoPermissionError", "ReadOnlyError", "OutOfMemoryError", "MasterDownError")
"""The client's kinds of errors from which it takes that word away; older ones know fewer."""
FORBIDDEN = ("ACL failure in script", "The user executing the script")
"""Those of a script that does what its user may not."""


def redis_cut(error):
    """Whether a connection to Redis was lost, or never made."""
    import redis

    return isinstance(error, (redis.ConnectionError, redis.TimeoutError))


def redis_lost(error):
    """Whether Redis is away, or can't serve now."""
    import redis

    if redis_cut(error):
        return True
    known = [getattr(redis.exceptions, name, None) for name in KNOWN]
    if isinstance(error, tuple(kind for kind in known if kind)):
        return True
    told = str(error)
    return isinstance(error, redis.ResponseError) and (
        TROUBLE.search(told) is not None or any(one in told for one in FORBIDDEN)
    )
