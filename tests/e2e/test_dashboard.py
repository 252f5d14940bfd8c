"""`fab dashboard` in a real browser, over a cluster that changes meanwhile.

UPDATE_SCREENSHOT=1 pytest tests/e2e/test_dashboard.py -k picture renews the pictures of docs/, after a crawl.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from fabfile.demo.webui import WebUIClient

from ..waiting import until
from .browser import Visit, browser
from .conftest import PROJECT, Cluster, begun, receivers
from .faults import LOGS, healthy_again

pytestmark = pytest.mark.e2e

PATIENCE = 60 if "UPDATE_SCREENSHOT" in os.environ else 6
"""Seconds until a fault is an alarm; in the pictures they are the usual ones."""
NARROW = {"width": 400, "height": 800}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def visit(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A browser at the page; by the end nothing went wrong in it, and nothing is left on the hosts."""
    soon = cluster.variant("soon.toml", (r"^\[watch\]$", f"[watch]\npatience = {PATIENCE}"))
    words = ("dashboard", "--port", "0", *getattr(request, "param", ()))
    process = begun(cluster.command(*words, hosts_toml=soon))
    try:
        assert process.stdout
        said = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+)(/\?token=\S+)   \(Ctrl-C ends it\)$", said)
        assert found, said
        with browser(WebUIClient(found[1])) as one:
            one.page.on("console", lambda told: one.faults.append(told.text) if told.type == "error" else None)
            one.open(found[2])
            yield one
            assert one.foreign == set()
            assert one.faults == []
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    for host in ("node1", "node2", "node3"):
        until(lambda host=host: receivers(cluster, host) == [], 10)


def program(visit: Visit, host: str, name: str) -> Locator:
    return visit.page.locator(f"#cards details[data-key={host}] tr[data-key={name}]")


def state(visit: Visit, host: str, name: str) -> Locator:
    return program(visit, host, name).locator("td").nth(1).locator("span")


def test_the_page_shows_the_cluster_and_stops_and_starts_a_program(cluster: Cluster, visit: Visit) -> None:
    page = visit.page
    with healthy_again(cluster):
        assert "token" not in page.url
        expect(page.locator("#verdict")).to_have_text("healthy")
        for host, names in {"node1": ("scheduler", "webui1"), "node2": ("fetcher1", "processor2")}.items():
            for name in names:
                expect(state(visit, host, name)).to_have_text("RUNNING")
        expect(program(visit, "node2", "processor1").locator("td").nth(4)).to_have_text(re.compile(r"^\d+ M$"))
        expect(page.locator("#queues .legend")).to_contain_text("scheduler2fetcher")
        expect(page.locator("#examined")).to_contain_text("0 found")

        cluster.on("node2", "kill -9 $(pgrep -f '[r]un.py.* result_worker')")
        expect(page.locator("#events")).to_contain_text("result_worker1 was started again")

        processor = program(visit, "node2", "processor2")
        processor.get_by_role("button", name="Stop").click()
        expect(page.locator("#question")).to_contain_text("Stop processor2 on node2?")
        page.keyboard.press("Escape")
        expect(page.locator("#confirm")).not_to_be_visible()
        processor.get_by_role("button", name="Stop").click()
        page.locator("#yes").click()
        expect(state(visit, "node2", "processor2")).to_have_text("stopped on purpose")
        expect(page.locator("#job-status")).to_have_text("done")
        expect(page.locator("#job-words")).to_have_text("fab -H node2 stop --name processor2")
        expect(page.locator("#output")).to_contain_text("node2")
        change = page.locator("#events details").first
        expect(change.locator("summary")).to_contain_text(re.compile(r"fab stop\s*\w+@\S+, hosts: 1"))
        change.locator("summary").press("Enter")
        expect(change.locator("li")).to_have_text("node2: stop processor2")

        processor.get_by_role("button", name="Start").click()
        page.locator("#yes").press("Enter")
        expect(state(visit, "node2", "processor2")).to_have_text("RUNNING")
        expect(page.locator("#job-status")).to_have_text("done")
        expect(page.locator("#verdict")).to_have_text("healthy")


