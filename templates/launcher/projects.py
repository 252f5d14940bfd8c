"""The scheduler's projects: none waits for ever, and none of their tasks is sent twice."""

from __future__ import absolute_import

import logging
import threading
import time
from collections import deque

from .clock import clock
from .flying import flying

LOOK_BACK = 300
"""Seconds by which the clock of a web UI may be behind this one's."""
ASK_AGAIN = 30.0
"""Seconds until a project that has not told about itself is asked again; then twice as long each time."""
LONGEST_ASK = 600.0
LOOK_AGAIN = 5.0
"""Seconds between two looks at the tasks on their way: each reads all queues."""
LOOK_AHEAD = 2 * LOOK_AGAIN
"""Seconds for which a look counts: a round may take some of them."""

HOUR = 3600
MADE_UP = HOUR
"""Seconds of which each tick is made up for: stores may be away for so long. pyspider counts a gap of any length."""
STEP_BACK = 60
"""Seconds by which a clock may be set back until ticks begin anew; else those that come again are waited for."""
ROUND = (7 * 24 * HOUR, 24 * HOUR, 12 * HOUR, 6 * HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR, 1)
FINISHED = "on_finished"


class Shown(deque):
    """What the web UI shows of a project: it takes apart in place whatever it finds, in a thread of its own.

    pyspider has the very tasks here that it is about to send: without their callback they would be lost.
    """

    def appendleft(self, pair):
        at, task = pair
        task = dict(task)
        if isinstance(task.get("track"), dict):
            parts = task["track"].items()
            task["track"] = dict((name, dict(part) if isinstance(part, dict) else part) for name, part in parts)
        super(Shown, self).appendleft((at, task))

    def __iter__(self):
        # Tasks come while the other thread looks, which Python refuses.
        return iter(tuple(super(Shown, self).__iter__()))


class Known(dict):
    """The scheduler's projects."""

    def __setitem__(self, name, project):
        project.active_tasks = Shown(project.active_tasks, project.active_tasks.maxlen)
        super(Known, self).__setitem__(name, project)


