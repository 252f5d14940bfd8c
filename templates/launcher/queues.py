"""pyspider's five queues with a hand-over: their names, their encoding and their interface are pyspider's own.

`get` and `put` work as pyspider's do, for scripts and the web UI. Components take, and say what came of it.
"""

from __future__ import absolute_import

import logging
import threading
import time

from . import lua
from .blocking import SECONDS, Bells
from .clock import clock
from .packing import pack, unpack
from .words import one_line, parts, text

try:
    import queue
except ImportError:
    import Queue as queue

SILENCE = 15
"""Seconds without a sign of life after which a consumer is given up."""
GAP = 10
"""Seconds without a look at the others, after which Redis itself was away."""
LONGEST_SILENCE = 60
PART = 100
"""Messages that move in one step: Redis does nothing else meanwhile."""
ENDS = 5
"""The times that a consumer may end with one message, before that message is put aside."""
ENDS_AMONG = 20
"""The same for a message that was one of several in its hands: most of those are no reason for its end."""
ROOM_SECONDS = 0.3
"""Seconds after which it looks by itself whether there is room: programs of an older release ring at no take."""
HELD = ":held:"
EPOCH, EPOCH_SECONDS = ":epoch", 24 * 3600
FAILED = ":failed"


class LeaseLost(Exception):
    """Another scheduler works now."""


class Taken(object):
    """A message in the hands of this process."""

    __slots__ = ("number", "message", "taken_at")

    def __init__(self, number, message):
        self.number, self.message, self.taken_at = number, message, clock()


class Scripts(object):
    """The scripts, registered with one client."""

    def __init__(self, client):
        for name in ("TAKE", "PUT", "FINISH", "STAGE", "COMMIT", "FAIL", "GIVE_BACK", "BEAT", "SILENT", "HOLD", "RELEASE"):
            setattr(self, name.lower(), client.register_script(getattr(lua, name)))


