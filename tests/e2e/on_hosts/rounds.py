"""The same messages for pyspider's scheduler and for the launcher's: what each sends, keeps and counts, as JSON.

Runs under the hosts' Python 2.7:  rounds.py CONFIG.json RELEASE SEED ROUNDS
"""

import json
import random
import sys
import time

import common
from common import config, connect_database
from launcher import database
from launcher.patience import Ending, Store
from pyspider.scheduler.scheduler import Scheduler
from six.moves import queue as queues

SEED, ROUNDS = int(sys.argv[3]), int(sys.argv[4])
NOW = [1700000000.0]
REAL = time.time


class Plain(Scheduler):
    """pyspider's, without threads: those send in any order."""


class Kept(common.Kept):
    """It waits for nothing here."""

    def rest(self):
        self.rang = True


def plain(name):
    projects = common.Projects([name], 7.0, 9.0, NOW[0])
    return Plain(
        connect_database(config["taskdb"]), projects, queues.Queue(), queues.Queue(), queues.Queue(8), common.DATA
    )


def kept(name):
    return common.kept(Kept, name, common.Projects([name], 7.0, 9.0, NOW[0]), 8)


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


main()
