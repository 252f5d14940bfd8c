"""A script whose results are no JSON, and one whose callback gives what nobody can write down.

Runs under the hosts' Python 2.7:  unfit.py CONFIG.json RELEASE
"""

import json
import time

import common
from common import config, connect_database, queue
from launcher import database, wiring
from launcher.blocking import Waker
from launcher.consumer import here
from launcher.patience import Ending, Store
from launcher.processing import KeepingProcessor
from launcher.pulse import Pulse
from launcher.saving import KeepingResultWorker
from pyspider.processor import Processor
from pyspider.result import ResultWorker

NAME, COUNT = "unfit", 6
SCRIPT = """
import datetime
from pyspider.libs.base_handler import *

class Handler(BaseHandler):
    def dated(self, response):
        return {"at": datetime.datetime(2026, 1, 2)}

    def bytes(self, response):
        return {"bytes": "\\xff"}

    def plain(self, response):
        return {"title": "plain"}

    def raw(self, response):
        return "\\xff"
"""
QUEUES = ["unfit:%s" % each for each in ("pages", "status", "new", "results")]


class Pages(KeepingProcessor, Processor):
    ending, pulse, waker = Ending(), Pulse("processor", here()), Waker()


class Results(KeepingResultWorker, ResultWorker):
    ending, pulse, waker = Ending(), Pulse("result_worker", here()), Waker()


class Projects(common.Projects):
    def __init__(self):
        super(Projects, self).__init__([NAME], 1.0, 1.0, time.time())
        self.projects[0]["script"] = SCRIPT


def drained(queue):
    """Its messages, as another program reads them."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def main():
    database.stand(Store("MySQL", database.lost, Ending(), cut=database.cut))
    client, db = wiring.connected(config["message-queue"]), connect_database(config["resultdb"])
    db.drop(NAME)
    client.delete(*[name + end for name in QUEUES for end in ("", ":failed")])
    pages, status, new, results = [queue(client, name) for name in QUEUES]
    for callback in ["dated", "bytes"] * COUNT + ["raw", "plain"]:
        task = {"taskid": callback, "project": NAME, "url": "http://x/" + callback, "process": {"callback": callback}}
        pages.put((task, {"status_code": 200, "url": task["url"], "orig_url": task["url"], "content": ""}))
    processor, begun = Pages(Projects(), pages, status, new, results), time.time()
    while pages.qsize() or client.hlen(pages.held):
        processor.once()
    told = [one["track"]["process"] for one in drained(status)]
    found = {"processor": time.time() - begun, "ok": [one["ok"] for one in told]}
    found["logs"] = [one["logs"] for one in told if not one["ok"]]
    worker, begun = Results(db, results), time.time()
    while results.qsize() or client.hlen(results.held):
        worker.once()
    found.update(result_worker=time.time() - begun, rows=[row["result"] for row in db.select(NAME)])
    aside = [client.lrange(name + ":failed", 0, -1) for name in QUEUES]
    found["aside"] = [[one.split(b"\n")[0].decode("utf-8") for one in several] for several in aside]
    client.delete(*[name + ":failed" for name in QUEUES])
    db.drop(NAME)
    print(json.dumps(found))


main()
