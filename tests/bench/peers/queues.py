"""Messages per second of pyspider's own queue, and of the launcher's. Runs under the hosts' Python 2.7.

queues.py PORT TEMPLATES COUNT ROUNDS
"""

import json
import sys
import time

import redis
import umsgpack
from pyspider.message_queue.redis_queue import RedisQueue

PORT, TEMPLATES, COUNT, ROUNDS = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, TEMPLATES)
sys.dont_write_bytecode = True
from launcher.patience import Ending, Store, redis_lost  # noqa: E402
from launcher.processing import Outgoing  # noqa: E402
from launcher.queues import HeldQueue  # noqa: E402

TASK = {"taskid": "a" * 32, "project": "t", "url": "http://x/", "fetch": {}, "process": {"callback": "page"}}
PAGE = (TASK, {"content": "x" * 20000, "url": "http://x/", "headers": {}})
STATUS = {
    "taskid": "a" * 32,
    "project": "t",
    "track": {"fetch": {"ok": True}, "process": {"ok": True, "logs": "x" * 200}},
}
FOLLOWS = [dict(TASK, url="http://y/%d" % number) for number in range(5)]
NAMES = ("in", "status", "new", "result")


def plain(name):
    return RedisQueue(name, port=PORT)


def holding(name):
    client = redis.StrictRedis(port=PORT)
    return HeldQueue(name, client, "h/p/1.1.1", Store("Redis", redis_lost, Ending()))


def fetcher_plain():
    tasks, pages = plain("in"), plain("out")
    for _ in range(COUNT):
        pages.put(tasks.get_nowait())


def fetcher_holding():
    tasks, left = holding("in"), COUNT
    taken = tasks.take(20)
    while left:
        packed = [(one.number, [("out", umsgpack.packb(one.message))]) for one in taken]
        left -= len(taken)
        _, taken = tasks.commit_each(packed, 20)


def processor_plain():
    pages, status, new, result = [plain(name) for name in NAMES]
    for _ in range(COUNT):
        pages.get(timeout=1)
        result.put((TASK, {"title": "x"}))
        status.put(STATUS)
        new.put(FOLLOWS)


def processor_holding():
    pages, outcome = holding("in"), []
    status, new, result = [Outgoing(holding(name), outcome) for name in NAMES[1:]]
    ahead = pages.take(1, busy=15)
    for _ in range(COUNT):
        (taken,) = ahead
        del outcome[:]
        result.put((TASK, {"title": "x"}))
        status.put(STATUS)
        new.put(FOLLOWS)
        _, ahead = pages.commit_and_take(taken.number, outcome, 1, busy=15)


def result_worker_plain():
    results = plain("in")
    for _ in range(COUNT):
        results.get(timeout=1)


def result_worker_holding():
    results, left = holding("in"), COUNT
    while left:
        taken = results.take(50)
        results.done([one.number for one in taken])
        left -= len(taken)


def seconds(work):
    client, message = redis.StrictRedis(port=PORT), umsgpack.packb(PAGE)
    client.flushall()
    for _ in range(COUNT):
        client.rpush("in", message)
    begun = time.time()
    work()
    return time.time() - begun


RACES = {
    "fetcher": (fetcher_plain, fetcher_holding),
    "processor": (processor_plain, processor_holding),
    "result_worker": (result_worker_plain, result_worker_holding),
}
found = dict((name, ([], [])) for name in RACES)
for _ in range(ROUNDS):
    for name, pair in RACES.items():
        for times, work in zip(found[name], pair):
            times.append(COUNT / seconds(work))
print(json.dumps(found))
