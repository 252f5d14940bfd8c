"""How far a TCP connection gets, and where an address leads. Any Python from 2.6 on."""

from __future__ import absolute_import, print_function

import errno
import socket

SECONDS = 4


def why(error):
    line = " ".join(str(error).split())
    return "%s: %s" % (type(error).__name__, line) if line else type(error).__name__


def place(found, port):
    """Where an address leads, the same for every way to write it: a number, and never a loopback one."""
    try:
        address = socket.gethostbyname(found["host"] or "")
    except (socket.error, UnicodeError):
        return "%s:%s" % (found["host"], found["port"] or port)
    if address.startswith("127."):
        address = "this host"
    return "%s:%s" % (address, found["port"] or port)


def reach(host, port):
    """How a plain TCP connection ends: open, refused, silent, or unknown (no such name).

    This tells a filter from a dead server.
    """
    try:
        socket.create_connection((host or "", port), SECONDS).close()
        return "open"
    except socket.timeout:
        return "silent"
    except socket.gaierror:
        return "unknown"
    except (socket.error, OSError) as error:
        return "refused" if error.errno == errno.ECONNREFUSED else "silent"


def way(host, port):
    return {"tcp": reach(host, port), "place": place({"host": host, "port": port}, port)}
