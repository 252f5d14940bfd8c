"""Which projects a round of the scheduler looks at: those with something to do now, of hundreds."""

from __future__ import absolute_import

import heapq

EACH = 10.0
"""Seconds after which every project is looked at, whatever was said of it."""


class Agenda(object):
    """The names of projects, and when each is due."""

    def __init__(self):
        self.touched, self.times, self.heap = set(), {}, []

    def touch(self, name):
        """Something has happened to a project."""
        self.touched.add(name)

    def note(self, name, when):
        self.times[name] = when
        heapq.heappush(self.heap, (when, name))

    def next(self):
        """When the next one is due; None where there is none."""
        if self.touched:
            return 0
        while self.heap and self.times.get(self.heap[0][1]) != self.heap[0][0]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def take(self, now):
        """Those that are due, the longest due first; each is to be noted again."""
        due = []
        while self.heap and self.heap[0][0] <= now:
            when, name = heapq.heappop(self.heap)
            if self.times.get(name) == when:
                due.append(name)
                self.touched.discard(name)
        due += sorted(self.touched)
        self.touched.clear()
        for name in due:
            self.times.pop(name, None)
        return due


def due_of(project, now, full, stepped_at, step):
    """When a project has something to do that no message tells of; `full` is the fetchers' queue."""
    if full or not project.active or project._paused is True or project.waiting_get_info:
        # None of its tasks is looked at, whenever one is due. A project that was paused may be 'checking' as well.
        return now + EACH
    tasks, times = project.task_queue, [now + EACH]
    times += [top.exetime for top in (tasks.time_queue.top, tasks.processing.top) if top is not None]
    if tasks.priority_queue.qsize():
        times.append(refilled(tasks.bucket, now))
    if project._selected_tasks and not len(tasks):
        times.append(stepped_at + step)
    return min(times)


def refilled(bucket, now):
    """When a bucket has a token."""
    if bucket.bucket >= 1:
        return now
    if bucket.burst < 1:
        # It never has one.
        return now + EACH
    return bucket.last_update + 1.0 / bucket.rate if bucket.rate > 0 else now + EACH
