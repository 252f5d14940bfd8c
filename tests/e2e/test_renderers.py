"""Three Chromiums behind the role phantomjs: pages of both ages are crawled, and one that is killed costs none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.archive import archive_of
from fabfile.sandbox.services import Proxy

from ..chaos.crawl import Crawl
from ..waiting import until
from .conftest import Cluster
from .faults import found

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PAGES = 12
OLD = "document.getElementById('p').innerHTML = 'made by ' + 'a script'"
NEW = "const by = async (...words) => { p.textContent = words.join(' ') }; by('made', 'by', 'a', 'script')"
SCRIPT = """\
from pyspider.libs.base_handler import *

class Handler(BaseHandler):
    def on_start(self):
        for name in @NAMES@:
            self.crawl("@SITE@/" + name + "?" + self.project_name, fetch_type="js", callback=self.page,
                       js_script="function() { return navigator.userAgent; }")

    @config(age=0)
    def page(self, response):
        return {"text": response.doc("#p").text(), "by": response.js_script_result}
"""
LOGS = "/home/work/supervisor"


@pytest.fixture(scope="module")
def renderers(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with three Chromiums on node3; PhantomJS is back afterwards."""
    plain = cluster.hosts_toml.read_text()
    changes = ((r"^#renderer = .*", 'renderer = "chromium"'), (r"phantomjs = 1 }", "phantomjs = 3 }"))
    cluster.variant(cluster.hosts_toml.name, *changes)
    try:
        reach_packages(cluster, "node3")
        cluster.fab("-H", "node3", "step.packages")
        cluster.fab("deploy")
        yield cluster
    finally:
        cluster.hosts_toml.write_text(plain)
        cluster.fab("deploy")


def reach_packages(cluster: Cluster, host: str) -> None:
    """A host that was made with its packages can install others from now on."""
    archive, proxy = archive_of(""), Proxy(cluster.sandbox.network, cluster.sandbox.state)
    proxy.start(archive)
    for path, text in proxy.apt_files(archive).items():
        cluster.sandbox.exec(host, "sh", "-c", f"mkdir -p /{Path(path).parent}; cat >/{path}", input=text.encode())


def crawl(cluster: Cluster, project: str, names: list[str]) -> Crawl:
    return Crawl(cluster, project, len(names), SCRIPT.replace("@NAMES@", repr(names)))


def results(cluster: Cluster, project: str) -> dict[str, str]:
    """The text of each page."""
    rows = cluster.on("node1", f"mariadb -N -r -e 'select url, result from resultdb.{project}'").splitlines()
    pairs = (row.split("\t") for row in rows)
    return {url.rpartition("/")[2].partition("?")[0]: json.loads(result)["text"] for url, result in pairs}


def not_rendered(cluster: Cluster) -> int:
    """The lines of the fetchers about pages that failed."""
    return sum(
        int(cluster.on(host, f"cat {LOGS}/fetcher*.log | grep -c '\\[599\\]' || :")) for host in ("node2", "node3")
    )


@pytest.mark.platform("Debian 12", "renderer: Chromium")
def test_pages_that_phantomjs_renders_and_those_of_today_are_crawled(renderers: Cluster, tmp_path: Path) -> None:
    for name, script in (("old.html", OLD), ("new.html", NEW)):
        (tmp_path / name).write_text(f"<html><p id=p>nothing</p><script>{script}</script></html>")
    one = crawl(renderers, "ages", ["old.html", "new.html"])
    one.begin(renderers.sandbox.serve(tmp_path))
    one.reach(2, 40)
    assert results(renderers, "ages") == {"old.html": "made by a script", "new.html": "made by a script"}
    assert found(renderers) == []


def test_chromium_is_confined_by_its_own_sandbox_and_is_nobody_who_reads_the_clusters_files(renderers: Cluster) -> None:
    assert set(renderers.on("node3", "ps -o user= -C chromium").split()) == {"work-render"}
    words = renderers.on("node3", "ps -o args= -C chromium")
    assert "--type=renderer" in words and "no-sandbox" not in words
    # A page's process has namespaces of its own, of users and of networks, and a filter for what it asks the kernel.
    page = "$(ps -o pid=,args= -C chromium | awk '/--type=renderer/ {print $1; exit}')"
    theirs, ours = (
        renderers.on("node3", f"readlink /proc/{pid}/ns/user /proc/{pid}/ns/net").split() for pid in (page, "1")
    )
    assert len(theirs) == 2 and not set(theirs) & set(ours)
    assert renderers.on("node3", f"grep -h Seccomp: /proc/{page}/status").split() == ["Seccomp:", "2"]


def test_one_of_three_that_is_killed_while_pages_render_costs_none(renderers: Cluster, tmp_path: Path) -> None:
    names = [f"{number}.html" for number in range(PAGES)]
    for name in names:
        (tmp_path / name).write_text(f"<html><p id=p>nothing</p><script>{NEW}</script></html>")
    before, one = not_rendered(renderers), crawl(renderers, "killed", names)
    one.begin(renderers.sandbox.serve(tmp_path))
    # A page is open for at least a second.
    busy = "ss -Htn state established sport = :25556 | wc -l"
    until(lambda: int(renderers.on("node3", busy)) > 0, 30)
    renderers.on("node3", "kill -KILL $(pgrep -f 'chromium_fetcher.py .*:25556$' | tail -1)")
    one.reach(PAGES, 60)
    assert set(results(renderers, "killed").values()) == {"made by a script"}
    assert not_rendered(renderers) == before
    spread = renderers.on("node3", f"grep -l '^.200. http' {LOGS}/phantomjs?.log | wc -l")
    assert int(spread) == 3, "each of them had pages"
    assert "has ended with a page in its hands" in "".join(
        renderers.on(host, f"cat {LOGS}/fetcher*.log") for host in ("node2", "node3")
    )
    until(lambda: renderers.status()["problems"] == [], 30)


def test_the_memory_of_all_its_processes_is_seen(renderers: Cluster) -> None:
    """In the eyes of what ends one that holds too much: as its user, behind what the unit hides."""
    program = "import limits, sys; print(limits.memory(int(sys.argv[1])))"
    asked = "cd /opt/pyspider/render/demo; /opt/pyspider/current/bin/python -B -c"
    leader = "$(pgrep -n -f 'python .*chromium_fetcher.py .*:25555$')"
    inside = "nsenter -t $(systemctl show -p MainPID --value pyspider-demo-render) -m"
    user = "setpriv --reuid=work-render --regid=work-render --clear-groups sh -c"
    megabytes = int(renderers.on("node3", f"{inside} {user} \"{asked} '{program}' {leader}\""))
    processes = renderers.on("node3", f"ps -o rss= -s {leader}").split()
    assert len(processes) > 4 and 100 < megabytes < 1024
    print(f"a Chromium without a page: {megabytes} MB in {len(processes)} processes")
