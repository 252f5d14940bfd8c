"""The one place where the launcher is put over pyspider's classes."""

from __future__ import absolute_import

import importlib
import logging
import os
import sys

from . import consumer as consumers
from . import ending as endings
from . import lines, queues, returning
from .blocking import Waker
from .lease import Lease
from .life import Life, ends_with_it
from .patience import Ended, Ending, Store, redis_lost
from .pulse import Pulse

try:
    from urllib import parse
except ImportError:
    import urlparse as parse

ANSWER_SECONDS = 10
"""Seconds that Redis has for an answer: over a cut cable none comes, and no end either."""
STOP_SECONDS = 20.0
PROCESSING_SECONDS = 180
MYSQL_OPTIONS = ("taskdb", "projectdb", "resultdb")
BASES = {
    "scheduler": ("scheduling", "KeepingScheduler"),
    "fetcher": ("fetching", "KeepingFetcher"),
    "processor": ("processing", "KeepingProcessor"),
    "result_worker": ("saving", "KeepingResultWorker"),
}


class Component(object):
    """A component of pyspider that keeps what it holds."""

    def __init__(self, role, config):
        self.role, self.config = role, config
        options = config.get(role) or {}
        self.ending = Ending(float(options.get("stop-seconds", STOP_SECONDS)))
        self.redis_store = Store("Redis", redis_lost, self.ending)
        self.consumer = consumers.here()
        self.pulse = Pulse(role, self.consumer)
        self.pulse.stores.append(self.redis_store)
        self.client = connected(config["message-queue"])
        self.scripts = queues.Scripts(self.client)
        self.life = Life(connected(config["message-queue"]), self.consumer, self.pulse)
        self.queues = []
        self.waker = Waker()
        self.instance = None
        self.lease = Lease(self.client, self.scripts, self.consumer) if role == "scheduler" else None

    def run(self, main):
        """Runs pyspider's main() to its end. The exit status: 0 for an end that was asked for."""
        endings.listen(self.ending, self.quit)
        try:
            self.begin()
            self.wire()
            main()
        except Ended:
            pass
        except BaseException as error:
            if not isinstance(error, SystemExit) or error.code and not self.ending:
                # A thread that outlives its interpreter finds nothing there, and tells of that only.
                self.life.end()
                raise
        return self.finish()

    def quit(self):
        if self.instance is not None:
            self.instance.quit()

    def begin(self):
        """Lives, waits until both stores really answer, and gives back what an earlier process of this host held."""
        self.pulse.state("waits for its stores")
        self.redis_store.ask(self.client.ping)
        # It tells that it waits for MySQL, too.
        self.life.begin()
        self.wait_for_mysql()
        gone = self.redis_store.ask(lambda: returning.give_back_gone(self.client, self.scripts, self.consumer))
        for held in gone:
            logging.warning("%s has ended: its messages are back in their queue", held)
        if self.lease:
            self.pulse.state("waits for the lease")
            self.lease.acquire(self.redis_store)
            self.life.lease = Lease(self.life.client, self.life.scripts, self.consumer)
        self.pulse.state("works")

    def wait_for_mysql(self):
        urls = [self.config[name] for name in MYSQL_OPTIONS if self.config[name].startswith("mysql+")]
        if self.role == "fetcher" or not urls:
            return
        database = part("database")
        store = Store("MySQL", database.lost, self.ending, cut=database.cut)
        self.pulse.stores.append(store)
        for url in sorted(set(urls)):
            store.ask(lambda url=url: database.greet(url))
        database.stand(store)

    def wire(self):
        import pyspider.run

        pyspider.run.connect_message_queue = self.connect_queue
        pyspider.run.load_cls = self.load_cls
        if self.role == "scheduler":
            from pyspider.scheduler.task_queue import TaskQueue

            options = self.config.get("scheduler") or {}
            TaskQueue.processing_timeout = options.get("processing-timeout") or PROCESSING_SECONDS

    def connect_queue(self, name, url=None, maxsize=0, lazy_limit=True):
        queue = queues.HeldQueue(name, self.client, self.consumer, self.redis_store, maxsize, lazy_limit)
        if self.lease:
            queue.token, queue.regain = self.lease.token, self.lease.regain
        self.queues.append(queue)
        self.life.held.append(queue.held)
        return queue

    def load_cls(self, _context, _parameter, value):
        """pyspider's class, or the one that hosts.toml names, under the one that keeps."""
        from pyspider.libs import utils

        found = utils.load_object(value) if isinstance(value, (str, type(u""))) else value
        if not isinstance(found, type):
            return found
        # pyspider has set up its logging by now.
        lines.gather()
        if self.role == "processor":
            part("quick").put_over()
        module, name = BASES[self.role]
        bases = (Rpc, getattr(part(module), name), found)
        return type(name, bases, dict(ending=self.ending, pulse=self.pulse, waker=self.waker, component=self))

    def finish(self):
        """Hands back the rest, and says nothing more. Where the end was not asked for, the next start gives back."""
        if not self.ending:
            logging.error("%s has ended by itself", self.role)
            return 1
        self.life.end()
        try:
            for queue in self.queues:
                returning.hand_back(queue)
            if self.lease:
                self.redis_store.ask(self.lease.release)
            self.redis_store.ask(self.life.forget)
        except Ended:
            logging.warning("Redis is away: the next start gives back the messages of this process")
        return 0


class Rpc(object):
    """Over any component: an RPC server that can't listen, or ends, ends its program; pyspider goes on without."""

    def __init__(self, *args, **kwargs):
        super(Rpc, self).__init__(*args, **kwargs)
        self.component.instance = self

    def xmlrpc_run(self, *args, **kwargs):
        ends_with_it(super(Rpc, self).xmlrpc_run)(*args, **kwargs)
        if not self.ending:
            logging.error("the RPC server has ended, so this program ends")
            os._exit(1)


def connected(url):
    """A client of Redis by the address in config.json, with a limit of time for each answer."""
    import redis

    place = parse.urlparse(url)
    number = place.path.lstrip("/").split("/")[0]
    return redis.StrictRedis(
        host=place.hostname,
        port=place.port,
        db=int(number) if number.isdigit() else 0,
        username=place.username or None,
        password=place.password or None,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS / 2,
        socket_keepalive=True,
    )


def part(name):
    """A module of the launcher. A release holds what was deployed, and nothing that Python would keep of it."""
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module("launcher." + name)
    finally:
        sys.dont_write_bytecode = False


def run(role, config, main):
    """Runs a component; its exit status."""
    # Lines before pyspider has set up its own.
    line = "[%(levelname).1s %(asctime)s launcher] %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, stream=sys.stderr)
    return Component(role, config).run(main)
