"""Tasks that have failed, heard by a scheduler whose project has not told its settings yet.

Runs under the hosts' Python 2.7:  untold.py CONFIG.json RELEASE
"""

import json
import time

import common
from common import config, connect_database
from launcher import database
from launcher.patience import Ending, Store

NAME, COUNT, SECONDS = "untold", 8, 1.0


def status(number, ok):
    track = {"fetch": {"ok": ok}, "process": {"ok": ok}, "save": None}
    return {"taskid": "t%d" % number, "project": NAME, "url": "http://x/", "track": track, "schedule": {}}


def rounds_for(scheduler, seconds):
    until = time.time() + seconds
    while time.time() < until:
        scheduler.run_once()


def main():
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    db = connect_database(config["taskdb"])
    db.drop(NAME)
    for number in range(COUNT + 1):
        task = {"taskid": "t%d" % number, "project": NAME, "url": "http://x/", "status": db.ACTIVE, "schedule": {}}
        db.insert(NAME, task["taskid"], task)
    scheduler = common.kept(common.Kept, "untold", common.Projects([NAME], 1000.0, 1000.0, time.time()), 0)
    rounds_for(scheduler, 0.3)
    client, tasks = scheduler.out_queue.redis, scheduler.projects[NAME].task_queue
    for number in range(COUNT + 1):
        # As if it had been sent before the scheduler's start.
        scheduler.in_processing(tasks, "t%d" % number)
        scheduler.status_queue.put(status(number, ok=number == COUNT))
    rounds_for(scheduler, SECONDS)
    tries = max(hand.tries for hand in scheduler.hands)
    kept = {
        "held": client.hlen(scheduler.status_queue.held),
        "aside": client.llen("untold:status:failed"),
        "tries": tries,
    }
    save = {"min_tick": 0, "retry_delay": {0: 7}, "crawl_config": {}}
    told = {"taskid": "_on_get_info", "project": NAME, "url": "data:,", "track": {"save": save}}
    scheduler.status_queue.put(told)
    rounds_for(scheduler, 0.5)
    rows = [db.get_task(NAME, "t%d" % number) for number in range(COUNT + 1)]
    after = {"held": client.hlen(scheduler.status_queue.held), "aside": client.llen("untold:status:failed")}
    waits = [round(row["schedule"]["exetime"] - row["lastcrawltime"]) for row in rows[:COUNT]]
    client.delete("untold:status:failed")
    db.drop(NAME)
    print(json.dumps({"kept": kept, "after": after, "waits": waits, "status": [row["status"] for row in rows]}))


main()