class HeldQueue(object):
    """One queue, as one process sees it. `token` is the lease by which a scheduler may take and put."""

    Empty = queue.Empty
    Full = queue.Full
    max_timeout = 0.3

    def __init__(self, name, client, consumer, store, maxsize=0, lazy_limit=True):
        self.name, self.redis, self.store = name, client, store
        self.held = name + HELD + consumer
        self.maxsize, self.lazy_limit = maxsize, lazy_limit
        self.last_qsize = 0
        self.alone = False
        """Whether no other process puts: the list is no longer then than after the last put."""
        self.scripts = Scripts(client)
        self.token, self.regain = "", None
        self.bells = Bells(client, [name + lua.BELL])
        self.room = Bells(client, [name + lua.ROOM])
        self.numbers = 1
        self.mine = set()
        self.unsure = self.drained = False
        """Whether an answer was lost; whether the list was empty after the last take."""
        self.epoch = ""
        self.lock = threading.Lock()

    # As pyspider has it.

    def qsize(self):
        self.last_qsize = self.store.ask(lambda: self.redis.llen(self.name))
        return self.last_qsize

    def empty(self):
        return self.qsize() == 0

    def full(self):
        if not self.maxsize or self.alone and self.last_qsize < self.maxsize:
            return False
        return self.qsize() >= self.maxsize

    def put_nowait(self, obj):
        if not (self.lazy_limit and self.last_qsize < self.maxsize) and self.full():
            raise self.Full
        self.put_packed([pack(obj)])
        return True

    def put_packed(self, messages):
        """Puts them in order, whether there is room or not."""
        for start in range(0, len(messages), PART):
            args = [self.token] + messages[start : start + PART]
            self.last_qsize = self._by_lease(lambda args=args: self.scripts.put(keys=[self.name], args=args))

    def _by_lease(self, question):
        """The answer; a lease that ran out while Redis was away is renewed, unless another one had it since."""
        answer = self.store.ask(question)
        if answer is None and self.regain is not None and self.store.ask(self.regain):
            answer = self.store.ask(question)
        if answer is None:
            raise LeaseLost(self.name)
        return answer

    def put(self, obj, block=True, timeout=None):
        return self._until(lambda: self.put_nowait(obj), self.Full, block, timeout)

    def get_nowait(self):
        message = self.store.ask(lambda: self.redis.lpop(self.name))
        if message is None:
            raise self.Empty
        return unpack(message)

    def get(self, block=True, timeout=None):
        return self._until(self.get_nowait, self.Empty, block, timeout)

    def _until(self, attempt, refused, block, timeout):
        until = clock() + timeout if timeout else None
        while True:
            try:
                return attempt()
            except refused:
                left = until - clock() if until else self.max_timeout
                if not block or left <= 0:
                    raise
                time.sleep(min(self.max_timeout, left))

    # The hand-over.

    def next(self, count=1, busy=0, seconds=SECONDS, waker=None):
        """take(); where there is nothing, it waits for up to that time."""
        found = [] if self.drained and not self.unsure else self.take(count, busy)
        if not found and self.store.ask(lambda: self.bells.wait(seconds, waker)):
            found = self.take(count, busy)
        return found

    def wait_for_room(self, waker=None):
        """Waits while the list is full, for less than a second. Whether it is not."""
        if not self.maxsize or self.last_qsize < self.maxsize or not self.full():
            return True
        self.store.ask(self.want_room)
        self.store.ask(lambda: self.room.wait(ROOM_SECONDS, waker))
        return not self.full()

    def want_room(self):
        """The next take that makes room rings."""
        self.redis.set(self.name + lua.WANTED, self.maxsize, px=2000)

    def take(self, count=1, busy=0):
        """Up to `count` messages in order, which stay in Redis until done(), commit() or fail().

        `busy` is how many seconds this process may then be too busy for a sign of life.
        """
        with self.lock:
            return self._readable(self._by_lease(lambda: self._take(count, busy)))

    def _take(self, count, busy):
        # The answer to an earlier question was lost on its way; its messages are held.
        if self.unsure:
            self._new_epoch()
            held = self.redis.hgetall(self.held)
            known = sorted((int(number), message) for number, message in held.items())
            lost = [pair for pair in known if pair[0] not in self.mine]
            self.numbers = max([self.numbers] + [number + 1 for number, _ in known])
            self.unsure = False
            if lost:
                return self._took(lost)
        self.unsure = True
        args = [self.token, count, SILENCE + busy, self.numbers, self.epoch]
        found = self.scripts.take(keys=[self.name, self.held], args=args)
        self.unsure = False
        return None if found is None else self._took(self._numbered(found[0], count))

    def _new_epoch(self):
        """From now on a question that was cut off on its way takes nothing, whenever it may arrive."""
        self.epoch = "%.6f" % time.time()
        self.redis.set(self.held + EPOCH, self.epoch, ex=EPOCH_SECONDS)

    def _numbered(self, messages, count):
        if messages == b"epoch":
            # Redis has forgotten it.
            self.unsure, messages = True, []
        self.drained = len(messages) < count
        first, self.numbers = self.numbers, self.numbers + len(messages)
        return list(zip(range(first, self.numbers), messages))

    def _took(self, pairs):
        self.mine.update(number for number, _ in pairs)
        return pairs

    def _readable(self, pairs):
        """The messages; those that nobody can read are put aside."""
        read = []
        try:
            for number, message in pairs:
                try:
                    read.append(Taken(number, unpack(message)))
                except Exception as error:
                    self.fail(number, "it can't be read: %s" % (error,))
        except Exception:
            self._forget(pairs)
            raise
        return read

    def _forget(self, pairs):
        """Nobody here has heard of them: the next take finds them again in Redis."""
        self.mine.difference_update(number for number, _ in pairs)
        self.unsure = True

    def commit(self, number, outcomes):
        """Puts the packed outcomes, pairs (list, message), in place of a message. Their lists' lengths, by name.

        None if the message was not this consumer's any more. All of them arrive, or none: also when the same is
        asked twice since an answer was lost.
        """
        return self.commit_and_take(number, outcomes, 0)[0]

    def commit_and_take(self, number, outcomes, count, busy=0):
        """The same, and what take(count, busy) would give then: one question for both."""
        staged = "%s:staged:%d" % (self.held, number)
        several = [flat(part) for part in parts(outcomes, lambda outcome: len(outcome[1]))]
        if len(several) > 1:
            self.store.ask(lambda: self._stage(staged, several[:-1]))
        pairs = [(number, several[-1] if several else [])]
        with self.lock:
            gone, lengths, taken = self.store.ask(lambda: self._commit(pairs, staged, count, busy))
            return None if gone else lengths, self._readable(taken)

    def commit_each(self, pairs, count=0, busy=0):
        """commit() for several messages, pairs (number, outcomes) of one part each, in as few questions as they fit.

        The lists' lengths, and what take(count, busy) would give then.
        """
        together = [(number, flat(outcomes)) for number, outcomes in pairs]
        several = list(parts(together, lambda pair: sum(map(len, pair[1]))))
        for part in several[:-1]:
            self._commit_part(part, 0, 0)
        return self._commit_part(several[-1], count, busy)

    def _commit_part(self, pairs, count, busy):
        with self.lock:
            _, lengths, taken = self.store.ask(lambda: self._commit(pairs, self.held + ":staged", count, busy))
            return lengths, self._readable(taken)

    def _commit(self, pairs, staged, count, busy):
        # Where the answer to an earlier question was lost, take() finds first what it has brought.
        count = 0 if self.unsure else count
        self.unsure = self.unsure or bool(count)
        args = [self.numbers, count, SILENCE + busy, self.epoch]
        for number, words in pairs:
            args += [number, len(words)] + words
        gone, lengths, found = self.scripts.commit(keys=[self.name, self.held, staged], args=args)
        if count:
            self.unsure = False
        self.mine.difference_update(number for number, _ in pairs)
        if gone:
            said = "%s: %d message(s) were given to another consumer meanwhile: only its outcome counts"
            logging.warning(said, self.name, len(gone))
        lengths = dict(zip([text(name) for name in lengths[::2]], lengths[1::2]))
        return gone, lengths, self._took(self._numbered(found, count))

    def _stage(self, staged, several):
        self.redis.delete(staged)
        for part in several:
            self.scripts.stage(keys=[staged], args=part)

    def done(self, numbers):
        """These messages have had their effect."""
        numbers = list(numbers)
        for start in range(0, len(numbers), PART):
            part = numbers[start : start + PART]
            self.store.ask(lambda part=part: self.redis.hdel(self.held, *part))
        self.mine.difference_update(numbers)

    def holds(self, number):
        """Whether a message is still this consumer's."""
        return bool(self.store.ask(lambda: self.redis.hexists(self.held, number)))

    def fail(self, number, error):
        """Puts a message aside, with its error: into NAME:failed, where nothing takes it."""
        text = one_line(error)
        logging.error("%s: a message was put aside in %s%s: %s", self.name, self.name, FAILED, text)
        self.store.ask(lambda: self.scripts.fail(keys=[self.held, self.name + FAILED], args=[number, text]))
        self.mine.discard(number)


def flat(outcomes):
    """The words of pairs (list, message)."""
    return [word for outcome in outcomes for word in outcome]
