"""What the launcher writes together, on a real MySQL, as JSON. Runs under the hosts' Python 2.7: CONFIG.json RELEASE"""

import json
import sys

CONFIG, RELEASE = sys.argv[1:3]
sys.path.insert(0, RELEASE)
sys.dont_write_bytecode = True
from launcher import database  # noqa: E402
from launcher.ledger import Ledger  # noqa: E402
from launcher.patience import Ending, Store  # noqa: E402
from launcher.saving import Group  # noqa: E402
from pyspider.database import connect_database  # noqa: E402

NAME = "ledgertest"
FIELDS = ["taskid", "url", "status", "schedule"]
with open(CONFIG) as stream:
    config = json.load(stream)
database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
statements = []


def watched(db):
    """Each request of a database's connection is noted."""
    send = db.conn._send_cmd

    def sent(command, argument=None, *more, **named):
        statements.append(bytes(argument or b"")[:200])
        return send(command, argument, *more, **named)

    db.conn._send_cmd = sent
    return db


def task(taskid, **more):
    return dict({"taskid": taskid, "project": NAME, "url": "http://x/" + taskid, "status": 1}, **more)


def tasks():
    db = connect_database(config["taskdb"])
    db.drop(NAME)
    refused = []
    book = Ledger(watched(db), lambda one, kind, error: refused.append((one["taskid"], kind, error.errno)))
    book.insert(NAME, "first", task("first"))
    book.flush()
    del statements[:]
    found = {"requests": {}, "refused": refused}
    book.ahead([(NAME, "first"), (NAME, "second"), (NAME, "FIRST")], FIELDS)
    found["read"] = [book.get_task(NAME, one, FIELDS) for one in ("second", "first", "FIRST")]
    del statements[:]
    book.ahead([(NAME, "first"), (NAME, "second")], FIELDS)
    found["read together"] = [book.get_task(NAME, one, FIELDS) for one in ("second", "first")]
    found["requests"]["read"] = len(statements)
    del statements[:]
    for number in range(50):
        book.insert(NAME, "t%d" % number, task("t%d" % number, schedule={"priority": number}))
    book.update(NAME, "first", {"status": 2, "track": {"a": json.loads('"\\u4e2d"')}})
    book.flush()
    found["requests"]["write"] = len(statements)
    found["there"] = db.get_task(NAME, "first", ["status", "track"])
    book.insert(NAME, "seen", task("seen"))
    found["seen at once"] = book.get_task(NAME, "SEEN", FIELDS)
    book.insert(NAME, "good", task("good"))
    book.insert(NAME, "bad", task("bad", url="x" * 2000))
    book.update(NAME, "t1", task("t1", status=2))
    book.update(NAME, "t2", task("t2", url="x" * 2000))
    book.update(NAME, "t3", task("t3", status=2, process={"callback": "x" * 70000}))
    book.flush()
    found["after"] = [
        (db.get_task(NAME, one, ["status"]) or {}).get("status") for one in ("good", "bad", "t1", "t2", "t3")
    ]
    found["count"] = sum(db.status_count(NAME).values())
    db.drop(NAME)
    return found


def results():
    db = connect_database(config["resultdb"])
    db.drop(NAME)
    group = Group(watched(db))
    del statements[:]
    for number in range(50):
        group.number = number
        group.save(NAME, "t%d" % (number % 49), "http://x/%d" % number, {"title": number})
    group.flush()
    found = {"requests": len([one for one in statements if b"REPLACE" in one]), "count": db.count(NAME)}
    found["twice"] = db.get(NAME, "t0", ["url", "result"])
    group.number = 1
    group.save(NAME, "good", "http://x", {})
    group.number = 2
    group.save(NAME, "bad", "x" * 2000, {})
    group.flush()
    found["failed"], group.number = sorted(group.failed), None
    for number, name in ((1, "good"), (2, "bad")):
        try:
            group.save(NAME, name, "http://x" if number == 1 else "x" * 2000, {})
        except Exception as error:
            found["error"] = error.errno
    found["good"] = db.get(NAME, "good", ["url"])
    db.drop(NAME)
    return found


print(json.dumps({"tasks": tasks(), "results": results()}))
