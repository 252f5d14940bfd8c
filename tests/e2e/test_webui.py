"""What a person sees who opens the web UI of a deployed cluster, on a machine that reaches nothing but the cluster.

UPDATE_SCREENSHOT=1 pytest tests/e2e/test_webui.py renews the README's picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from fabfile.demo.crawl import PROJECT, web_ui
from fabfile.demo.webui import WebUIClient
from fabfile.inventory import load

from .browser import Visit, browser
from .conftest import Cluster

pytestmark = pytest.mark.e2e

PAGES = 30
SCREENSHOT = Path(__file__).parent.parent / "webui.png"


@pytest.fixture(scope="module")
def webui(cluster: Cluster) -> WebUIClient:
    """The cluster's web UI after the demo's crawl."""
    cluster.fab("demo.crawl", "--pages", str(PAGES))
    return web_ui(load(cluster.hosts_toml))


@pytest.fixture
def visit(webui: WebUIClient) -> Iterator[Visit]:
    """A browser that must have met no error and asked nobody but the cluster by the end of the test."""
    with browser(webui) as one:
        yield one
        assert one.foreign == set()
        assert one.faults == []


def test_the_dashboard_shows_the_project_and_leads_to_its_results(visit: Visit) -> None:
    visit.open("/")
    project = visit.page.locator(f"tr[data-name={PROJECT}]")
    expect(project.locator(".project-status")).to_have_text("RUNNING")
    expect(project.locator(".progress-all")).to_contain_text("all: ")
    with visit.page.expect_popup() as opened:
        project.get_by_text("Results").click()
    results = opened.value
    results.wait_for_load_state("load")
    rows = results.locator("tbody tr")
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("Python")
    if os.environ.get("UPDATE_SCREENSHOT"):
        results.set_viewport_size({"width": 1180, "height": 660})
        results.screenshot(path=SCREENSHOT)


def test_the_dashboard_creates_a_project_and_sorts_by_a_heading(visit: Visit) -> None:
    visit.open("/")
    visit.page.get_by_role("button", name="Create").first.click()
    visit.page.locator("input[name=project-name]").fill("another")
    visit.page.locator("#create-project-modal button[type=submit]").click()
    expect(visit.page).to_have_url(f"{visit.address}/debug/another")
    visit.page.locator("#save-task-btn").click()
    expect(visit.page.locator("#python-log")).to_contain_text("saved!")
    visit.open("/")
    names = visit.page.locator("tbody .project-name")
    expect(names.first).to_be_visible()
    # Other tests may have projects of their own.
    ordered = sorted(names.all_text_contents())
    assert {"another", PROJECT} <= {name.strip() for name in ordered}
    heading = visit.page.locator("th", has_text="project name")
    heading.click()
    expect(names).to_have_text(ordered)
    heading.click()
    expect(names).to_have_text(ordered[::-1])


def test_a_script_is_edited_and_tried_in_the_browser(cluster: Cluster, visit: Visit) -> None:
    visit.open(f"/debug/{PROJECT}")
    expect(visit.page.locator("#python-editor .CodeMirror")).to_contain_text("class Handler(BaseHandler)")
    expect(visit.page.locator("#python-editor .cm-keyword").first).to_be_visible()
    visit.page.locator("#run-task-btn").click()
    expect(visit.page.locator("li[data-id=tab-follows] .num")).to_have_text("1")
    visit.page.locator("li[data-id=tab-follows]").click()
    visit.page.locator(".task-run").click()
    expect(visit.page.locator("li[data-id=tab-follows] .num")).not_to_have_text("1")
    visit.page.locator("li[data-id=tab-html]").click()
    expect(visit.page.locator("#tab-html .cm-tag").first).to_be_visible()
    # The preview shows the crawled page, which loads what is its own.
    site = {host for host in visit.foreign if host.startswith(f"{cluster.sandbox.network.prefix}.")}
    visit.foreign -= site


def test_without_the_password_nothing_is_shown(webui: WebUIClient) -> None:
    with browser(WebUIClient(webui.address)) as stranger:
        for path in ("/", f"/results?project={PROJECT}", "/libraries/vue/1.0.26/vue.min.js"):
            with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
                stranger.open(path)
