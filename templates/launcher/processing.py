"""The processor: all that a task yields goes out in one piece, together with the end of the task."""

from __future__ import absolute_import

import logging

import umsgpack

from .clock import clock
from .packing import REFUSALS, pack
from .patience import PAUSES, TRIES, Ended, Loop
from .words import one_line

BUSY = 15
"""Seconds that a script may keep all threads of its process from running, longer than the silence."""
ROOM_SECONDS = 8
"""Seconds that one which ends waits for room in a queue; supervisord gives it ten beyond the limit of a page."""

OF_THE_VALUE = REFUSALS + (umsgpack.PackException,)
"""Errors of what a callback has returned, saved or crawled: pyspider writes it down where no error is the script's."""


class Blamed(object):
    """In place of the scripts: one that has failed."""

    def __init__(self, error):
        self.words = u"the callback has run, but what it gave can't be written down: %s: %s" % (
            type(error).__name__,
            one_line(error),
        )

    def get(self, *_):
        # Python 2.7 shows no other letters of an error.
        raise ValueError(self.words.encode("ascii", "backslashreplace").decode("ascii"))


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
            except OF_THE_VALUE as error:
                return self.blame(taken, error)
            except Exception as error:
                logging.exception("a message failed, try %d of %d", tries + 1, TRIES)
                self.pulse.failed(error)
                last = error
                if tries < len(PAUSES):
                    self.inqueue.store.wait(PAUSES[tries])
            else:
                return self.send(taken.number)
        self.inqueue.fail(taken.number, last)

    def blame(self, taken, error):
        """Tells that the script has failed, in pyspider's words: its page shows it, and its settings say when again."""
        logging.error("a script's outcome can't be written down", exc_info=True)
        del self.outcome[:]
        scripts, self.project_manager = self.project_manager, Blamed(error)
        try:
            self.on_task(*taken.message)
        except Exception as last:
            # It is no script's, but the message's own.
            self.pulse.failed(last)
            self.inqueue.fail(taken.number, last)
        else:
            self.send(taken.number)
        finally:
            self.project_manager = scripts

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
