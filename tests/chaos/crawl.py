"""A crawl whose number of pages is known beforehand: ten links on each page, each to a page of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fabfile.demo.crawl import web_ui
from fabfile.errors import Problem
from fabfile.inventory import load

from ..e2e.conftest import Cluster

SCRIPT = """\
from pyspider.libs.base_handler import *

class Handler(BaseHandler):
    def on_start(self):
        self.crawl("@START@", callback=self.page, age=0, etag=False, last_modified=False)

    def page(self, response):
        for each in response.doc("a[href]").items():
            self.crawl(each.attr.href, callback=self.page)
        return {"title": response.doc("title").text()}
"""
POLL_SECONDS = 0.5


def served(cluster: Cluster, folder: Path, pages: int) -> str:
    """The URL of a site of so many pages, the first of which is p0.html; a cluster has one site at a time."""
    for number in range(pages):
        below = (one for one in range(number * 10 + 1, number * 10 + 11) if one < pages)
        links = "".join(f'<a href="p{one}.html">x</a>' for one in below)
        (folder / f"p{number}.html").write_text(f"<html><title>{number}</title>{links}</html>")
    return cluster.sandbox.serve(folder)


@dataclass(frozen=True)
class Crawl:
    """One project that crawls all pages of the site."""

    cluster: Cluster
    project: str
    pages: int
    script: str = SCRIPT

    def begin(self, site: str, rate: int = 400) -> None:
        webui = web_ui(load(self.cluster.hosts_toml))
        script = self.script.replace("@START@", f"{site}/p0.html?{self.project}").replace("@SITE@", site)
        webui.save(self.project, script)
        self.pace(rate)
        webui.update(self.project, "status", "RUNNING")
        # What was asked for while the project was being saved is not lost: no wait in between.
        webui.start(self.project, seconds=5)

    def pace(self, rate: int) -> None:
        """So many pages per second, at most."""
        web_ui(load(self.cluster.hosts_toml)).update(self.project, "rate", f"{rate}/{rate}")

    def results(self) -> int:
        """The pages that are stored; 0 where MySQL does not answer."""
        return self._count("count(distinct url)", f"resultdb.{self.project}")

    def rows(self) -> int:
        """The stored results: more than pages where one is doubled."""
        return self._count("count(*)", f"resultdb.{self.project}")

    def unfinished(self) -> int:
        """The tasks that are not SUCCESS (2), but the one that reads the project's settings."""
        return self._count("count(*)", f"taskdb.{self.project} where status <> 2 and taskid <> 'on_start'")

    def reach(self, count: int, seconds: float) -> float:
        """The seconds until that many results were there; fails when they are not in time."""
        begun = time.monotonic()
        while (found := self.results()) < count:
            assert time.monotonic() < begun + seconds, f"{found} of {count} results after {seconds:.0f} s"
            time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    def _count(self, what: str, where: str) -> int:
        try:
            rows = self.cluster.on("node1", f"mariadb -N -e 'select {what} from {where}' 2>/dev/null || true")
        except Problem:
            # The host is off.
            return 0
        return int(rows) if rows.strip().isdigit() else 0
