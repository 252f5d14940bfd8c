"""Statements after connections to MySQL that are lost, and lost again at once.

Runs under the hosts' Python 2.7:  cuts.py CONFIG.json RELEASE
"""

import json
import socket
import threading

from common import config, connect_database
from launcher import database
from launcher.patience import Ending, Store
from six.moves.urllib.parse import urlparse

PROJECT = "cutsone"


class Way(object):
    """A port here that leads to MySQL: each of the next `closed` connections through it ends at once."""

    def __init__(self, address):
        self.address, self.closed, self.ends = address, 0, []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.begin(self.serve)

    def begin(self, act, *words):
        thread = threading.Thread(target=act, args=words)
        thread.daemon = True
        thread.start()

    def serve(self):
        while True:
            near, _ = self.listener.accept()
            if self.closed:
                self.closed -= 1
                near.close()
                continue
            far = socket.create_connection(self.address)
            self.ends = [near, far]
            self.begin(self.carry, near, far)
            self.begin(self.carry, far, near)

    def carry(self, one, other):
        while True:
            try:
                data = one.recv(65536)
                other.sendall(data)
            except socket.error:
                return
            if not data:
                return

    def cut(self, again):
        self.closed = again
        for end in self.ends:
            end.shutdown(socket.SHUT_RDWR)


def saved(db, number):
    """What becomes of a result: its row, or the error's words."""
    try:
        db.save(PROJECT, "task%d" % number, "http://192.0.2.1/", {"number": number})
        return db.get(PROJECT, "task%d" % number)["result"]["number"]
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)


def too_long(db):
    """MySQL's answer to a row that it can't hold."""
    try:
        db.save(PROJECT, "long", "x" * 2000, {})
    except Exception as error:
        return error.errno
    return db.get(PROJECT, "long")


def main():
    where = urlparse(config["resultdb"])
    way = Way((where.hostname, where.port))
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    local = "%s:%s@127.0.0.1:%d" % (where.username, where.password, way.listener.getsockname()[1])
    db = connect_database(where._replace(netloc=local).geturl())
    found = [saved(db, 0)]
    for again in range(database.ENDED_IN_IT + 3):
        way.cut(again)
        # The second one shows what the first one left behind.
        found += [saved(db, 2 * again + 1), saved(db, 2 * again + 2)]
    found.append(too_long(db))
    db.drop(PROJECT)
    print(json.dumps(found))


main()