def test_what_doctor_finds_is_shown_and_fixed_by_a_button(cluster: Cluster, visit: Visit) -> None:
    page = visit.page
    with healthy_again(cluster):
        expect(page.locator("#examined")).to_contain_text("0 found")
        expect(page.locator("#fix")).not_to_be_visible()
        cluster.on("node2", f"touch {LOGS}/made-by-root; chown root: {LOGS}/made-by-root {LOGS}/processor1.log")
        page.locator("#examine").click()
        expect(page.locator("#findings")).to_contain_text("can be fixed from here")
        page.locator("#fix").click()
        expect(page.locator("#question")).to_contain_text("fab doctor --fix")
        page.locator("#yes").click()
        expect(page.locator("#job-status")).to_have_text("done")
        expect(page.locator("#examined")).to_contain_text("0 found")
        assert cluster.on("node2", f"stat -c %U {LOGS}/processor1.log").strip() == "work"
        cluster.on("node2", f"rm {LOGS}/made-by-root")


def test_logs_are_behind_a_click_and_go_on_with_what_comes(cluster: Cluster, visit: Visit) -> None:
    page, log = visit.page, f"{LOGS}/fetcher1.log"
    records = page.locator("#logs-list li")
    with healthy_again(cluster):
        opens = program(visit, "node2", "fetcher1").get_by_role("button", name="Logs")
        opens.press("Enter")
        expect(page.locator("#logs-title")).to_have_text("Log of fetcher1 on node2")
        expect(records.filter(has_text="fetcher starts").first).to_be_visible()
        now = cluster.on("node2", "date +%y%m%d\\ %H:%M:%S").strip()
        broken = "<img src=x onerror=alert(1)>\n    Traceback (most recent call last):\n      in \x1b[2Jhere"
        cluster.on("node2", f"echo '[E {now} fetcher:7] {broken}\n[I {now} fetcher:8] and on' >>{log}")
        expect(records.filter(has_text="onerror")).to_contain_text("most recent call last")
        expect(records.filter(has_text="onerror")).to_contain_text(r"in \x1b[2Jhere")
        assert page.locator("#logs img").count() == 0
        expect(records.last).to_contain_text("and on")

        page.locator("#logs-errors").check()
        expect(records.filter(has_text="onerror")).to_have_count(1)
        expect(records.filter(has_text="and on")).to_have_count(0)
        page.locator("#logs-errors").uncheck()
        page.locator("#logs-program").select_option("supervisord")
        expect(records.filter(has_text="entered RUNNING state").first).to_be_visible()
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # its own TypedDict
        assert page.evaluate(OVERFLOW) <= 0
        page.keyboard.press("Escape")
        expect(page.locator("#logs")).not_to_be_visible()
        expect(opens).to_be_focused()
        cluster.on("node2", f"sed -i '/onerror/,$d' {log}")


SHELF = r"""
DROP TABLE IF EXISTS taskdb.shelf;
CREATE TABLE taskdb.shelf (taskid VARCHAR(64) PRIMARY KEY, project VARCHAR(64), url VARCHAR(1024), status INT(1),
schedule BLOB, `fetch` BLOB, process BLOB, track BLOB, lastcrawltime DOUBLE(16, 4), updatetime DOUBLE(16, 4),
INDEX status_index (status)) CHARSET=utf8;
INSERT INTO taskdb.shelf (taskid, project, url, status, schedule, track, lastcrawltime) VALUES
(1, 'shelf', 'http://192.0.2.1/slow', 2, '{}', '{"fetch": {"time": 986.4}, "process": {"time": 0.5}}', 1.5),
(2, 'shelf', 'javascript:alert(1)', 3, '{"retried": 8}', '{"fetch": {"ok": false, "status_code": 404}}', 1.5),
(3, 'shelf', 'http://192.0.2.1/<b>', 1, '{"retried": 98}', '{"process": {"ok": false, "exception": "<i>"}}', 1.5);
"""
"""Tasks of a project, in a table as pyspider 0.3.10 makes it: a slow page, and two that fail."""


