"""supervisord's XML-RPC, through its socket."""

from __future__ import absolute_import, print_function

import socket

from . import ground
from .pythons import httplib, xmlrpclib

RPC_SECONDS = 10


class UnixConnection(httplib.HTTPConnection):
    def __init__(self, path, timeout):
        httplib.HTTPConnection.__init__(self, "localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        ground.connect(self.sock, self.path)


class UnixTransport(xmlrpclib.Transport):
    def __init__(self, path, timeout):
        xmlrpclib.Transport.__init__(self)
        self.path, self.seconds = path, timeout

    def make_connection(self, _host):
        return UnixConnection(self.path, self.seconds)


def supervisor(path, timeout=RPC_SECONDS):
    return xmlrpclib.ServerProxy("http://localhost/RPC2", transport=UnixTransport(path, timeout)).supervisor
