"""supervisord's XML-RPC, through its socket."""

from __future__ import absolute_import, print_function

import socket

from . import bounded, ground
from .pythons import xmlrpclib

RPC_SECONDS = 10


class UnixConnection(bounded.Connection):
    def __init__(self, path, until):
        bounded.Connection.__init__(self, "localhost", until=until)
        self.path = path

    def connected(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        ground.connect(sock, self.path)
        return sock


class UnixTransport(bounded.Transport):
    def __init__(self, path, seconds, whole):
        bounded.Transport.__init__(self, seconds, whole)
        self.path = path

    def make_connection(self, _host):
        return UnixConnection(self.path, self.until)


def supervisor(path, timeout=RPC_SECONDS, whole=False):
    """Each call ends after `timeout` seconds; with `whole` all of them together do."""
    transport = UnixTransport(path, timeout, whole)
    return xmlrpclib.ServerProxy("http://localhost/RPC2", transport=transport).supervisor