@pytest.fixture
def shelf(cluster: Cluster) -> Iterator[None]:
    cluster.on("node1", f"mariadb --user=root <<'EOF'\n{SHELF}\nEOF")
    yield
    cluster.on("node1", "mariadb --user=root --execute 'DROP TABLE taskdb.shelf'")


@pytest.mark.usefixtures("shelf")
def test_the_slowest_and_the_most_failing_pages_are_shown(visit: Visit) -> None:
    page = visit.page
    slow, failing = page.locator("#slow tbody tr"), page.locator("#failing tbody tr")
    expect(slow.first.locator("td")).to_have_text(
        ["http://192.0.2.1/slow", "shelf", re.compile("^1970-01-01 "), "986.40", "0.50"]
    )
    expect(failing.first.locator("td").nth(3)).to_have_text("98")
    expect(failing.first.locator("td").nth(4)).to_have_text("<i>")
    expect(failing.first.locator("a")).to_have_attribute("rel", "noopener noreferrer")
    script = failing.filter(has_text="javascript:alert(1)")
    expect(script.locator("td").nth(3)).to_have_text("9")
    expect(script).to_contain_text("HTTP 404 (given up)")
    assert script.locator("a").count() == 0
    expect(page.locator("#pages-note")).to_contain_text("pages were looked at")
    with page.expect_response("**/pages"):
        page.locator("#pages-look").press("Enter")


@pytest.mark.parametrize("visit", [("--read-only",)], indirect=True)
def test_a_host_that_dies_is_shown_and_a_narrow_page_in_chinese_fits(cluster: Cluster, visit: Visit) -> None:
    page = visit.page
    expect(page.locator("#verdict")).to_have_text("healthy")
    expect(page.locator("#mode")).to_have_text("read-only")
    shown = page.locator("#cards button:visible")
    assert set(shown.all_inner_texts()) == {"Logs"}
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # its own TypedDict
    assert page.evaluate(OVERFLOW) <= 0
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#hosts-title")).to_have_text("主机与程序")
    expect(state(visit, "node2", "processor1")).to_have_text("运行中")
    assert page.evaluate(OVERFLOW) <= 0
    with healthy_again(cluster):
        cluster.sandbox.kill("node3")
        try:
            expect(page.locator("#cards details[data-key=node3] summary")).to_contain_text("无法连接")
            expect(page.locator("#problems")).to_contain_text("node3")
            expect(page.locator("#raised")).to_contain_text("node3")
            expect(page).to_have_title(re.compile(r"^\(\d+\) "))
            assert page.evaluate(OVERFLOW) <= 0
        finally:
            cluster.sandbox.start("node3")
        expect(page.locator("#verdict")).to_have_text("运行正常")
        expect(page.locator("#over-title")).to_contain_text("已结束")
        expect(page).to_have_title(re.compile(r"^\w"))
        page.locator("#journal-of").select_option("seen")
        expect(page.locator("#events li").filter(has_text="已结束").first).to_contain_text("node3")
        expect(page.locator("#watch")).to_contain_text("fab watch")
        assert page.evaluate(OVERFLOW) <= 0


if "UPDATE_SCREENSHOT" in os.environ:
    # It checks nothing: it makes the pictures, and a crawl for them.
    def test_the_pictures_are_made_after_a_crawl(cluster: Cluster, visit: Visit) -> None:
        page = visit.page
        page.set_viewport_size({"width": 1180, "height": 860})
        page.locator("#period").select_option("900")
        expect(page.locator("#verdict")).to_have_text("healthy")
        page.wait_for_timeout(30_000)
        cluster.fab("demo.crawl", "--pages", "400")
        expect(page.locator("#rates .legend")).to_contain_text("fetcher")
        page.wait_for_timeout(40_000)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # its own Literal
            page.screenshot(path=PROJECT / f"docs/dashboard-{scheme}.png")
