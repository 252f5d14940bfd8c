"""The processor: all that a task yields goes out in one piece, together with the end of the task."""

from __future__ import absolute_import

import logging

from .clock import clock
from .packing import pack
from .patience import PAUSES, TRIES, Ended, Loop

BUSY = 15
"""Seconds that a script may keep all threads of its process from running, longer than the silence."""
ROOM_SECONDS = 8
"""Seconds that one which ends waits for room in a queue; supervisord gives it ten beyond the limit of a page."""


class Outgoing(object):
    """One of the processor's queues, as pyspider and scripts see it: puts wait for the end of the task."""

    def __init__(self, queue, outcome):
        self.queue, self.outcome = queue, outcome

    def __getattr__(self, name):
        return getattr(self.queue, name)

    def put(self, obj, block=True, timeout=None):
        # Packed now: a result of a kind that can't be packed is its script's error.
        self.outcome.append((self.queue.name, pack(obj)))
        return True

    def put_nowait(self, obj):
        return self.put(obj)


class KeepingProcessor(Loop):
    """Over pyspider's Processor, which pops a page first, and puts what came of it one by one."""

    def __init__(self, projectdb, inqueue, status_queue, newtask_queue, result_queue, *args, **kwargs):
        self.outcome = []
        self.targets = [status_queue, newtask_queue, result_queue]
        own = [Outgoing(queue, self.outcome) for queue in self.targets]
        super(KeepingProcessor, self).__init__(projectdb, inqueue, *(own + list(args)), **kwargs)
        self.busy = min(kwargs.get("process_time_limit") or BUSY, BUSY)
        self.ahead = []

    def once(self):
        """One message. The end of one brings the next."""
        taken, self.ahead = self.ahead or self.inqueue.next(1, self.busy, waker=self.waker), []
        self.pulse.took(len(taken))
        for one in taken:
            self.pulse.open(1)
            self.tried(one)
            self.pulse.open(0)

    def tried(self, taken):
        for tries in range(TRIES):
            try:
                del self.outcome[:]
                task, response = taken.message
                self.on_task(task, response)
            except Exception as error:
                logging.exception("a message failed, try %d of %d", tries + 1, TRIES)
                self.pulse.failed(error)
                last = error
                if tries < len(PAUSES):
                    self.inqueue.store.wait(PAUSES[tries])
            else:
                return self.send(taken.number)
        self.inqueue.fail(taken.number, last)

    def send(self, number):
        self.wait_for_room()
        lengths, self.ahead = self.inqueue.commit_and_take(number, self.outcome, 0 if self.ending else 1, self.busy)
        lengths = lengths or {}
        for queue in self.targets:
            queue.last_qsize = lengths.get(queue.name, queue.last_qsize)
        self.pulse.did()

    def wait_for_room(self):
        """Waits while a queue is full that gets something, as a put of pyspider does. Raises Ended."""
        names, began = set(name for name, _ in self.outcome), clock()
        for queue in self.targets:
            while queue.name in names and not queue.wait_for_room():
                # However long the page has taken: it is not begun anew for a moment's wait.
                if self.ending and clock() > max(began, self.ending.since) + ROOM_SECONDS:
                    raise Ended("%s is full" % queue.name)
