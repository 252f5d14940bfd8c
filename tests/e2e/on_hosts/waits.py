"""How often a scheduler looks while the fetchers' queue is full, and what it sends when there is room.

Runs under the hosts' Python 2.7:  waits.py CONFIG.json RELEASE
"""

import json
import time

import common
from common import config, connect_database
from launcher import database
from launcher.patience import Ending, Store

NAMES = ("waitsone", "waitstwo")
ROOM, EACH, SECONDS = 8, 110, 2.0
SELECTED = 200
"""pyspider selects 100 tasks of each project in a round; those that find no room wait in its memory."""


class Counting(common.Kept):
    rounds = 0

    def run_once(self):
        self.rounds += 1
        super(Counting, self).run_once()


def info(name):
    save = {"min_tick": 0, "retry_delay": {}, "crawl_config": {}}
    return {"taskid": "_on_get_info", "project": name, "url": "data:,", "track": {"save": save}}


def rounds_for(scheduler, seconds):
    """How many rounds it makes in that time."""
    before, until = scheduler.rounds, time.time() + seconds
    while time.time() < until:
        scheduler.run_once()
    return scheduler.rounds - before


def emptied(scheduler, fetcher, count):
    """What comes for a fetcher that takes as long as so many have not come: (seconds, project)."""
    begun, found = time.time(), []
    while len(found) < count and time.time() < begun + 30:
        taken = fetcher.take(min(ROOM, count - len(found)))
        fetcher.done([one.number for one in taken])
        found += [(time.time() - begun, one.message["project"]) for one in taken]
        scheduler.run_once()
    return found


def main():
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    db = connect_database(config["taskdb"])
    for name in NAMES:
        db.drop(name)
    scheduler = common.kept(Counting, "waits", common.Projects(NAMES, 1000.0, 1000.0, time.time()), ROOM)
    fetcher = common.queue(scheduler.out_queue.redis, "waits:out", consumer="h/fetcher1/1.1.1")
    for name in NAMES:
        scheduler.status_queue.put(info(name))
    rounds_for(scheduler, 0.5)
    # What asks the projects for their settings is no task.
    fetcher.done([one.number for one in fetcher.take(ROOM)])
    for name in NAMES:
        tasks = [{"taskid": "t%d" % number, "project": name, "url": "http://x/"} for number in range(EACH)]
        scheduler.newtask_queue.put(tasks)
    rounds_for(scheduler, 0.5)
    found = emptied(scheduler, fetcher, SELECTED - ROOM)
    # Now all that was selected is in the queue, and it is full.
    full, rounds = scheduler.out_queue.qsize(), rounds_for(scheduler, SECONDS)
    found += emptied(scheduler, fetcher, len(NAMES) * EACH - len(found))
    for name in NAMES:
        db.drop(name)
    print(json.dumps({"full": full, "rounds": rounds, "found": found}))


main()
