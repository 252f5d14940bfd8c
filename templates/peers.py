"""Lets only the cluster's hosts talk to an RPC server, which asks nobody who it is. Loaded by run.py. Python 2.7.

peers.json beside config.json lists their addresses, names and networks. It is read anew when it has changed: a new
host needs no restart. Where the host has a firewall this is the second lock of the same door.
"""

import json
import logging
import os
import socket
import struct
import time

KEEP_SECONDS = 60
"""How long the address of a name is believed."""


class Peers(object):
    """The addresses that may come in, as the newest peers.json says; this host itself always may."""

    def __init__(self, path):
        self.path = path
        self.seen = None
        self.until = 0
        self.networks = []

    def lets_in(self, address):
        plain = address[7:] if address.startswith("::ffff:") else address
        if plain == "::1" or plain.startswith("127."):
            return True
        self.refresh()
        return any(within(plain, network) for network in self.networks)

    def refresh(self):
        try:
            seen = os.stat(self.path)
            mark = (seen.st_ino, seen.st_mtime, seen.st_size)
            if mark != self.seen or time.time() > self.until:
                with open(self.path) as stream:
                    self.networks = [one for name in json.load(stream) for one in resolved(name)]
                self.seen, self.until = mark, time.time() + KEEP_SECONDS
        except (IOError, OSError, ValueError) as error:
            logging.error("%s: %s; the peers known so far stay", self.path, error)


def resolved(name):
    """The networks of an address, a name or a network; none for a name that nobody knows now."""
    address, _, bits = name.partition("/")
    try:
        found = set(one[4][0] for one in socket.getaddrinfo(address, None))
    except socket.gaierror:
        return []
    return [(one, int(bits or 32)) for one in found]


def within(address, network):
    base, bits = network
    if ":" in address or ":" in base:
        return address == base
    mask = (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF
    return number(address) & mask == number(base) & mask


def number(address):
    return struct.unpack("!I", socket.inet_aton(address))[0]


def guard(path):
    """From now on every server of this process hangs up on others before it has read a byte."""
    from tornado import tcpserver

    peers, plain = Peers(path), tcpserver.TCPServer._handle_connection

    def handle(self, connection, address):
        if peers.lets_in(address[0]):
            return plain(self, connection, address)
        logging.warning("no host of the cluster, so nothing was answered: %s", address[0])
        connection.close()

    tcpserver.TCPServer._handle_connection = handle
