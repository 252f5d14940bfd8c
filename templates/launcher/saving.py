"""The result_worker: a result stays held until MySQL has it. Saving one twice leaves one row."""

from __future__ import absolute_import

import logging
import time

from .blocking import SECONDS, readable
from .clock import clock
from .database import MOST_BYTES, OF_THE_VALUE
from .patience import PAUSES, TRIES, Loop
from .words import one_line, parts

SHARE = 50
GATHER = 0.02
"""Seconds in which results gather: a commit costs the same for one as for many."""
OLD = 10.0
"""Seconds after which a result may have been given to another consumer, who may have saved a newer one since."""
MOST_UNSAVED = 100
"""Results in hand that were not saved, and are tried again; with so many, no new ones are taken."""


class Unfit(TypeError, ValueError):
    """A result that is no JSON, however often it is tried; pyspider raises the one or the other."""


class Unsaved(object):
    """A result in hand that is saved by itself, and when it is tried. `saves`: how many were saved before it failed."""

    def __init__(self, taken):
        self.taken, self.key = taken, key(taken)
        self.tries, self.again_at, self.saves = 0, 0, None


def key(taken):
    """The row that a result goes to, where two are saved in order; its own number where it is no result."""
    try:
        found = taken.message[0]["project"], taken.message[0]["taskid"]
        hash(found)
        return found
    except (TypeError, LookupError):
        return taken.number


class Group(object):
    """Over pyspider's ResultDB on MySQL: what is saved for a message goes there together with others, by flush()."""

    def __init__(self, db):
        self.db, self.number, self.rows, self.failed = db, None, [], set()

    def __getattr__(self, name):
        # Whoever looks sees what was saved.
        self.flush()
        return getattr(self.db, name)

    def save(self, project, taskid, url, result):
        try:
            row = self.db._stringify({"taskid": taskid, "url": url, "result": result, "updatetime": time.time()})
        except Exception as error:
            raise Unfit(u"a result of the project %s is no JSON: %s" % (project, one_line(error)))
        if self.number is None:
            return self.db.save(project, taskid, url, result)
        self.rows.append((self.number, project, [row[name] for name in ("taskid", "url", "result", "updatetime")]))

    def flush(self):
        """Saves; `failed` are the messages of which a row was not saved."""
        rows, self.rows = self.rows, []
        lost = []
        for part in parts(rows, lambda row: len(row[2][2] or ""), MOST_BYTES):
            if lost:
                # A newer row than one that failed: that one is tried again, and would take its place.
                self.failed.update(number for number, project, row in part if (project, row[0]) in lost)
                part = [one for one in part if (one[1], one[2][0]) not in lost]
            try:
                if part:
                    self.db.together([self.statement(project, some) for project, some in by_project(part)])
            except Exception:
                self.failed.update(number for number, _, _ in part)
                lost += [(project, row[0]) for _, project, row in part]

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
    """Over pyspider's ResultWorker, which pops a result and drops it when it can't be saved.

    One that can't be saved keeps no other waiting, but the newer ones of its task. Where none can be saved, one at a time
    is tried to its end: an outage of what a worker saves to must not put aside all that comes.
    """

    def __init__(self, *args, **kwargs):
        super(KeepingResultWorker, self).__init__(*args, **kwargs)
        self.unsaved, self.saves, self.group = [], 0, None
        if hasattr(self.resultdb, "together"):
            self.resultdb = self.group = Group(self.resultdb)

    def once(self):
        taken = self.take()
        self.pulse.took(len(taken))
        self.pulse.open(len(taken) + len(self.unsaved))
        saved = []
        try:
            self.save(taken, saved)
            self.save_each(saved)
        finally:
            self.inqueue.done(saved)
            self.pulse.did(len(saved))
            self.pulse.open(len(self.unsaved))

    def take(self):
        """Waits for results, until it is the time of one that was not saved."""
        room = min(SHARE, MOST_UNSAVED - len(self.unsaved))
        seconds = min([SECONDS] + [max(0, one.again_at - clock()) for one in self.turns()])
        if room <= 0:
            readable([], seconds, self.waker)
            return []
        taken = self.inqueue.next(room, seconds=seconds, waker=self.waker)
        if 0 < len(taken) < room:
            readable([], GATHER, self.waker)
            taken += self.inqueue.take(room - len(taken))
        return taken

    def save(self, taken, saved):
        """All together; those that this is not possible for are in hand then."""
        keys = set(one.key for one in self.unsaved)
        fresh = [one for one in taken if key(one) not in keys]
        good, unfit = self.together(fresh) if self.group else (set(), {})
        saved += good
        self.saves += len(good)
        for one in taken:
            if one.number in unfit:
                self.put_aside(one, unfit[one.number])
            elif one.number not in good:
                self.unsaved.append(Unsaved(one))

    def together(self, taken):
        """The numbers of those that were saved, and the errors of those that no try can save."""
        keys = dict((one.number, key(one)) for one in taken)
        self.group.failed.clear()
        unfit = {}
        for one in taken:
            before = [keys[number] for number in self.group.failed if number not in unfit]
            if keys[one.number] in before or self.late():
                self.group.failed.add(one.number)
                continue
            self.group.number = one.number
            try:
                self.on_result(*one.message)
            except Exception as error:
                self.group.failed.add(one.number)
                if isinstance(error, Unfit):
                    unfit[one.number] = error
        self.group.number = None
        self.group.flush()
        return set(one.number for one in taken) - self.group.failed, unfit

    def late(self):
        """Whether this process is to end, and has had its second: what is left in hand goes back to its queue."""
        return self.ending and not self.ending.recent()

    def save_each(self, saved):
        """Those in hand whose turn it is and whose time has come, each by itself."""
        for one in self.turns():
            if self.late():
                return
            if one.again_at <= clock() and self.attempt(one, saved):
                self.unsaved.remove(one)

    def turns(self):
        """In order, the oldest one of each task. Of those that failed since the last save only the first.

        Nobody knows of these whether they are at fault. It sees what becomes of one before it gives the next.
        """
        keys, led = set(), False
        for one in self.unsaved[:]:
            if one.key in keys or led and one.saves == self.saves:
                keys.add(one.key)
                continue
            yield one
            if one in self.unsaved:
                keys.add(one.key)
                led = led or one.saves == self.saves

    def attempt(self, one, saved):
        """Whether it is out of hand: saved, put aside, or another consumer's."""
        taken = one.taken
        if clock() > taken.taken_at + OLD and not self.inqueue.holds(taken.number):
            return True
        try:
            self.on_result(*taken.message)
        except Exception as error:
            one.tries += 1
            if one.tries == TRIES or isinstance(error, Unfit) or getattr(error, "errno", None) in OF_THE_VALUE:
                self.put_aside(taken, error)
                return True
            logging.exception("a result was not saved, try %d of %d", one.tries, TRIES)
            self.pulse.failed(error)
            one.again_at, one.saves = clock() + PAUSES[one.tries - 1], self.saves
            return False
        saved.append(taken.number)
        self.saves += 1
        return True

    def put_aside(self, taken, error):
        self.pulse.failed(error)
        self.inqueue.fail(taken.number, error)
