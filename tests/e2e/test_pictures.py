"""`./run pictures`: the terminal's pictures of the documentation, of a cluster that crawls. It checks nothing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..waiting import until
from . import shown
from .conftest import PROJECT, Cluster
from .test_live import COLUMNS, CURSOR, watching

pytestmark = pytest.mark.e2e

if "UPDATE_SCREENSHOT" in os.environ:
    PAGES = 3000
    BUSY = r"fetcher [1-9]\d*\.\d, .*results a minute: \d{2,}.*fetcher2processor +[1-9].*python_docs +[1-9]"

    @contextmanager
    def crawling(cluster: Cluster) -> Iterator[None]:
        process = subprocess.Popen(**cluster.command("demo.crawl", "--pages", str(PAGES)), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def test_the_live_status_is_drawn_while_pages_are_crawled(cluster: Cluster) -> None:
        with watching(cluster, colours=True) as terminal:
            # A trend is seen from some looks on.
            until(lambda: re.search(r"fetcher2processor +\d+ [█ ]{16} [▁-█ ]{8}", terminal.picture), 90)
            with crawling(cluster):
                until(lambda: re.search(BUSY, terminal.picture, re.DOTALL), 120)
                drawn = CURSOR.sub("", terminal.drawn)
            shown.save(PROJECT / "docs/live.svg", "fab status --watch", drawn, COLUMNS)

    def test_the_profile_is_made_while_pages_are_crawled(cluster: Cluster) -> None:
        with crawling(cluster):
            until(lambda: cluster.status()["queues"]["fetcher2processor"] > 0, 60)
            told = cluster.fab("profile", "processor1", "-H", "node2", "--seconds", "10").stdout
        told = re.sub(r"/\S*/profiles/", "profiles/", told.strip("\n"))
        text = f"$ fab profile processor1 -H node2 --seconds 10\n{told}"
        shown.save(PROJECT / "docs/profile.svg", "fab profile", text, COLUMNS)
