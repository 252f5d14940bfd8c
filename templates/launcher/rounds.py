"""The scheduler's loop: it waits for what comes next, and asks MySQL once for all that a round needs."""

from __future__ import absolute_import

import logging
import os
import threading
import time
from collections import OrderedDict

from . import lua, together
from .agenda import EACH, Agenda, due_of
from .blocking import Bells
from .clock import clock
from .ledger import Counts, Ledger
from .packing import pack
from .patience import Ended
from .projects import Known, ProjectsInSight
from .queues import LeaseLost
from .words import one_line

LONGEST = 1.0
"""Seconds of the longest wait: pyspider looks every second whether a project wants to be called (`@every`)."""
STEP = 0.1
"""Seconds of a round of pyspider's: it counts them until it calls a project finished."""
GATHER, CROWD = 0.02, 40
"""Seconds in which messages gather while so many tasks are on their way: a round costs the same for one as for many."""
COUNTED = ("5m", "1h", "1d", "all")


class Rounds(ProjectsInSight):
    """Over pyspider's ThreadBaseScheduler, which sleeps 0.1 s in each round, and asks for each task by itself."""

    LOOP_INTERVAL = 0

    def __init__(self, *args, **kwargs):
        self.selected = self.book = self.looked_at = None
        self.outgoing, self.collects = [], False
        self.agenda, self.looked_all, self.crowd, self.crowd_at = Agenda(), 0.0, 0, 0.0
        self.rang, self.stepped_at, self.again_at = True, 0.0, None
        self.full, self.held_up = False, set()
        """Whether the fetchers' queue was full at the last look, and the projects that wait for room there."""
        super(Rounds, self).__init__(*args, **kwargs)
        out = self.out_queue
        out.alone = True
        names = [self.newtask_queue.name + lua.BELL, self.status_queue.name + lua.BELL, out.name + lua.ROOM]
        self.bells = Bells(out.redis, names)
        if hasattr(self.taskdb, "together"):
            self.book = Ledger(self.taskdb, self.refused)
            for name in COUNTED:
                self._cnt[name] = Counts(self._cnt[name], self.book)

    @property
    def taskdb(self):
        own = self.__dict__.get("book") if threading.current_thread() is self.main else None
        return own or super(Rounds, self).taskdb

    @taskdb.setter
    def taskdb(self, taskdb):
        inherited = getattr(super(Rounds, type(self)), "taskdb", None)
        inherited.fset(self, taskdb)

    @property
    def projects(self):
        """Those that this round looks at, while it selects tasks; else all."""
        if self.looked_at is not None and threading.current_thread() is self.main:
            return self.looked_at
        return self.all_projects

    @projects.setter
    def projects(self, projects):
        self.all_projects = Known(projects)

    @property
    def _force_update_project(self):
        return self.__dict__.get("forced", False)

    @_force_update_project.setter
    def _force_update_project(self, value):
        # It is set by a call of the web UI's, in another thread.
        self.__dict__["forced"] = value
        if value:
            self.waker.wake()

    # Waiting.

    def rest(self):
        """Waits for a message, for room in the fetchers' queue, or until the next task is due."""
        seconds = self.due(time.time()) - time.time()
        self.rang = True
        if seconds > 0:
            store = self.out_queue.store
            if self.full:
                store.ask(lambda: self.out_queue.want_room())
            self.rang = store.ask(lambda: self.bells.wait(min(seconds, LONGEST), self.waker))
        if self.rang and self.crowded():
            time.sleep(GATHER)

    def crowded(self):
        """Whether many tasks are on their way."""
        if not 0 <= time.time() - self.crowd_at < LONGEST / 2:
            self.crowd_at = time.time()
            self.crowd = sum(one.task_queue.processing.qsize() for one in list(self.projects.values()))
        return self.crowd > CROWD

    def due(self, now):
        """When the next thing is to be done that no message tells of."""
        times = [now + LONGEST, self._last_tick + 1]
        if self._postpone_request:
            times.append(now + STEP)
        if self.again_at is not None:
            times.append(now + self.again_at - clock())
        if (self._send_buffer or self.held_up) and not self.full:
            times.append(now)
        soonest = self.agenda.next()
        times += [] if soonest is None else [soonest]
        return min(times)

    # Threads: one that fails in pyspider's is dropped, and a queue that is empty is taken for a thread that is done.

    def _run_in_thread(self, method, *args, **kwargs):
        """Only projects are loaded in a thread: all else waits for the ledger, and there is nothing to wait for twice."""
        if method.__name__ == "_update_project":
            return super(Rounds, self)._run_in_thread(method, *args, **kwargs)
        self.attempt(method, args)

    def _thread_worker(self, queue):
        while True:
            method, args, _ = queue.get()
            try:
                self.attempt(method, args)
            except LeaseLost:
                logging.error("the lease went to another scheduler: this one ends")
                os._exit(1)
            finally:
                queue.task_done()

    def attempt(self, method, args):
        try:
            method(*args)
        except LeaseLost:
            raise
        except (Exception, Ended) as error:
            self.broke(args[-1], error)

    def _wait_thread(self):
        while any(queue.unfinished_tasks for queue in getattr(self, "thread_queues", ())):
            time.sleep(0.002)

    # A round.

    def run_once(self):
        self.rest()
        self.pulse.took(0)
        self.ask_again()
        super(Rounds, self).run_once()
        self._wait_thread()
        self.settle()

    def read_ahead(self, wanted, fields):
        if self.book and wanted:
            try:
                self.book.ahead(wanted, fields)
            except Exception as error:
                # Each is asked for by itself, and fails by itself.
                self.book.rows.clear()
                logging.error("tasks can't be read together: %s", one_line(error))

    def _check_select(self):
        """pyspider reads and sends the tasks that it selects one by one."""
        if self.book:
            self.book.flush()
        self.full = self.full and self.out_queue.full()
        self.looked_at = looked_at = self.due_projects()
        waits = [(one, one._send_finished_event_wait) for one in looked_at.values() if one._selected_tasks]
        self.selected, self.collects = [], True
        try:
            counts = super(Rounds, self)._check_select()
            selected, self.selected, self.looked_at = self.selected, None, None
            self.read_ahead(selected, self.request_task_fields)
            for project, taskid in selected:
                self._load_put_task(project, taskid)
        finally:
            self.selected, self.collects, self.looked_at = None, False, None
            self.step(waits)
            self.note(looked_at)
        return counts

    def note(self, looked_at):
        """When each of these projects is looked at again."""
        out, now = self.out_queue, time.time()
        self.full = self.full or 0 < out.maxsize <= out.last_qsize + len(self.outgoing)
        for name, project in looked_at.items():
            self.agenda.note(name, due_of(project, now, self.full, self.stepped_at, STEP))
            if self.full:
                self.held_up.add(name)

    def everyone(self):
        return list(self.all_projects.values())

    def due_projects(self):
        now = time.time()
        if now < self.looked_all:
            self.set_back(now)
        if not 0 <= now - self.looked_all < EACH:
            self.looked_all = now
            for name in list(self.all_projects):
                self.agenda.touch(name)
        if not self.full:
            for name in self.held_up:
                self.agenda.touch(name)
            self.held_up.clear()
        names = self.agenda.take(now)
        return OrderedDict((name, self.all_projects[name]) for name in names if name in self.all_projects)

    def _update_project(self, project):
        self.agenda.touch(project["name"])
        return super(Rounds, self)._update_project(project)

    def put_task(self, task):
        self.agenda.touch(task["project"])
        return super(Rounds, self).put_task(task)

    def step(self, waits):
        """Several rounds within the time of one of pyspider's count as one."""
        now = time.time()
        if 0 <= now - self.stepped_at < STEP:
            for project, count in waits:
                project._send_finished_event_wait = min(project._send_finished_event_wait, count)
        else:
            self.stepped_at = now

    def _load_put_task(self, project, taskid):
        if self.selected is not None:
            self.selected.append((project, taskid))
        else:
            super(Rounds, self)._load_put_task(project, taskid)

    def send_task(self, task, force=True):
        if not self.collects or threading.current_thread() is not self.main:
            return super(Rounds, self).send_task(task, force)
        out = self.out_queue
        if not self.full and out.maxsize and out.last_qsize + len(self.outgoing) >= out.maxsize:
            self.push()
            self.full = out.full()
        if not self.full:
            self.outgoing.append(pack(task))
        elif force:
            self._send_buffer.appendleft(task)
        else:
            raise out.Full

    def push(self):
        self.out_queue.put_packed(self.outgoing)
        self.outgoing = []

    def finish(self, done):
        """The end of a round: its tasks go to the fetchers, and the messages that led to them are done with."""
        if self.outgoing or done:
            together.finish(self.out_queue, self.outgoing, done)
            self.outgoing = []
        self.full = self.out_queue.full()
