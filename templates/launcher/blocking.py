"""Waiting without asking again and again: a blocking command, on a connection of its own."""

from __future__ import absolute_import

import errno
import fcntl
import math
import os
import select

import redis

from .clock import clock

SECONDS = 1
"""Seconds of a wait."""
PATIENCE = (1, 2, 5)
"""Seconds after which Redis answers that nothing rang: more each time, since programs that rest are to cost nothing."""
SPARE = 3
"""Seconds more in which its answer must come: over a cut cable none does."""


class Bells(object):
    """Waits at the bells of some lists, as pushes and takes ring them (lua.py)."""

    def __init__(self, client, names):
        self.client, self.names = client, tuple(names)
        self.connection, self.asked_at, self.quiet = None, None, 0

    def wait(self, seconds, waker=None):
        """Whether it is time to look: one has rung, or none for long. Raises redis' errors.

        It waits no longer than those seconds, and shorter by a signal or the waker. The question stays open then: one
        that rings later is heard at the next wait.
        """
        self.ask()
        ready = readable([self.connection._sock.fileno()], seconds, waker)
        if ready:
            self.heard()
            return True
        if clock() > self.asked_at + PATIENCE[self.quiet] + SPARE:
            self.drop()
            raise redis.TimeoutError("no answer for %d s" % SPARE)
        return False

    def ask(self):
        if self.asked_at is None:
            if self.connection is None:
                self.connection = self.client.connection_pool.get_connection("BLPOP")
            try:
                self.connection.send_command("BLPOP", *(self.names + (PATIENCE[self.quiet],)))
            except BaseException:
                self.drop()
                raise
            self.asked_at = clock()

    def heard(self):
        try:
            rang = self.connection.read_response()
        except BaseException:
            self.drop()
            raise
        self.asked_at, self.quiet = None, 0 if rang else min(self.quiet + 1, len(PATIENCE) - 1)

    def drop(self):
        """Gives up the connection, and what it was about to say: who waits looks by itself as well."""
        connection, self.connection, self.asked_at = self.connection, None, None
        if connection is not None:
            connection.disconnect()
            self.client.connection_pool.release(connection)


class Waker(object):
    """A pipe by which another thread, or a signal, ends a wait."""

    def __init__(self):
        self.out, self.into = os.pipe()
        for end in (self.out, self.into):
            fcntl.fcntl(end, fcntl.F_SETFL, os.O_NONBLOCK)
            fcntl.fcntl(end, fcntl.F_SETFD, fcntl.FD_CLOEXEC)

    def fileno(self):
        return self.out

    def wake(self):
        try:
            os.write(self.into, b"1")
        except OSError:
            # It is full: the waiting one will wake.
            pass

    def clear(self):
        try:
            os.read(self.out, 4096)
        except OSError:
            pass


def readable(numbers, seconds, waker=None):
    """Those file descriptors that can be read, within that time; a signal or the waker ends it early."""
    watched = select.poll()
    for number in numbers + ([waker.fileno()] if waker else []):
        watched.register(number, select.POLLIN)
    try:
        ready = [number for number, _ in watched.poll(max(0, math.ceil(seconds * 1000)))]
    except select.error as error:
        if error.args[0] != errno.EINTR:
            raise
        return []
    if waker:
        waker.clear()
    return [number for number in numbers if number in ready]
