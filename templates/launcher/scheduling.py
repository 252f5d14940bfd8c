"""The scheduler: each message stays held until taskdb has it."""

from __future__ import absolute_import

import logging
import os
import time
from collections import OrderedDict

from . import together
from .clock import clock
from .patience import PAUSES, TRIES, Ended
from .queues import LeaseLost
from .rounds import STEP, Rounds
from .words import one_line

AT_ONCE = 100


class Hand(object):
    """A message that the scheduler holds until all of it is in taskdb."""

    def __init__(self, queue, taken):
        self.queue, self.number, self.message = queue, taken.number, taken.message
        self.tries, self.error, self.again_at = 0, None, None
        self.looked_at = False
        """Whether this round, or one before, has begun with it: a round may end by an error of something else first."""

    def tasks(self):
        return self.message if isinstance(self.message, list) else [self.message]


class KeepingScheduler(Rounds):
    """Over pyspider's ThreadBaseScheduler. Each method names the fault that it mends."""

    def __init__(self, *args, **kwargs):
        self.hands = []
        self.of = {}
        super(KeepingScheduler, self).__init__(*args, **kwargs)

    def broke(self, task, error):
        hand = self.of.get(id(task))
        if hand is not None:
            hand.error = error
        elif not isinstance(error, Ended):
            logging.error("a task failed: %s", one_line(error), exc_info=True)

    def refused(self, task, kind, error):
        """MySQL does not take a row."""
        project = self.all_projects.get(task["project"])
        if kind == "insert" and project is not None:
            project.task_queue.delete(task["taskid"])
        self.broke(task, error)

    def run_once(self):
        try:
            super(KeepingScheduler, self).run_once()
        except LeaseLost:
            logging.error("the lease went to another scheduler: this one ends")
            os._exit(1)

    # Messages.

    def take(self, *queues):
        """The messages that are there, for each queue."""
        several = [[Hand(queue, one) for one in found] for queue, found in zip(queues, together.take(queues, AT_ONCE))]
        for hands in several:
            self.pulse.took(len(hands))
            self.hands += hands
        return several

    def _check_task_done(self):
        """pyspider pops a status before taskdb has it; a status counts before the new tasks that came with it."""
        self.new_hands, heard = self.again(self.newtask_queue), self.again(self.status_queue)
        more, count = self.rang, 0
        while more:
            new, statuses = self.take(self.newtask_queue, self.status_queue)
            count += sum(len(hand.tasks()) for hand in new)
            self.new_hands += new
            heard += statuses
            more = len(new) == AT_ONCE and count < self.LOOP_LIMIT
            while not more and len(statuses) == AT_ONCE:
                (statuses,) = self.take(self.status_queue)
                heard += statuses
        for hand in heard:
            self.guarded(hand, self.hear)
        return len(heard)

    def again(self, queue):
        """The messages that have failed, and are to be tried again now; those that a round was broken off before."""
        now = clock()
        mine = [hand for hand in self.hands if hand.queue is queue]
        hands = [hand for hand in mine if not hand.looked_at or (hand.again_at or now + 1) <= now]
        for hand in hands:
            hand.again_at, hand.looked_at = None, False
        return hands

    def guarded(self, hand, work):
        hand.looked_at = True
        try:
            work(hand)
        except LeaseLost:
            raise
        except Exception as error:
            hand.error = error

    def hear(self, hand):
        """A status. One that is heard a second time was not done with the first time."""
        task = hand.message
        self.agenda.touch(task.get("project"))
        if task.get("taskid") == "_on_get_info" and "project" in task and "track" in task:
            project = self.projects.get(task["project"])
            if project is not None:
                project.on_get_info(task["track"].get("save") or {})
                logging.info("%s on_get_info %r", task["project"], task["track"].get("save", {}))
            return
        if not self.task_verify(task):
            return
        if self.untold(task):
            hand.again_at = clock() + STEP
            return
        self.of[id(task)] = hand
        if hand.tries:
            tasks = self.projects[task["project"]].task_queue
            self.in_processing(tasks, task["taskid"])
        self.on_task_status(task)

    def untold(self, task):
        """Whether a task has failed whose project has not told yet when to try again, as after each start.

        pyspider fails at its status then, and drops it.
        """
        process = (task.get("track") or {}).get("process") or {}
        return not process.get("ok") and not hasattr(self.projects[task["project"]], "retry_delay")

    def _check_request(self):
        """pyspider pops a task before taskdb has it, and takes those of two projects with one id for one task."""
        self.ask_postponed()
        tasks = OrderedDict()
        for hand in self.new_hands:
            self.guarded(hand, lambda hand: self.gather(hand, tasks))
        self.new_hands = []
        self.read_ahead(list(tasks), self.merge_task_fields)
        for task in tasks.values():
            self.request(task)
        return len(tasks)

    def request(self, task):
        try:
            self.on_request(task)
        except Exception as error:
            self.broke(task, error)

    def ask_postponed(self):
        waiting, self._postpone_request = self._postpone_request, []
        for task in waiting:
            project = self.projects.get(task["project"])
            if project is not None and project.task_queue.is_processing(task["taskid"]):
                self._postpone_request.append(task)
            elif project is not None:
                self.request(task)

    def gather(self, hand, tasks):
        for task in hand.tasks():
            if not self.task_verify(task):
                continue
            forced = (task.get("schedule") or {}).get("force_update", False)
            key = (task["project"], task["taskid"])
            if not forced and (key in tasks or key[1] in self.projects[key[0]].task_queue):
                continue
            tasks[key] = task
            self.of[id(task)] = hand

    def settle(self):
        """Gives out of hand whatever taskdb has; a postponed change stays, and so does what failed."""
        postponed = set(id(self.of[id(task)]) for task in self._postpone_request if id(task) in self.of)
        done, kept = {}, []
        for hand in self.hands:
            if hand.error is not None:
                if self.tried(hand):
                    kept.append(hand)
            elif not hand.looked_at or hand.again_at is not None or id(hand) in postponed:
                kept.append(hand)
            else:
                done.setdefault(hand.queue, []).append(hand.number)
        self.finish(list(done.items()))
        self.pulse.did(sum(map(len, done.values())))
        self.hands = kept
        still = set(id(hand) for hand in kept)
        self.of = dict((key, hand) for key, hand in self.of.items() if id(hand) in still)
        self.again_at = min([hand.again_at for hand in kept if hand.again_at is not None] or [None])
        self.pulse.open(len(kept))

    def tried(self, hand):
        """Whether a message that has failed is tried again; else it is put aside."""
        error, hand.error, hand.again_at = hand.error, None, clock() + STEP
        if isinstance(error, Ended):
            return True
        hand.tries += 1
        self.pulse.failed(error)
        logging.error("a message failed, try %d of %d: %s", hand.tries, TRIES, one_line(error))
        if hand.tries >= TRIES:
            hand.queue.fail(hand.number, error)
            return False
        hand.again_at = clock() + PAUSES[hand.tries - 1]
        return True
