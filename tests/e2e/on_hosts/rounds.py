"""The same messages for pyspider's scheduler and for the launcher's: what each sends, keeps and counts, as JSON.

Runs under the hosts' Python 2.7:  rounds.py CONFIG.json RELEASE SEED ROUNDS
"""

import json
import random
import shutil
import sys
import tempfile
import time

CONFIG, RELEASE, SEED, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, RELEASE)
sys.dont_write_bytecode = True
from launcher import database, wiring  # noqa: E402
from launcher.blocking import Waker  # noqa: E402
from launcher.consumer import here  # noqa: E402
from launcher.patience import Ending, Store, redis_lost  # noqa: E402
from launcher.pulse import Pulse  # noqa: E402
from launcher.queues import HeldQueue  # noqa: E402
from launcher.scheduling import KeepingScheduler  # noqa: E402
from pyspider.database import connect_database  # noqa: E402
from pyspider.scheduler.scheduler import Scheduler, ThreadBaseScheduler  # noqa: E402
from six.moves import queue as queues  # noqa: E402

NOW = [1700000000.0]
REAL = time.time
with open(CONFIG) as stream:
    config = json.load(stream)
DATA = tempfile.mkdtemp()
"""Empty: pyspider keeps its counts there over a restart."""
SCRIPT = "class Handler(object): pass"


class Plain(Scheduler):
    """pyspider's, without threads: those send in any order."""


class Kept(KeepingScheduler, ThreadBaseScheduler):
    """The launcher's, which waits for nothing here."""

    ending, pulse, waker = Ending(), Pulse("scheduler", here()), Waker()

    def rest(self):
        self.rang = True


class OneProject(object):
    """A projectdb in memory."""

    def __init__(self, name):
        self.project = {
            "name": name, "group": None, "status": "RUNNING", "script": SCRIPT, "comments": None,
            "rate": 7.0, "burst": 9.0, "updatetime": NOW[0],
        }  # fmt: skip

    def check_update(self, timestamp, fields=None):
        return [self.project] if self.project["updatetime"] >= timestamp else []

    def get(self, name, fields=None):
        return dict(self.project) if name == self.project["name"] else None

    def copy(self):
        return self


def plain(name):
    return Plain(
        connect_database(config["taskdb"]), OneProject(name), queues.Queue(), queues.Queue(), queues.Queue(8), DATA
    )


def kept(name):
    client = wiring.connected(config["message-queue"])
    store = Store("Redis", redis_lost, Ending())
    names = ["%s:%s" % (name, each) for each in ("new", "status", "out")]
    client.delete(*names)
    new, status, out = [HeldQueue(each, client, here(), store, maxsize) for each, maxsize in zip(names, (0, 0, 8))]
    return Kept(taskdb=connect_database(config["taskdb"]), projectdb=OneProject(name), newtask_queue=new,
                status_queue=status, out_queue=out, data_path=DATA)  # fmt: skip


def new_tasks(dice, known):
    """Tasks of all kinds, each with a priority of its own: the order of equal ones is nobody's promise."""
    found = []
    for _ in range(dice.randrange(1, 6)):
        again = known and dice.random() < 0.4
        taskid = dice.choice(known) if again else ("T%d" if dice.random() < 0.1 else "t%d") % len(known)
        if not again:
            known.append(taskid)
        schedule = {"priority": dice.randrange(10**6)}
        for name, value in (
            ("exetime", NOW[0] + 9 * dice.random()), ("age", dice.choice([0, 3 + dice.random(), 1000])),
            ("retries", dice.randrange(3)), ("itag", "i%d" % dice.randrange(3)), ("force_update", True),
            ("auto_recrawl", bool(schedule.get("age"))), ("cancel", True),
        ):  # fmt: skip
            if dice.random() < (0.05 if name == "cancel" else 0.2):
                schedule[name] = value
        task = {"taskid": taskid, "url": "http://x/" + taskid, "fetch": {"save": [1, None]}, "schedule": schedule}
        found.append(dict(task, process={"callback": "p"}))
    return found


def status(dice, task):
    track = {"fetch": {"ok": True, "time": 0.5}, "process": {"ok": dice.random() < 0.7, "time": 0.1}, "save": {"a": 1}}
    found = {"taskid": task["taskid"], "project": task["project"], "url": task.get("url"), "track": track}
    if "schedule" in task:
        found["schedule"] = task["schedule"]
    return found


def told(task):
    """A task as a fetcher sees it; neither project nor the time of the row are the same for both."""
    row = dict((key, value) for key, value in task.items() if key not in ("project", "project_updatetime"))
    return json.loads(json.dumps(row, sort_keys=True))


def drive(scheduler, name):
    dice, known, flying, sent = random.Random(SEED), [], [], []
    NOW[0] = 1700000000.0
    for number in range(ROUNDS):
        if number == 1:
            info = {"min_tick": 0, "retry_delay": {"": 2}, "crawl_config": {}}
            scheduler.status_queue.put(
                {"taskid": "_on_get_info", "project": name, "url": "data:,", "track": {"save": info}}
            )
        elif number > 1:
            if dice.random() < 0.6 and number < ROUNDS - 60:
                tasks = [dict(each, project=name) for each in new_tasks(dice, known)]
                scheduler.newtask_queue.put(tasks if dice.random() < 0.5 else tasks[0])
            dice.shuffle(flying)
            share = len(flying) if number > ROUNDS - 60 else dice.randrange(len(flying) + 1)
            for task in flying[:share]:
                scheduler.status_queue.put(status(dice, task))
            del flying[:share]
        scheduler.run_once()
        while True:
            try:
                task = scheduler.out_queue.get_nowait()
            except queues.Empty:
                break
            sent.append((number, told(task)))
            if not task["taskid"].startswith("_"):
                flying.append(task)
        NOW[0] += dice.choice([0.2, 0.5, 3.0])
    return sent


def rows(name):
    db = connect_database(config["taskdb"])
    fields = ["taskid", "url", "status", "schedule", "fetch", "process", "track", "lastcrawltime", "updatetime"]
    found = [db._parse(row) for row in db._select2dic(name, what=fields)]
    db.drop(name)
    return sorted(found, key=lambda row: row["taskid"])


def counts(scheduler):
    return dict((each, scheduler._cnt[each].to_dict("sum")) for each in ("5m", "1h", "1d", "all"))


def main():
    store = Store("MySQL", database.lost, Ending(), cut=database.cut)
    found = {}
    for name, make in (("roundsplain", plain), ("roundskept", kept)):
        if name == "roundskept":
            database.stand(store)
        connect_database(config["taskdb"]).drop(name)
        scheduler = make(name)
        time.time = lambda: NOW[0]
        try:
            sent = drive(scheduler, name)
            found[name] = {"sent": sent, "counts": counts(scheduler)}
        finally:
            time.time = REAL
        found[name]["rows"] = rows(name)
    print(json.dumps(found))


try:
    main()
finally:
    shutil.rmtree(DATA)
