"""The result_worker: a result stays held until MySQL has it. Saving one twice leaves one row."""

from __future__ import absolute_import

import logging
import time

from .blocking import readable
from .clock import clock
from .database import MOST_BYTES
from .patience import PAUSES, TRIES, Loop
from .words import parts

SHARE = 50
GATHER = 0.02
"""Seconds in which results gather: a commit costs the same for one as for many."""
OLD = 10.0
"""Seconds after which a result may have been given to another consumer, who may have saved a newer one since."""


class Group(object):
    """Over pyspider's ResultDB on MySQL: what is saved for a message goes there together with others, by flush()."""

    def __init__(self, db):
        self.db, self.number, self.rows, self.failed = db, None, [], set()

    def __getattr__(self, name):
        # Whoever looks sees what was saved.
        self.flush()
        return getattr(self.db, name)

    def save(self, project, taskid, url, result):
        if self.number is None:
            return self.db.save(project, taskid, url, result)
        row = self.db._stringify({"taskid": taskid, "url": url, "result": result, "updatetime": time.time()})
        self.rows.append((self.number, project, [row[name] for name in ("taskid", "url", "result", "updatetime")]))

    def flush(self):
        """Saves; `failed` are the messages of which a row was not saved."""
        rows, self.rows = self.rows, []
        for part in parts(rows, lambda row: len(row[2][2] or ""), MOST_BYTES):
            try:
                self.db.together([self.statement(project, some) for project, some in by_project(part)])
            except Exception:
                self.failed.update(number for number, _, _ in part)

    def statement(self, project, rows):
        if project not in self.db.projects:
            self.db._create_project(project)
            self.db._list_project()
        names = ", ".join(map(self.db.escape, ("taskid", "url", "result", "updatetime")))
        marks = ", ".join(["(%s)" % ", ".join([self.db.placeholder] * 4)] * len(rows))
        sql = "REPLACE INTO %s (%s) VALUES %s" % (self.db.escape(self.db._tablename(project)), names, marks)
        return sql, [value for row in rows for value in row]


def by_project(rows):
    found = {}
    for _, project, row in rows:
        found.setdefault(project, []).append(row)
    return found.items()


class KeepingResultWorker(Loop):
    """Over pyspider's ResultWorker, which pops a result and drops it when it can't be saved."""

    def __init__(self, *args, **kwargs):
        super(KeepingResultWorker, self).__init__(*args, **kwargs)
        self.group = None
        if hasattr(self.resultdb, "together"):
            self.resultdb = self.group = Group(self.resultdb)

    def once(self):
        taken = self.inqueue.next(SHARE, waker=self.waker)
        if 0 < len(taken) < SHARE:
            readable([], GATHER, self.waker)
            taken += self.inqueue.take(SHARE - len(taken))
        self.pulse.took(len(taken))
        self.pulse.open(len(taken))
        saved = []
        try:
            self.save(taken, saved)
        finally:
            self.inqueue.done(saved)
            self.pulse.did(len(saved))
            self.pulse.open(0)

    def save(self, taken, saved):
        """All together; then each of those that this is not possible for by itself."""
        good = self.together(taken) if self.group else set()
        saved += good
        for one in taken:
            if one.number not in good and self.saved(one):
                saved.append(one.number)

    def together(self, taken):
        """The numbers of those that were saved."""
        self.group.failed.clear()
        for one in taken:
            self.group.number = one.number
            try:
                self.on_result(*one.message)
            except Exception:
                self.group.failed.add(one.number)
        self.group.number = None
        self.group.flush()
        return set(one.number for one in taken) - self.group.failed

    def saved(self, taken):
        for tries in range(TRIES):
            if clock() > taken.taken_at + OLD and not self.inqueue.holds(taken.number):
                return False
            try:
                self.on_result(*taken.message)
                return True
            except Exception as error:
                logging.exception("a result was not saved, try %d of %d", tries + 1, TRIES)
                self.pulse.failed(error)
                last = error
                if tries < len(PAUSES):
                    self.inqueue.store.wait(PAUSES[tries])
        self.inqueue.fail(taken.number, last)
        return False
