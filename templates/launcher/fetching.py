"""The fetcher: a task stays held until its page is in the processors' queue."""

from __future__ import absolute_import

import itertools
import json
import logging
import threading
import time
from collections import OrderedDict, deque

from .blocking import SECONDS, readable
from .clock import clock
from .large import LARGEST, LARGEST_MESSAGE, limited, without_content
from .life import ends_with_it
from .packing import pack
from .patience import Ended

try:
    from urllib import parse
except ImportError:
    import urllib as parse

SHARE = 20
"""Tasks that are taken at once: the others of the cluster want some as well."""
GATHER, CROWD = 0.005, 10
"""Seconds in which pages gather while so many requests are open: a question costs the same for one as for many."""
RENDERER_PAUSES = (1, 2, 4, 8)
"""Seconds before a renderer is asked once more, when one has ended with this page in its hands or none listens yet."""
REFUSED, TIMED_OUT = 7, 28
CONNECT_SECONDS = 25
"""pyspider gives a connection 20 s, and a page 121 s."""
HANG_SECONDS = 60
"""A renderer that ended after so long with a page in its hands was one that hung (limits.py)."""
BUSY, BUSY_PAUSE, BUSY_SECONDS = 503, 1, 480
"""A Chromium has had no turn for this page in a minute: one is asked once more, in all for less than the ten minutes
after which pyspider's scheduler takes a task for lost."""
LOGIN = ("proxy_username", "proxy_password")
RENDERER_ENDED = (REFUSED, 52, 55, 56)
"""curl's numbers for that: no connection, an empty answer, a send or a receive that failed."""


class PatientClient(object):
    """Over the fetcher's client for HTTP. Each page goes to the renderer that has the fewest of this fetcher's.

    They start anew now and then, which is no fault of the page's: another one is asked, or the same one later.
    """

    def __init__(self, client, renderers):
        self.client = client
        # The one that was asked last comes last.
        self.pages = OrderedDict((place, 0) for place in renderers)

    def __getattr__(self, name):
        return getattr(self.client, name)

    def fetch(self, request, *args, **kwargs):
        if getattr(request, "url", request) not in self.pages:
            return self.client.fetch(request, *args, **kwargs)
        return self.rendered(request, *args, **kwargs)

    def rendered(self, *words, **kwargs):
        from tornado import gen

        return gen.coroutine(self.asked_again)(*words, **kwargs)

    def asked_again(self, request, *words, **kwargs):
        from tornado import gen

        pauses, tried, hung, enough = list(RENDERER_PAUSES), set(), False, clock() + BUSY_SECONDS
        request.body = with_proxy(request.body)
        while True:
            place, began, ended = self.turn(tried), clock(), None
            try:
                request.url = place
                answer = yield self.client.fetch(request, *words, **kwargs)
            except Exception as error:
                ended, number = error, number_of(error, clock() - began)
                busy = getattr(error, "code", None) == BUSY and clock() < enough
                # One page may be what hangs: it has no more than two renderers.
                if not busy and (number not in RENDERER_ENDED or (hung and clock() - began > HANG_SECONDS)):
                    raise
                hung = hung or (clock() - began > HANG_SECONDS and not busy)
            finally:
                self.pages[place] -= 1
            if ended is None:
                raise gen.Return(answer)
            if busy:
                yield gen.sleep(BUSY_PAUSE)
                continue
            tried.add(place)
            if number == REFUSED and len(tried) < len(self.pages):
                continue
            if not pauses:
                raise ended
            logging.warning("the renderer at %s has ended with a page in its hands (%s): once more", place, ended)
            yield gen.sleep(pauses.pop(0))

    def turn(self, tried):
        """The renderer that has the fewest pages of those that were not tried, or of all where each one was."""
        if len(tried) == len(self.pages):
            tried.clear()
        place = min((place for place in self.pages if place not in tried), key=self.pages.get)
        self.pages[place] = self.pages.pop(place) + 1
        return place


