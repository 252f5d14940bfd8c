"""The lease: one scheduler works, by a key in Redis that ends by itself. Its pushes are refused without it."""

from __future__ import absolute_import

import logging

from . import consumer as consumers
from . import lua
from .words import text

MILLISECONDS = 15000
PAUSE = 1.0


class Lease(object):
    """The right to be the scheduler. The token is the consumer's own name, so that a holder can be named."""

    def __init__(self, client, scripts, consumer):
        self.client, self.scripts, self.token = client, scripts, consumer
        self.host = consumer.partition("/")[0]
        self.said = None

    def acquire(self, store):
        """Waits until the lease is this process's own; says once for whom it waits. Raises Ended."""
        while True:
            word, holder = store.ask(lambda: self._hold("take"))
            if word == "mine":
                logging.info("this scheduler holds the lease")
                return
            self.say(word, holder)
            store.wait(PAUSE)

    def say(self, word, holder):
        if (word, holder) == self.said:
            return
        self.said = (word, holder)
        if word == "home":
            logging.warning("the scheduler's place is %s, not %s: this one waits and does nothing", holder, self.host)
        else:
            logging.warning("another scheduler holds the lease: %s; this one waits and does nothing", holder)

    def renew(self):
        """The other holder, if it was lost; None while it is held."""
        word, holder = self._hold("renew")
        return None if word == "mine" else holder

    def regain(self):
        """Whether it is this process's own again, after it ran out."""
        return self.renew() is None

    def _hold(self, how):
        holder = text(self.client.get(lua.LEASE) or b"")
        # The same host can tell that the process which held it has ended.
        ended = holder if holder and consumers.gone(holder, self.token) else ""
        keys = [lua.LEASE, lua.LAST_LEASE, lua.HOME]
        word, holder = self.scripts.hold(keys=keys, args=[self.token, self.host, MILLISECONDS, ended, how])
        return text(word), text(holder)

    def release(self):
        self.scripts.release(keys=[lua.LEASE], args=[self.token])
