"""All that a script can do gives what pyspider documents, also where programs are killed meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ..chaos.crawl import Crawl, served
from ..chaos.faults import kill_one_of_each
from ..waiting import until
from .conftest import Cluster

pytestmark = pytest.mark.e2e

NUMBER = 30
LATER_SECONDS = 8
SCRIPT = f"""\
import time
from pyspider.libs.base_handler import *

class Handler(BaseHandler):
    retry_delay = {{"": 1}}
    # A page that has not changed (304) has no result.
    crawl_config = {{"etag": False, "last_modified": False}}

    def on_start(self):
        for number in range({NUMBER}):
            page = "@SITE@/p%d.html?" % number
            self.crawl(page + "list", callback=self.listed, priority=number % 5)
            self.crawl(page + "later", callback=self.later, exetime=time.time() + {LATER_SECONDS})
            self.crawl(page + "tag", callback=self.tagged, itag="1", save={{"round": 1}})
        for number in range(3):
            self.crawl("@SITE@/p%d.html?raises" % number, callback=self.raises, retries=2)
        self.crawl("@SITE@/nowhere.html", callback=self.missing)
        self.crawl("@SITE@/nowhere.html?raises", callback=self.wrong, retries=1)

    def listed(self, response):
        self.send_message(self.project_name, [response.url], url=response.url + "#told")
        # It is young enough when this comes to be judged.
        self.crawl(response.url, callback=self.wrong, age=864000)
        return [response.doc("title").text(), response.url]

    def on_message(self, project, message):
        return {{"told": message[0]}}

    def later(self, response):
        return {{"at": time.time()}}

    def tagged(self, response):
        if response.save["round"] == 1:
            self.crawl(response.url, callback=self.tagged, itag="2", save={{"round": 2}})
        return {{"round": response.save["round"]}}

    def raises(self, response):
        raise ValueError("on purpose")

    @catch_status_code_error
    def missing(self, response):
        return {{"status": response.status_code}}

    def wrong(self, response):
        return "wrong"

    @every(seconds=2)
    def tick(self, response, task):
        self.crawl("@SITE@/p0.html?tick", callback=self.ticked, itag=str(int(time.time())))

    def ticked(self, response):
        return {{"ticked": True}}

    def on_finished(self, response, task):
        return {{"finished": True}}
"""
RESULTS = 4 * NUMBER + 3
FAILED = 3


def rows(cluster: Cluster, project: str) -> dict[str, Any]:
    """The results by what follows the page's number in their address."""
    said = cluster.on("node1", f"mariadb -N --raw -e 'select url, result from resultdb.{project}'")
    pairs = (line.split("\t", 1) for line in said.splitlines())
    return {url: json.loads(result) for url, result in pairs}


def failed(cluster: Cluster, project: str) -> list[int]:
    """The tries after the first one of each task that has failed for good."""
    sql = f"select schedule from taskdb.{project} where status = {FAILED}"
    said = cluster.on("node1", f"mariadb -N --raw -e '{sql}'")
    return sorted(json.loads(line)["retried"] for line in said.splitlines())


def test_scripts_get_what_pyspider_promises_while_programs_are_killed(cluster: Cluster, tmp_path: Path) -> None:
    site = served(cluster, tmp_path, NUMBER)
    crawl = Crawl(cluster, "script", RESULTS, SCRIPT)
    crawl.begin(site)
    begun = time.time()
    crawl.reach(NUMBER, 60)
    kill_one_of_each(cluster)
    crawl.reach(RESULTS, 60)
    until(lambda: len(failed(cluster, "script")) == 4, 60)
    assert failed(cluster, "script") == [1, 2, 2, 2]

    def second_rounds() -> int:
        return sum(one == {"round": 2} for one in rows(cluster, "script").values())

    until(lambda: second_rounds() == NUMBER, 60)
    found = rows(cluster, "script")
    assert len(found) == crawl.rows() == RESULTS
    for number in range(NUMBER):
        page = f"{site}/p{number}.html?"
        assert found[f"{page}list"] == [str(number), f"{page}list"]
        assert found[f"{page}list#told"] == {"told": f"{page}list"}
        assert found[f"{page}later"]["at"] >= begun + LATER_SECONDS - 1
    assert found[f"{site}/nowhere.html"] == {"status": 404}
    assert found[f"{site}/p0.html?tick"] == {"ticked": True}
    assert found["data:,on_finished"] == {"finished": True}
