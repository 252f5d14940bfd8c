"""The tasks that should have been done long ago. Any Python from 2.6 on, with mysql.connector."""

from __future__ import absolute_import, print_function

import json

from .reach import SECONDS

LATE = 330
"""Seconds; see STALLED in health/work.py."""
PROJECTS = 50
SAMPLE = 20
"""Tasks of each project that are looked at: the table of a large crawl holds millions."""

RUNNING = "SELECT name, rate FROM %s WHERE status IN ('RUNNING', 'DEBUG') LIMIT %d"
ACTIVE = "SELECT UNIX_TIMESTAMP(), schedule, updatetime FROM %s WHERE status = 1 LIMIT %d"


def overdue(addresses):
    """Of the projects that run, how many of a few ACTIVE tasks are long due; empty where MySQL does not say."""
    known = [addresses.get(name, ({"bad": "it is not there"}, None)) for name in ("taskdb", "projectdb")]
    (tasks, password), (projects, _) = known
    if any(where.get("bad") or where["scheme"].split("+")[0] != "mysql" for where, _ in known):
        return {}  # that is told of the address itself
    if any(tasks[key] != projects[key] for key in ("host", "port", "user")):
        return {}  # one login would not do
    import mysql.connector

    try:
        server = mysql.connector.connect(
            host=tasks["host"],
            port=tasks["port"] or 3306,
            user=tasks["user"] or "root",
            password=password or "",
            connection_timeout=SECONDS,
        )
    except Exception:
        return {}  # the reason is told of the database itself
    try:
        return counted(server.cursor(), tasks["path"], projects["path"])
    except Exception:
        return {}
    finally:
        server.close()


def counted(cursor, tasks, projects):
    cursor.execute(
        "SELECT name, rate FROM %s WHERE status IN ('RUNNING', 'DEBUG') LIMIT %d"
        % (table(projects, "projectdb"), PROJECTS)
    )
    found = {}
    for name, rate in cursor.fetchall():
        # A project that may not crawl, or crawls that slowly, is late for no reason of its programs'.
        if rate and 20 / rate <= LATE:
            cursor.execute(
                "SELECT UNIX_TIMESTAMP(), schedule, updatetime FROM %s WHERE status = 1 LIMIT %d"
                % (table(tasks, name), SAMPLE)
            )
            late = [now - max(due(schedule), changed or 0) > LATE for now, schedule, changed in cursor.fetchall()]
            found[str(name)] = sum(late)
    return dict((name, count) for name, count in found.items() if count)


def table(database, name):
    return ".".join("`%s`" % part.replace("`", "``") for part in (database, name))


def due(schedule):
    try:
        return float(
            json.loads(schedule.decode("utf-8") if hasattr(schedule, "decode") else schedule or "{}")["exetime"]
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0.0
