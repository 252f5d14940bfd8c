"""Questions by HTTP that end: whatever listens may say a byte now and then, or never stop. Any Python from 2.6 on."""

from __future__ import absolute_import, print_function

import io
import os
import socket

from .pythons import httplib, xmlrpclib

MOST = 4 << 20
"""Bytes of an answer: a supervisord with a thousand programs says a third of it."""


def clock():
    """Seconds that no setting of the clock changes."""
    return os.times()[4]


class Pipe(io.RawIOBase):
    """What a socket says, until a moment, and so many bytes of it."""

    def __init__(self, sock, until):
        io.RawIOBase.__init__(self)
        self.sock, self.until, self.room = sock, until, MOST

    def readable(self):
        return True

    def readinto(self, place):
        left = self.until - clock()
        if left <= 0:
            raise socket.timeout("timed out")
        self.sock.settimeout(left)
        some = self.sock.recv(min(len(place), 65536))
        self.room -= len(some)
        if self.room < 0:
            raise socket.error("its answer is longer than %d bytes" % MOST)
        place[: len(some)] = some
        return len(some)

    def close(self):
        if not self.closed:
            self.sock.close()
        io.RawIOBase.close(self)


class Bounded(object):
    """A socket for httplib; what `makefile` gives has a handle of its own, as httplib expects of one."""

    def __init__(self, sock, until):
        self.sock, self.until = sock, until

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def makefile(self, *_words, **_named):
        return io.BufferedReader(Pipe(self.sock.dup(), self.until))


class Connection(httplib.HTTPConnection):
    """A connection whose answer has come in whole within `seconds`, or before the moment `until`."""

    def __init__(self, host, port=None, seconds=10.0, until=None):
        self.until = clock() + seconds if until is None else until
        httplib.HTTPConnection.__init__(self, host, port, timeout=max(0.1, self.until - clock()))

    def connect(self):
        self.sock = Bounded(self.connected(), self.until)

    def connected(self):
        """Its socket."""
        return socket.create_connection((self.host, self.port), self.timeout)


class Transport(xmlrpclib.Transport):
    """Each question, or with `whole` all of them together, ends after so many seconds."""

    def __init__(self, seconds, whole=False):
        xmlrpclib.Transport.__init__(self)
        self.seconds, self.whole, self.until = seconds, whole, None

    def request(self, *words, **named):
        if self.until is None or not self.whole:
            # One that was kept has the end of the question before.
            self.close()
            self.until = clock() + self.seconds
        return xmlrpclib.Transport.request(self, *words, **named)

    def close(self):
        if hasattr(xmlrpclib.Transport, "close"):
            xmlrpclib.Transport.close(self)

    def make_connection(self, host):
        return Connection(host, until=self.until)
