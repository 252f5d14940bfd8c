"""What `./run bench crawl` puts around the contenders: the distance of the stores, and the site."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fabfile.sandbox.network import Port
from fabfile.sandbox.sandbox import Sandbox, free_network

from ..bench.crawl.distance import PORTS, distant, inside, round_trip
from ..bench.crawl.pages import Shape
from ..bench.crawl.site import serving
from ..waiting import eventually

pytestmark = pytest.mark.e2e

FAR = 0.05
ECHO = """
import socketserver, sys
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True
Server(("0.0.0.0", int(sys.argv[1])), Echo).serve_forever()
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("bench") / ".sandbox", free_network())
    try:
        sandbox.up(2)
        yield sandbox
    finally:
        sandbox.down()


def namespace(hosts: Sandbox, name: str) -> Path:
    return Port(hosts.network, name, 0).namespace


@contextmanager
def answering(hosts: Sandbox, port: int) -> Iterator[None]:
    """A server on node2 that answers like a store: at once."""
    words = ["nsenter", f"--net={namespace(hosts, 'node2')}", "--", sys.executable, "-c", ECHO, str(port)]
    with subprocess.Popen(words) as server:
        try:
            yield
        finally:
            server.kill()


def trip(hosts: Sandbox, port: int) -> float:
    """Seconds to node2 and back, as node1 sees it; 0 where nothing answers."""
    try:
        return round_trip(namespace(hosts, "node1"), hosts.address("node2"), port)
    except ConnectionError:
        return 0.0


def test_only_the_answers_of_the_stores_come_late_and_only_for_a_while(hosts: Sandbox) -> None:
    with answering(hosts, PORTS[1]), answering(hosts, 7000):
        assert eventually(lambda: all(trip(hosts, port) for port in (PORTS[1], 7000)))
        for _ in range(2):
            assert trip(hosts, PORTS[1]) < FAR
            with distant(namespace(hosts, "node2"), FAR):
                assert FAR <= trip(hosts, PORTS[1]) < 2 * FAR
                assert trip(hosts, 7000) < FAR
            assert eventually(lambda: 0 < trip(hosts, PORTS[1]) < FAR)


def test_hosts_get_the_pages_of_the_site_and_it_tells_who_asked(hosts: Sandbox) -> None:
    begun = time.time()
    with serving(hosts) as site:
        shape = Shape("mix", 60)
        first = site.url(shape, "one")

        def fetch() -> float:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return float(opener.open(first, timeout=15).read() == shape.html(0))

        assert site.told("one").asked == 0
        assert [inside(namespace(hosts, "node1"), fetch) for _ in range(2)] == [1.0, 1.0]
        told = site.told("one")
        assert (told.asked, told.distinct) == (2, 1) and begun < told.first < time.time()
