"""The launcher's scheduler for a test: under the hosts' Python 2.7, with the stores of a cluster.

SCRIPT.py CONFIG.json RELEASE ...
"""

import atexit
import json
import shutil
import sys
import tempfile

CONFIG, RELEASE = sys.argv[1:3]
sys.path.insert(0, RELEASE)
sys.dont_write_bytecode = True
from launcher import wiring  # noqa: E402
from launcher.blocking import Waker  # noqa: E402
from launcher.consumer import here  # noqa: E402
from launcher.patience import Ending, Store, redis_lost  # noqa: E402
from launcher.pulse import Pulse  # noqa: E402
from launcher.queues import HeldQueue  # noqa: E402
from launcher.scheduling import KeepingScheduler  # noqa: E402
from pyspider.database import connect_database  # noqa: E402
from pyspider.scheduler.scheduler import ThreadBaseScheduler  # noqa: E402

with open(CONFIG) as stream:
    config = json.load(stream)
DATA = tempfile.mkdtemp()
"""Empty: pyspider keeps its counts there over a restart."""
atexit.register(shutil.rmtree, DATA)
SCRIPT = "class Handler(object): pass"


class Kept(KeepingScheduler, ThreadBaseScheduler):
    """As the launcher makes it."""

    ending, pulse, waker = Ending(), Pulse("scheduler", here()), Waker()


class Projects(object):
    """A projectdb in memory."""

    def __init__(self, names, rate, burst, now):
        about = {"group": None, "status": "RUNNING", "script": SCRIPT, "comments": None, "updatetime": now}
        self.projects = [dict(about, name=name, rate=rate, burst=burst) for name in names]

    def check_update(self, timestamp, fields=None):
        return [one for one in self.projects if one["updatetime"] >= timestamp]

    def get(self, name, fields=None):
        return next((dict(one) for one in self.projects if one["name"] == name), None)

    def copy(self):
        return self


def queue(client, name, maxsize=0, consumer=None):
    return HeldQueue(name, client, consumer or here(), Store("Redis", redis_lost, Ending()), maxsize)


def kept(kind, name, projects, room):
    """A scheduler of that kind with queues of its own; `room` is the most tasks that wait for a fetcher."""
    client = wiring.connected(config["message-queue"])
    names = ["%s:%s" % (name, each) for each in ("new", "status", "out")]
    client.delete(*names)
    new, status, out = [queue(client, each, maxsize) for each, maxsize in zip(names, (0, 0, room))]
    return kind(taskdb=connect_database(config["taskdb"]), projectdb=projects, newtask_queue=new,
                status_queue=status, out_queue=out, data_path=DATA)  # fmt: skip
