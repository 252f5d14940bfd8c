"""The scheduler: each message stays held until taskdb has it."""

from __future__ import absolute_import

import logging
import os
import time
from collections import OrderedDict

from .patience import TRIES, Ended
from .projects import ProjectsInSight
from .queues import LeaseLost, one_line

class Hand(object):
    """A message that the scheduler holds until all of it is in taskdb."""

    def __init__(self, queue, taken):
        self.queue, self.number, self.message = queue, taken.number, taken.message
        self.tries, self.error = 0, None

    def tasks(self):
        return self.message if isinstance(self.message, list) else [self.message]


class KeepingScheduler(ProjectsInSight):
    """Over pyspider's ThreadBaseScheduler. Each method names the fault that it mends."""

    def __init__(self, *args, **kwargs):
        self.hands = []
        self.of = {}
        super(KeepingScheduler, self).__init__(*args, **kwargs)

    def quit(self):
        self.ending.begin()
        super(KeepingScheduler, self).quit()

    # Threads: pyspider drops what fails in one, and takes a queue that is empty for a thread that is done.

    def _thread_worker(self, queue):
        while True:
            method, args, kwargs = queue.get()
            try:
                method(*args, **kwargs)
            except LeaseLost:
                logging.error("the lease went to another scheduler: this one ends")
                os._exit(1)
            except (Exception, Ended) as error:
                self.broke(args[-1], error)
            finally:
                queue.task_done()

    def broke(self, task, error):
        hand = self.of.get(id(task))
        if hand is not None:
            hand.error = error
        elif not isinstance(error, Ended):
            logging.exception(error)

    def _wait_thread(self):
        while any(queue.unfinished_tasks for queue in getattr(self, "thread_queues", ())):
            time.sleep(0.002)

    def run_once(self):
        self.pulse.took(0)
        self.ask_again()
        super(KeepingScheduler, self).run_once()
        self._wait_thread()
        self.settle()

    # Messages.

    def take(self, queue):
        found = queue.take(100)
        self.pulse.took(len(found))
        hands = [Hand(queue, taken) for taken in found]
        self.hands += hands
        return hands

    def _check_task_done(self):
        """pyspider pops a status before taskdb has it; a status counts before the new tasks that came with it."""
        self.new_hands = self.again(self.newtask_queue)
        count = sum(len(hand.tasks()) for hand in self.new_hands)
        while count < self.LOOP_LIMIT:
            hands = self.take(self.newtask_queue)
            if not hands:
                break
            count += sum(len(hand.tasks()) for hand in hands)
            self.new_hands += hands
        hands, done = self.again(self.status_queue) or self.take(self.status_queue), 0
        while hands:
            for hand in hands:
                self.guarded(hand, self.hear)
            done += len(hands)
            hands = self.take(self.status_queue)
        return done

    def again(self, queue):
        """The messages that have failed, to be tried again."""
        hands = [hand for hand in self.hands if hand.queue is queue and hand.error is not None]
        for hand in hands:
            hand.error = None
        return hands

    def guarded(self, hand, work):
        try:
            work(hand)
        except LeaseLost:
            raise
        except Exception as error:
            hand.error = error

    def hear(self, hand):
        """A status. One that is heard a second time was not done with the first time."""
        task = hand.message
        if task.get("taskid") == "_on_get_info" and "project" in task and "track" in task:
            project = self.projects.get(task["project"])
            if project is not None:
                project.on_get_info(task["track"].get("save") or {})
                logging.info("%s on_get_info %r", task["project"], task["track"].get("save", {}))
            return
        if not self.task_verify(task):
            return
        self.of[id(task)] = hand
        if hand.tries:
            tasks = self.projects[task["project"]].task_queue
            self.in_processing(tasks, task["taskid"])
        self.on_task_status(task)

    def _check_request(self):
        """pyspider pops a task before taskdb has it, and takes those of two projects with one id for one task."""
        self._wait_thread()
        self.ask_postponed()
        tasks = OrderedDict()
        for hand in self.new_hands:
            self.guarded(hand, lambda hand: self.gather(hand, tasks))
        self.new_hands = []
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
            if hand.error is not None and self.tried(hand) or id(hand) in postponed:
                kept.append(hand)
            elif hand.error is None:
                done.setdefault(hand.queue, []).append(hand.number)
        for queue, numbers in done.items():
            queue.done(numbers)
            self.pulse.did(len(numbers))
        self.hands = kept
        still = set(id(hand) for hand in kept)
        self.of = dict((key, hand) for key, hand in self.of.items() if id(hand) in still)
        self.pulse.open(len(kept))

    def tried(self, hand):
        """Whether a message that has failed is tried again; else it is put aside."""
        if isinstance(hand.error, Ended):
            return True
        hand.tries += 1
        self.pulse.failed(hand.error)
        logging.error("a message failed, try %d of %d: %s", hand.tries, TRIES, one_line(hand.error))
        if hand.tries >= TRIES:
            hand.queue.fail(hand.number, hand.error)
        return hand.tries < TRIES

