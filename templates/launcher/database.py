"""MySQL that is away: each statement waits for it, where pyspider raises, and loses its message.

A statement costs one round trip: pyspider's driver asks twice before each whether the connection lives.
"""

from __future__ import absolute_import

import time
import weakref

import mysql.connector
from mysql.connector import cursor as cursors
from mysql.connector import errorcode, errors

ENDED_IN_IT = 3
"""The times that a connection may be lost at one statement while the server answers others."""
SERVER_TROUBLE = frozenset(
    (
        1021,  # the disk is full
        1026,  # a file can't be written
        1030,  # the storage engine can't go on: its disk is full, or broken
        1036,  # the table can't be written now
        1037,  # no memory
        1040,  # too many connections
        1041,  # no memory for a thread
        1044,  # no right to the database
        1045,  # no login
        1047,  # a node of Galera that is no part of its cluster
        1053,  # it shuts down
        1077,  # it shuts down
        1079,  # it shuts down
        1114,  # the table is full: no room for it, on the disk mostly
        1129,  # the host is blocked after failed logins
        1130,  # the host may not log in
        1142,  # no right to the table
        1143,  # no right to the column
        1180,  # the commit failed: its disk, or the other nodes of Galera
        1203,  # too many connections of this user
        1205,  # a lock that is not given up
        1206,  # too many locks
        1213,  # a deadlock
        1226,  # the user's share is used up
        1290,  # --read-only, or another option
        1317,  # the statement was interrupted
        1792,  # transactions are read-only
        1836,  # read-only
        1874,  # InnoDB is read-only
        1881,  # InnoDB is recovering, and read-only
        1927,  # the connection was killed (MariaDB)
        3032,  # offline mode
        3168,  # it is not available
    )
)
"""Numbers, not the driver's names: it has no name for some, and another one for others with each version."""
OF_THE_VALUE = frozenset((1153, 1366, 1406))
"""Too large a packet, letters that a column does not hold, too long a value: the same at each try."""
STRICT = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
"""MySQL refuses what it can't hold. Without it (before 5.7; MariaDB before 10.2.4) it cuts a page short, and says well."""
MOST_BYTES = 1024 * 1024
"""Bytes of one request: MySQL refuses larger ones than max_allowed_packet (4 MiB in MySQL 5.7)."""
RESTED = 60
"""Seconds without a statement after which a connection is asked whether it lives."""


class EndsConnection(Exception):
    """MySQL ends the connection at a statement, and answers others: too large a packet, mostly."""


def cut(error):
    """Whether a connection was lost, or never made."""
    if not isinstance(error, errors.Error):
        return isinstance(error, (IOError, OSError))
    return error.errno is None or error.errno < 1000 or error.errno // 1000 == 2


def lost(error):
    """Whether MySQL is away, or can't serve now: its own trouble, not the statement's."""
    return cut(error) or getattr(error, "errno", None) in SERVER_TROUBLE


class Statement(object):
    """One statement, asked until MySQL has answered it."""

    def __init__(self, db, sql, values):
        self.db, self.sql, self.values = db, sql, values
        self.cuts = self.ended = 0

    def __call__(self):
        try:
            return self.asked()
        except Exception as error:
            if not cut(error):
                raise
            self.cuts += 1
            drop(self.db)
            # Those of an outage tell nothing of the statement.
            self.ended += self.cuts > 1 and answers(self.db)
            if self.ended >= ENDED_IN_IT:
                raise EndsConnection("MySQL ends the connection at this statement (%s)" % (error,))
            raise

    def asked(self):
        found = cursor(self.db)
        try:
            found.execute(self.sql, self.values)
        except errors.IntegrityError as error:
            # An INSERT whose answer was lost has been done.
            if not (self.cuts and error.errno == errorcode.ER_DUP_ENTRY):
                raise
        except (errors.ProgrammingError, errors.DatabaseError) as error:
            # The project was deleted; its table will be made anew.
            if error.errno == errorcode.ER_NO_SUCH_TABLE:
                self.db._last_update_projects = 0
            # pyspider looks first and makes it then, and so does another program at that moment.
            if error.errno not in (errorcode.ER_DB_CREATE_EXISTS, errorcode.ER_TABLE_EXISTS_ERROR):
                raise
        return found


