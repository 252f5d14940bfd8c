"""taskdb as the scheduler's loop uses it: rows are read ahead together, and written together at the end."""

from __future__ import absolute_import

import time

from .database import MOST_BYTES
from .patience import Ended
from .words import parts

MOST_ROWS = 200


class Write(object):
    """A row that is to be written, the counts that follow from it, and its error."""

    def __init__(self, kind, project, taskid, task, row):
        self.kind, self.project, self.taskid, self.task, self.row = kind, project, taskid, task, row
        self.counts, self.error = [], None

    def size(self):
        return sum(len(value) for value in self.row.values() if hasattr(value, "__len__"))


class Ledger(object):
    """Over pyspider's TaskDB on MySQL. What is asked for is what was written, whether it is in MySQL yet or not."""

    def __init__(self, db, failed):
        self.db, self.failed = db, failed
        self.fields, self.rows = None, {}
        """What was read ahead: these fields, and the rows that nobody has asked for yet; None for one that is not there."""
        self.writes, self.written, self.new = [], set(), {}
        """What is not in MySQL yet, its ids as MySQL compares them; the new rows that the last flush() has written."""

    def __getattr__(self, name):
        return getattr(self.db, name)

    # Reading.

    def ahead(self, wanted, fields):
        """Reads these tasks, pairs (project, taskid). The next get_task of each is answered by that.

        New ones that the last flush() has written are not read again.
        """
        if not self.written.isdisjoint(alike(*key) for key in wanted):
            self.flush()
        self.fields, self.rows, by_project = fields, dict((key, None) for key in wanted), {}
        for key in wanted:
            if key in self.new:
                self.rows[key] = dict((field, self.new[key].get(field)) for field in fields)
            else:
                by_project.setdefault(key[0], []).append(key[1])
        self.new = {}
        for project, taskids in by_project.items():
            if self.there(project):
                for start in range(0, len(taskids), MOST_ROWS):
                    self.read(project, taskids[start : start + MOST_ROWS], fields)

    def read(self, project, taskids, fields):
        where = "`taskid` IN (%s)" % ", ".join([self.db.placeholder] * len(taskids))
        table, found = self.db._tablename(project), set()
        for row in self.db._select2dic(table, what=fields, where=where, where_values=taskids):
            self.rows[project, row["taskid"]] = row
            found.add(alike(project, row["taskid"]))
        for taskid in taskids:
            # MySQL takes it for another id, by its case: it is asked for by itself.
            if self.rows[project, taskid] is None and alike(project, taskid) in found:
                del self.rows[project, taskid]

    def there(self, project):
        if project not in self.db.projects:
            self.db._list_project()
        return project in self.db.projects

    def get_task(self, project, taskid, fields=None):
        key = (project, taskid)
        if alike(*key) in self.written or not plain(taskid):
            self.flush()
        elif key in self.rows and fields == self.fields:
            row = self.rows.pop(key)
            return row and self.db._parse(row)
        return self.db.get_task(project, taskid, fields=fields)

    # Writing.

    def insert(self, project, taskid, obj={}):
        if not self.there(project):
            self.db._create_project(project)
            self.db._list_project()
        self.write("insert", project, taskid, obj, {"taskid": taskid, "project": project})

    def update(self, project, taskid, obj={}, **kwargs):
        if not self.there(project):
            raise LookupError(project)
        self.write("update", project, taskid, obj, kwargs)

    def write(self, kind, project, taskid, task, further):
        row = dict(task, **further)
        row = self.db._stringify(dict(row, updatetime=time.time()))
        self.writes.append(Write(kind, project, taskid, task, row))
        self.written.add(alike(project, taskid))

    def flush(self):
        """Writes all; failed(task, kind, error) is told each row that MySQL refuses, or that there was no end for."""
        writes, self.writes, self.written, self.new = self.writes, [], set(), {}
        for part in parts(writes, Write.size, MOST_BYTES, MOST_ROWS):
            try:
                self.db.together(self.statements(part))
            except (Exception, Ended):
                self.one_by_one(part)
        for one in writes:
            if one.error is not None:
                self.failed(one.task, one.kind, one.error)
            elif one.kind == "insert":
                self.new[one.project, one.taskid] = one.row
            else:
                self.new.pop((one.project, one.taskid), None)
        count(one.counts for one in writes if one.error is None)

    def one_by_one(self, part):
        for one in part:
            try:
                self.db.together(self.statements([one]))
            except (Exception, Ended) as error:
                one.error = error

    def statements(self, part):
        """(sql, values): new rows of one table and kind together, changes each by itself, in that order."""
        new, changes = {}, []
        for one in part:
            if one.kind == "insert":
                new.setdefault((one.project, tuple(sorted(one.row))), []).append(one)
            else:
                changes.append(self.change(one))
        return [self.addition(project, names, rows) for (project, names), rows in new.items()] + changes

    def addition(self, project, names, rows):
        mark, escape = self.db.placeholder, self.db.escape
        row = "(%s)" % ", ".join([mark] * len(names))
        sql = "INSERT INTO %s (%s) VALUES %s ON DUPLICATE KEY UPDATE %s" % (
            escape(self.db._tablename(project)),
            ", ".join(map(escape, names)),
            ", ".join([row] * len(rows)),
            ", ".join("%s = VALUES(%s)" % (escape(name), escape(name)) for name in names),
        )
        return sql, [one.row[name] for one in rows for name in names]

    def change(self, one):
        names = sorted(one.row)
        sql = "UPDATE %s SET %s WHERE `taskid` = %s" % (
            self.db.escape(self.db._tablename(one.project)),
            ", ".join("%s = %s" % (self.db.escape(name), self.db.placeholder) for name in names),
            self.db.placeholder,
        )
        return sql, [one.row[name] for name in names] + [one.taskid]


class Counts(object):
    """Over pyspider's CounterManager: what follows from a row is counted when the row is in MySQL."""

    def __init__(self, manager, ledger):
        self.manager, self.ledger = manager, ledger

    def event(self, key, value=1):
        if self.ledger.writes:
            self.ledger.writes[-1].counts.append((self.manager, key, value))
        else:
            self.manager.event(key, value)
        return self

    def __getattr__(self, name):
        return getattr(self.manager, name)

    def __getitem__(self, key):
        return self.manager[key]

    def __delitem__(self, key):
        del self.manager[key]

    def __iter__(self):
        return iter(self.manager)

    def __contains__(self, key):
        return key in self.manager

    def __len__(self):
        return len(self.manager)


def count(lists):
    """Equal events at once."""
    sums, managers = {}, {}
    for events in lists:
        for manager, key, value in events:
            managers[id(manager)] = manager
            sums[id(manager), key] = sums.get((id(manager), key), 0) + value
    for (which, key), value in sums.items():
        managers[which].event(key, value)


def plain(taskid):
    return all(ord(letter) < 128 for letter in taskid)


def alike(project, taskid):
    """One for all ids that MySQL takes for one: it looks at neither case nor spaces at the end."""
    return project, taskid.lower().rstrip()
