"""The work of a component, told in Redis every few seconds, so that status and doctor need not guess."""

from __future__ import absolute_import

import json
import os
import time

from . import lua
from .clock import clock
from .words import one_line


class Pulse(object):
    """The counts of one process. Field host/program of one hash; times are this host's seconds since 1970."""

    def __init__(self, role, consumer):
        self.field = consumer.rpartition("/")[0]
        self.counts = {
            "pid": os.getpid(), "role": role, "release": os.environ.get("PYSPIDER_RELEASE", ""), "began": time.time(),
            "state": "starts", "taken": 0, "done": 0, "failed": 0, "open": 0, "last_error": "", "last_error_at": None,
            "last_taken_at": None, "last_done_at": None, "asked_at": time.time(),
        }
        self.stores = []

    def state(self, word):
        self.counts["state"] = word

    def took(self, count):
        """So many messages, or none: it has asked for some."""
        self.counts["asked_at"] = time.time()
        if count:
            self.counts["taken"] += count
            self.counts["last_taken_at"] = time.time()

    def did(self, count=1):
        if count:
            self.counts["done"] += count
            self.counts["last_done_at"] = time.time()

    def failed(self, error):
        """A message that has failed, as often as it is tried."""
        self.counts["failed"] += 1
        self.counts["last_error"], self.counts["last_error_at"] = one_line(error), time.time()

    def open(self, count):
        self.counts["open"] = count

    def text(self):
        away = [store.name for store in self.stores if store.away_since is not None]
        refused = [one_line(store.refusal) for store in self.stores if store.refusal]
        told = dict(self.counts, at=time.time(), away=away, refused=refused, waits=list(self.waits()))
        return json.dumps(told, sort_keys=True)

    def waits(self):
        for store in self.stores:
            # Another thread may hear from it meanwhile.
            since = store.away_since
            if since is not None:
                yield {"store": store.name, "seconds": round(clock() - since, 1), "error": store.error}

    def tell(self, client):
        client.hset(lua.PULSE, self.field, self.text())
