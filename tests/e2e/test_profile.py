"""`fab profile` of processors that are busy with one line of a script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fabfile.demo.crawl import web_ui
from fabfile.inventory import load

from ..waiting import until
from .conftest import Cluster

pytestmark = pytest.mark.e2e

NAME = "busy"
SCRIPT = """\
from pyspider.libs.base_handler import *
import time

class Handler(BaseHandler):
    def on_start(self):
        for number in range(4000):
            self.crawl('data:,%d' % number, callback=self.page)

    def page(self, response):
        end = time.time() + 0.05
        while time.time() < end: sum(range(1000))  # the line
        return None
"""
LINE = SCRIPT.splitlines().index("        while time.time() < end: sum(range(1000))  # the line") + 1


@pytest.fixture
def busy(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster whose processors have work for a minute."""
    webui = web_ui(load(cluster.hosts_toml))
    webui.save(NAME, SCRIPT)
    webui.update(NAME, "rate", "1000/1000")
    webui.update(NAME, "status", "RUNNING")
    webui.start(NAME)
    until(lambda: cluster.status()["queues"]["fetcher2processor"] > 5, 30)
    yield cluster
    webui.update(NAME, "status", "STOP")
    queues = ("scheduler2fetcher", "fetcher2processor")
    until(lambda: not sum(cluster.status()["queues"][one] for one in queues), 120)
    webui.update(NAME, "group", "delete")


def test_the_line_that_takes_the_time_is_named_and_nothing_is_left_on_the_hosts(busy: Cluster) -> None:
    before = busy.pids()
    told = busy.fab("profile", "processor", "-H", "node2", "--seconds", "4").stdout
    for part in told.split("node2 processor")[1:]:
        share = re.search(rf"([\d.]+) %  page \(<{NAME}>:{LINE}\)  while time\.time\(\) < end", part)
        assert share and float(share[1]) > 50, told
        (path,) = re.findall(r"flame graph: (\S+\.svg)", part)
        assert f"page (&lt;{NAME}&gt;:{LINE})" in (busy.folder / path).read_text()
    assert told.count("flame graph: ") == 2 and busy.pids() == before
    assert (
        f"of project {NAME}"
        in busy.fab("profile", "processor1", "-H", "node2", "--seconds", "1", "--project", NAME).stdout
    )
    dump = busy.fab("profile", "scheduler", "fetcher", "--dump").stdout
    assert dump.count("    run_once (launcher/rounds.py") == 1 and "node1 scheduler" in dump
    for host in ("node1", "node2", "node3"):
        assert busy.on(host, "ls -d /opt/pyspider/profile.* /root/profile.* 2>/dev/null; pgrep py-spy; true") == ""


def test_what_is_no_python_program_has_no_profile(cluster: Cluster) -> None:
    assert "PhantomJS is no Python program" in cluster.fab("profile", "phantomjs1", status=2).stderr