class ProjectsInSight(object):
    """Over pyspider's ThreadBaseScheduler. Each method names the fault that it mends."""

    def __init__(self, *args, **kwargs):
        self.flying_now, self.flying_at, self.flying_lock = None, 0.0, threading.Lock()
        self.asked, self.asked_at = {}, 0.0
        self.looked = {}
        self.main = threading.current_thread()
        super(ProjectsInSight, self).__init__(*args, **kwargs)

    def _update_projects(self):
        """pyspider forgets an update that is asked for while it looks, and one by a clock that is behind."""
        now = time.time()
        if not self._force_update_project and 0 <= now - self._last_update_project < self.UPDATE_PROJECT_INTERVAL:
            return
        self._force_update_project = False
        self.flying_now = None
        for project in list(self.projectdb.check_update(max(0, self._last_update_project - LOOK_BACK))):
            self.refresh(project)
        self._last_update_project = now
        # pyspider goes on, and drops the messages of projects that it does not know yet.
        self._wait_thread()

    def refresh(self, project):
        known = self.projects.get(project["name"])
        if known is None or (known.updatetime, known.db_status) != (project["updatetime"], project["status"]):
            self._update_project(project)

    def task_verify(self, task):
        """pyspider refuses a task of a project that was saved, or set RUNNING, a moment ago."""
        name = task.get("project")
        known = self.projects.get(name)
        if name and (known is None or not known.active) and self.look_at(name):
            return all(task.get(each) for each in ("taskid", "project", "url"))
        return super(ProjectsInSight, self).task_verify(task)

    def look_at(self, name):
        """Whether projectdb says that a project runs. One that does not is looked at once a second."""
        if clock() < self.looked.get(name, clock() - 1) + 1:
            return False
        found = self.projectdb.get(name)
        if not found or found["status"] not in ("RUNNING", "DEBUG"):
            self.looked[name] = clock()
            return False
        if threading.current_thread() is self.main:
            self.flying_now = None
            self._update_project(found)
            self._wait_thread()
        else:
            self._force_update_project = True
        return True

    def ask_again(self):
        """pyspider asks a project once for its settings, and loads it once; without both none of its tasks is sent."""
        now = time.time()
        if 0 <= now - self.asked_at < 1:
            return
        self.asked_at = now
        for name, project in list(self.projects.items()):
            if not project.active or (project.task_loaded and not project.waiting_get_info):
                self.asked.pop(name, None)
                continue
            since, pause = self.asked.setdefault(name, (clock(), ASK_AGAIN))
            if clock() > since + pause:
                logging.warning("%s was not loaded, or has told no settings, for %.0f s: once more", name, pause)
                self.asked[name] = (clock(), min(pause * 2, LONGEST_ASK))
                self.flying_now = None
                self._update_project(dict(project.project_info))

    # Tasks on their way are neither sent again at a start, nor after a time that long queues need.

    def _load_tasks(self, project):
        on_the_way = self.on_the_way().get(project.name, ())
        super(ProjectsInSight, self)._load_tasks(project)
        for taskid in on_the_way:
            self.in_processing(project.task_queue, taskid, only_known=True)
        # pyspider tells no project of its end but one of whose tasks this very process has selected one.
        if len(project.task_queue) > (FINISHED in project.task_queue):
            project._selected_tasks = True

    def on_the_way(self):
        with self.flying_lock:
            if self.flying_now is None:
                self.flying_now = self.out_queue.store.ask(lambda: flying(self.out_queue.redis))
                for task in list(self._send_buffer):
                    self.flying_now.setdefault(task["project"], set()).add(task["taskid"])
            return self.flying_now

    def in_processing(self, tasks, taskid, only_known=False):
        from pyspider.scheduler.task_queue import InQueueTask

        with tasks.mutex:
            if only_known and taskid not in tasks:
                return
            tasks.delete(taskid)
            tasks.processing.put(InQueueTask(taskid, exetime=time.time() + tasks.processing_timeout))

    def _check_cronjob(self):
        """pyspider counts each second by which a clock was set forward, for years of them, and waits after one back."""
        now, last = int(time.time()), int(self._last_tick)
        if last - STEP_BACK <= now <= last + MADE_UP:
            return super(ProjectsInSight, self)._check_cronjob()
        logging.warning("the clock has moved by %d s: ticks (@every) go on from now", now - last)
        for project in list(self.projects.values()):
            step = 0 if not project.active or project.waiting_get_info else int(project.min_tick)
            tick = roundest(last, now, step) if step else None
            if tick is not None:
                self.on_select_task(cronjob(project.name, tick, self.taskdb.SUCCESS))
        self._last_tick = now
        return False

    def everyone(self):
        """All projects, also while a round looks at some of them."""
        return list(self.projects.values())

    def set_back(self, now):
        """pyspider counts tokens, pauses and processing-timeout on from times that lie ahead after a clock was set back."""
        self._last_dump_cnt = min(self._last_dump_cnt, now)
        for project in self.everyone():
            project._paused_time = min(project._paused_time, now)
            tasks = project.task_queue
            tasks.bucket.last_update = min(tasks.bucket.last_update, now)
            with tasks.mutex:
                # No earlier one comes after a later one: it stays a heap.
                for task in tasks.processing.queue:
                    task.exetime = min(task.exetime, now + tasks.processing_timeout)

    def _check_select(self):
        """pyspider sends a task again after processing-timeout, also one that still waits in a queue."""
        now = time.time()
        soon = any(overdue(one, now + LOOK_AGAIN) for one in list(self.projects.values()))
        if soon and not 0 <= now - self.flying_at < LOOK_AGAIN:
            self.flying_at, self.flying_now = now, None
            # Also those of projects that this round leaves out: theirs may be the next one, before the next look.
            for project in self.everyone():
                if overdue(project, now + LOOK_AHEAD):
                    self.keep(project, now)
            self.flying_now = None
        return super(ProjectsInSight, self)._check_select()

    def keep(self, project, now):
        on_the_way = self.on_the_way().get(project.name, ())
        for taskid in on_the_way:
            known = project.task_queue.processing.queue_dict.get(taskid)
            if known is not None and known.exetime < now + LOOK_AHEAD:
                self.in_processing(project.task_queue, taskid)


def overdue(project, then):
    """Whether pyspider would send a task again by then."""
    top = project.task_queue.processing.top
    return top is not None and top.exetime < then


def cronjob(name, tick, status):
    """The task by which pyspider has a project's `@every` called."""
    task = {"taskid": "_on_cronjob", "project": name, "url": "data:,_on_cronjob", "status": status}
    return dict(task, fetch={"save": {"tick": tick}}, process={"callback": "_on_cronjob"})


def roundest(last, now, step):
    """The tick after `last` at which most of a project's `@every` are due, whose common measure is step; or None.

    pyspider calls one of so many seconds at each multiple of them: at a whole day those of an hour are due as well.
    """
    for unit in ROUND:
        each = unit // gcd(unit, step) * step
        if now - now % each > last:
            return now - now % each
    return None


def gcd(one, other):
    while other:
        one, other = other, one % other
    return one
