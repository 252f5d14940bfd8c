"""The fetcher: a task stays held until its page is in the processors' queue."""

from __future__ import absolute_import

import itertools
import logging
import threading
import time
from collections import deque

import umsgpack

from .life import ends_with_it
from .patience import Ended, Rest
from .queues import POLL

SHARE = 20
"""Tasks that are taken at once: the others of the cluster want some as well."""


class KeepingFetcher(object):
    """Over pyspider's Fetcher, which pops a task and forgets it when it dies. Redis is asked by a thread of its own.

    So requests that are open go on while Redis is away, and no page is lost in its way to the queue.
    """

    def __init__(self, *args, **kwargs):
        super(KeepingFetcher, self).__init__(*args, **kwargs)
        self.open = {}
        self.fetched = deque()

    def send_result(self, type, task, result):
        """Called in the loop's thread when a page is there."""
        held = self.open.pop(id(task), None)
        if held is None:
            # It came by RPC.
            return super(KeepingFetcher, self).send_result(type, task, result)
        self.fetched.append((held, task, result))

    def run(self):
        import tornado.ioloop

        logging.info("fetcher starts, with queues that hold")
        porter = threading.Thread(target=ends_with_it(self.carry), name="porter")
        porter.daemon = True
        tornado.ioloop.PeriodicCallback(self.clear_robot_txt_cache, 10000, io_loop=self.ioloop).start()
        self._running = True
        self.ioloop.add_callback(porter.start)
        self.ioloop.start()

    def quit(self):
        """Takes nothing new. The loop ends when all that is open has ended, or its time is over."""
        self.ending.begin()

    def carry(self):
        """Carries tasks from their queue into the loop, and pages out of it."""
        rest = Rest()
        try:
            while not (self.ending and (self.ending.over() or not (self.open or self.fetched))):
                self.pulse.took(0)
                moved = self.send_fetched() + (0 if self.ending else self.take())
                self.pulse.open(len(self.open))
                if self.open and not moved:
                    time.sleep(POLL)
                else:
                    rest.after(moved)
        except Ended:
            logging.warning("open messages stay held in Redis, until the next start")
        self.ioloop.add_callback(self.ioloop.stop)

    def take(self):
        room = min(self.poolsize - len(self.open) - len(self.fetched), SHARE)
        if room <= 0 or self.outqueue.full():
            return 0
        taken = self.inqueue.take(room)
        self.pulse.took(len(taken))
        for one in taken:
            self.begin(one)
        return len(taken)

    def begin(self, taken):
        from pyspider.libs import utils

        try:
            task = utils.decode_unicode_obj(taken.message)
            task.get("url")
        except Exception as error:
            self.pulse.failed(error)
            self.inqueue.fail(taken.number, error)
            return
        # The task itself is kept, so that no other object can have its id.
        self.open[id(task)] = (taken.number, task)
        self.ioloop.add_callback(self.fetch, task)

    def send_fetched(self):
        """Sends the pages that are there, a few at once. They stay in the list until Redis has them."""
        there = list(itertools.islice(self.fetched, SHARE))
        packed = [pair for pair in map(self.packed, there) if pair]
        if packed:
            self.inqueue.commit_each(packed)
            self.pulse.did(len(packed))
        for _ in there:
            self.fetched.popleft()
        return len(there)

    def packed(self, fetched):
        """The number of a task, and its outcome; None for one that can't be packed, which is put aside."""
        (number, _), task, result = fetched
        try:
            return number, [(self.outqueue.name, umsgpack.packb((task, result)))]
        except Exception as error:
            self.pulse.failed(error)
            self.inqueue.fail(number, error)
            return None
