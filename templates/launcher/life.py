"""The thread by which a process shows that it lives, tells what it does, and looks after the others."""

from __future__ import absolute_import

import logging
import os
import threading
import time
import traceback

from . import lua, queues, returning
from .blocking import Waker, readable
from .clock import clock
from .patience import redis_lost

BEAT = 3.0
"""Seconds between two signs of life."""
LOOK = 5.0
"""Seconds between two looks at the others."""


def ends_with_it(work):
    """The same function; where it ends by an error, in whatever thread, this process ends as failed."""

    def guarded(*args, **kwargs):
        try:
            return work(*args, **kwargs)
        except Exception:
            logging.error("a part of this program has ended, so all of it ends\n%s", traceback.format_exc())
            os._exit(1)

    return guarded


class Life(object):
    """Signs of life for all that this process holds. `client` is its own: no other thread's question delays it."""

    def __init__(self, client, consumer, pulse):
        self.client, self.consumer, self.pulse = client, consumer, pulse
        self.scripts = queues.Scripts(client)
        self.held = []
        self.lease = None
        self.stopped, self.stopper = False, Waker()
        self.looked = clock() - LOOK
        self.thread = None

    def begin(self):
        self.thread = threading.Thread(target=ends_with_it(self.run), name="life")
        self.thread.daemon = True
        self.thread.start()

    def run(self):
        while not self.stopped:
            try:
                self.once()
            except Exception as error:
                # The threads that need Redis for their work tell of it.
                if not redis_lost(error):
                    raise
            # Python 2.7's own wait with a limit looks twenty times a second.
            readable([], BEAT, self.stopper)

    def once(self):
        self.renew()
        if self.held:
            self.scripts.beat(args=[queues.SILENCE] + self.held)
        self.pulse.tell(self.client)
        if clock() >= self.looked + LOOK:
            self.looked = clock()
            for held in returning.give_back_silent(self.scripts):
                logging.warning("%s gave no sign of life: its messages are back in their queue", held)

    def renew(self):
        holder = self.lease.renew() if self.lease else None
        if holder:
            logging.error("the lease went to %s meanwhile: this scheduler ends", holder)
            os._exit(1)

    def end(self):
        """From now on nobody hears of this process: it has given all back."""
        self.stopped = True
        self.stopper.wake()
        if self.thread:
            self.thread.join(BEAT)

    def forget(self):
        self.client.hdel(lua.PULSE, self.pulse.field)