def with_proxy(body):
    """pyspider's own proxy, which it names for its own client alone, as the one of the page that a renderer is told."""
    try:
        page = json.loads(body)
        if page.get("proxy") or not page.get("proxy_host"):
            return body
        login = ":".join(parse.quote(texts(page[name]), "") for name in LOGIN if page.get(name))
        place = "%s:%d" % (page["proxy_host"], page["proxy_port"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return body
    return json.dumps(dict(page, proxy="http://%s%s" % (login and login + "@", place)))


def texts(value):
    """Bytes, as this Python's quote wants them."""
    return value.encode("utf-8") if hasattr(value, "encode") else str(value)


def number_of(error, seconds):
    """curl's number of an error. A host that is away gives none for "refused": it is waited for."""
    number = getattr(error, "errno", None)
    return REFUSED if number == TIMED_OUT and seconds < CONNECT_SECONDS else number


class KeepingFetcher(object):
    """Over pyspider's Fetcher, which pops a task and forgets it when it dies. Redis is asked by a thread of its own.

    So requests that are open go on while Redis is away, and no page is lost in its way to the queue.
    """

    def __init__(self, *args, **kwargs):
        super(KeepingFetcher, self).__init__(*args, **kwargs)
        self.open = {}
        self.fetched = deque()
        if hasattr(getattr(self, "http_client", None), "_curl_setup_request"):
            limited(self.http_client, LARGEST)

    def send_result(self, type, task, result):
        """Called in the loop's thread when a page is there."""
        held = self.open.pop(id(task), None)
        if held is None:
            # It came by RPC.
            return super(KeepingFetcher, self).send_result(type, task, result)
        self.fetched.append((held, task, result))
        self.waker.wake()

    def run(self):
        import tornado.ioloop

        logging.info("fetcher starts, with queues that hold")
        if self.phantomjs_proxy:
            own = (self.component.config.get("fetcher") or {}).get("renderers") or ()
            places = own if self.phantomjs_proxy in own else [self.phantomjs_proxy]
            self.http_client = PatientClient(self.http_client, places)
        porter = threading.Thread(target=ends_with_it(self.carry), name="porter")
        porter.daemon = True
        tornado.ioloop.PeriodicCallback(self.clear_robot_txt_cache, 10000, io_loop=self.ioloop).start()
        self._running = True
        self.ioloop.add_callback(porter.start)
        self.ioloop.start()

    def quit(self):
        """Takes nothing new. The loop ends when all that is open has ended, or its time is over."""
        self.ending.begin()
        self.waker.wake()

    def carry(self):
        """Carries tasks from their queue into the loop, and pages out of it."""
        more = look = True
        try:
            while not (self.ending and (self.ending.over() or not (self.open or self.fetched))):
                self.pulse.took(0)
                if not more:
                    look = self.rest()
                more = self.exchange(more or look)
                self.pulse.open(len(self.open))
        except Ended:
            logging.warning("open messages stay held in Redis, until the next start")
        self.ioloop.add_callback(self.ioloop.stop)

    def rest(self):
        """Waits for a page, or for a task where there is room for one. Whether it is time to look for tasks."""
        look = True
        if not self.room():
            readable([], SECONDS, self.waker)
        elif self.full():
            self.outqueue.wait_for_room(self.waker)
        else:
            look = self.inqueue.store.ask(lambda: self.inqueue.bells.wait(SECONDS, self.waker))
        if len(self.open) > CROWD:
            time.sleep(GATHER)
        return look

    def full(self):
        """Whether the processors' queue was full when it was last seen."""
        return bool(self.outqueue.maxsize) and self.outqueue.last_qsize >= self.outqueue.maxsize

    def room(self):
        """How many tasks it takes now."""
        if self.ending:
            return 0
        return max(0, min(self.poolsize - len(self.open) - len(self.fetched), SHARE))

    def exchange(self, look):
        """Gives the pages that are there for new tasks, in one question. Whether there is more of either."""
        there = list(itertools.islice(self.fetched, SHARE))
        packed, room = [pair for pair in map(self.packed, there) if pair], self.room()
        if room and self.full() and self.outqueue.full():
            room = 0
        if packed:
            lengths, taken = self.inqueue.commit_each(packed, room)
            self.outqueue.last_qsize = lengths.get(self.outqueue.name, self.outqueue.last_qsize)
            self.pulse.did(len(packed))
        else:
            taken = self.inqueue.take(room) if room and (look or self.inqueue.unsure) else []
        for _ in there:
            self.fetched.popleft()
        self.pulse.took(len(taken))
        for one in taken:
            self.begin(one)
        return bool(self.fetched) or 0 < room == len(taken)

    def begin(self, taken):
        from pyspider.libs import utils

        try:
            task = utils.decode_unicode_obj(taken.message)
            task.get("url")
        except Exception as error:
            self.pulse.failed(error)
            self.inqueue.fail(taken.number, error)
            return
        # The task itself is kept, so that no other object can have its id.
        self.open[id(task)] = (taken.number, task)
        self.ioloop.add_callback(self.set_out, task)

    def set_out(self, task):
        self.fetch(task).add_done_callback(lambda future: self.broken(task, future.exception()))

    def broken(self, task, error):
        """pyspider fails before its own care for failures begins, where a task is none of its kind."""
        held = self.open.pop(id(task), None) if error else None
        if held is not None:
            self.fetched.append((held, task, error))
            self.waker.wake()

    def packed(self, fetched):
        """The number of a task, and its outcome; None for one that has none, or can't be packed: it is put aside."""
        (number, _), task, result = fetched
        try:
            if isinstance(result, Exception):
                raise result
            message = pack((task, result))
            if len(message) > LARGEST_MESSAGE:
                message = pack((task, without_content(task, result)))
            return number, [(self.outqueue.name, message)]
        except Exception as error:
            self.pulse.failed(error)
            self.inqueue.fail(number, error)
            return None
