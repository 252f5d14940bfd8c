"""A scheduler that begins when all tasks are on their way, and one whose clock is set forward by years, and back.

Runs under the hosts' Python 2.7:  ends.py CONFIG.json RELEASE
"""

import json
import time

import common
from common import config, connect_database
from launcher import database
from launcher.patience import Ending, Store
from six.moves import queue as queues

ON_THE_WAY = {"endsone": ["t0", "t1"], "endstwo": ["on_finished"]}


class Kept(common.Kept):
    def on_the_way(self):
        return ON_THE_WAY


def rounds_for(scheduler, seconds):
    until = time.time() + seconds
    while time.time() < until:
        scheduler.run_once()


def sent(scheduler):
    found = []
    while True:
        try:
            found.append(scheduler.out_queue.get_nowait())
        except queues.Empty:
            return found


def ticks(scheduler, gap):
    """Those that are sent when the clock was set forward by so many seconds."""
    sent(scheduler)
    scheduler._last_tick = time.time() - gap
    scheduler.run_once()
    return [task["fetch"]["save"]["tick"] for task in sent(scheduler) if task["taskid"] == "_on_cronjob"]


def main():
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    db = connect_database(config["taskdb"])
    for name, taskids in ON_THE_WAY.items():
        db.drop(name)
        for taskid in taskids:
            task = {"taskid": taskid, "project": name, "url": "http://x/", "status": db.ACTIVE, "schedule": {}}
            db.insert(name, taskid, task)
    scheduler = common.kept(Kept, "ends", common.Projects(sorted(ON_THE_WAY), 1000.0, 1000.0, time.time()), 0)
    rounds_for(scheduler, 0.3)
    for name, taskids in sorted(ON_THE_WAY.items()):
        save = {"min_tick": 60 if name == "endsone" else 0, "retry_delay": {}, "crawl_config": {}}
        told = {"taskid": "_on_get_info", "project": name, "url": "data:,", "track": {"save": save}}
        scheduler.status_queue.put(told)
        for taskid in taskids:
            track = {"fetch": {"ok": True}, "process": {"ok": True}, "save": None}
            scheduler.status_queue.put({"taskid": taskid, "project": name, "url": "http://x/", "track": track})
    rounds_for(scheduler, 3)
    finished = [task["project"] for task in sent(scheduler) if task["taskid"] == "on_finished"]
    found = {"finished": finished, "years": ticks(scheduler, 10**8), "minutes": ticks(scheduler, 630)}
    found.update(back=ticks(scheduler, -(10**6)), behind=abs(time.time() - scheduler._last_tick))
    for name in ON_THE_WAY:
        db.drop(name)
    print(json.dumps(found))


main()