class Together(Statement):
    """Several statements in one request and one transaction: (sql, values) each. All of them, or none."""

    def __init__(self, db, pairs):
        super(Together, self).__init__(db, None, pairs)

    def asked(self):
        words = cursor(self.db)
        statements = [b"START TRANSACTION"] + [written(words, *pair) for pair in self.values] + [b"COMMIT"]
        try:
            for _ in self.db.conn.cmd_query_iter(b";".join(statements)):
                pass
        except Exception as error:
            if not cut(error):
                self.db.conn.cmd_query("ROLLBACK")
            raise


class Unasked(object):
    """Over a cursor of the driver, which asks in its making whether the connection lives."""

    def _set_connection(self, connection):
        self._connection = weakref.proxy(connection)


class Buffered(Unasked, cursors.MySQLCursorBuffered):
    pass


class Streaming(Unasked, cursors.MySQLCursor):
    pass


def cursor(db):
    """As pyspider's dbcur, but rows come with the answer: those still to be read would be lost with a connection.

    Only a project's tasks, which may be millions, come one by one.
    """
    connection, now = db.conn, time.time()
    if not 0 <= now - getattr(db, "answered_at", now) < RESTED:
        connection.ping(reconnect=True)
    if connection.unread_result:
        connection.get_rows()
    db.answered_at = now
    return (Streaming if getattr(db, "streams", False) else Buffered)(connection)


def written(words, sql, values):
    """The bytes of a statement with its values, as the driver itself writes them."""
    substitute = cursors._ParamSubstitutor(words._process_params(values))
    return cursors.RE_PY_PARAM.sub(substitute, sql.encode("utf-8"))


def stand(store):
    """From now on statements and new connections wait for MySQL. pyspider's raise, and their messages are lost."""
    import pyspider.database
    from pyspider.database.basedb import BaseDB
    from pyspider.database.mysql.mysqlbase import MySQLMixin
    from pyspider.database.mysql.taskdb import TaskDB

    connect, load_tasks = pyspider.database._connect_mysql, TaskDB.load_tasks

    def execute(db, sql, values=()):
        return store.ask(Statement(db, sql, list(values)))

    def load(db, *args, **kwargs):
        db.streams = True
        try:
            for task in load_tasks(db, *args, **kwargs):
                yield task
        finally:
            db.streams = False

    MySQLMixin._execute = execute
    MySQLMixin.together = lambda db, pairs: store.ask(Together(db, pairs))
    TaskDB.load_tasks = load
    pyspider.database._connect_mysql = lambda *words: store.ask(lambda: kept_as_it_is(connect(*words)))
    assert TaskDB.__mro__.index(MySQLMixin) < TaskDB.__mro__.index(BaseDB)


def kept_as_it_is(db):
    """Its connection, also made anew, is strict and has its database.

    The driver sets both after each connect; of a database it knows only one that it was told before it connected.
    """
    db.conn._database = db.database_name
    db.conn.sql_mode = STRICT
    return db


def drop(db):
    """A connection at which something went wrong may still hold an answer that belongs to nothing."""
    db.answered_at = 0
    try:
        db.conn.shutdown()
    except Exception:
        pass


def answers(db):
    try:
        db.conn.ping(reconnect=True)
        return True
    except (errors.Error, IOError, OSError):
        return False


def greet(url):
    """Asks MySQL at an address of config.json for a row. Raises mysql.connector's errors."""
    try:
        from urllib import parse
    except ImportError:
        import urlparse as parse
    place = parse.urlparse(url)
    connection = mysql.connector.connect(
        user=place.username, password=place.password, host=place.hostname, port=place.port or 3306
    )
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchall()
    connection.close()
