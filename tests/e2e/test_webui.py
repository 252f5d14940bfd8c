"""What a person sees who opens the web UI of a deployed cluster, on a machine that reaches nothing but the cluster.

UPDATE_SCREENSHOT=1 pytest tests/e2e/test_webui.py renews the README's picture.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from fabfile.demo.crawl import PROJECT, web_ui
from fabfile.demo.webui import WebUIClient
from fabfile.inventory import load
from fabfile.inventory.roles import WEBUI

from ..waiting import until
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
    # Which page is the last of the crawl is chance.
    expect(rows.first).to_contain_text(re.compile("documentation", re.IGNORECASE))
    if os.environ.get("UPDATE_SCREENSHOT"):
        results.set_viewport_size({"width": 1180, "height": 660})
        results.screenshot(path=SCREENSHOT)


def test_the_dashboard_creates_a_project_and_sorts_by_a_heading(visit: Visit) -> None:
    visit.open("/")
    visit.page.get_by_role("button", name="Create").first.click()
    visit.page.locator("input[name=project-name]").fill("another")
    visit.page.locator("#create-project-modal button[type=submit]").click()
    visit.arrives("/debug/another")
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


CODE = "import os; os.system('touch /tmp/canary')"
ATTACK = """
<form method="POST" action="{webui}/debug/evil/save"><input name="script" value="{code}"></form>
<iframe src="{webui}/"></iframe>
<script>
const body = new URLSearchParams({{script: "{code}", task: "{{}}", pk: "{project}", name: "status", value: "STOP"}});
const how = {{method: "POST", credentials: "include", body}};
const asked = (path, more) => fetch("{webui}" + path, {{...how, ...more}}).then(answer => answer.type, () => "blocked");
window.attack = () => Promise.all([
  asked("/debug/evil/run", {{mode: "no-cors"}}),
  asked("/debug/evil/run", {{headers: {{"X-Requested-With": "XMLHttpRequest"}}}}),
  asked("/debug/evil/run", {{mode: "no-cors", referrerPolicy: "no-referrer"}}),
  asked("/update", {{mode: "no-cors"}}),
  asked("/dav/evil.py", {{method: "PUT", body: "{code}"}}),
]);
</script>
"""


class Evil(BaseHTTPRequestHandler):
    """Another site, beside the web UI: of a page from further away, Chromium itself lets nothing through."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.page)  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def attacked(cluster: Cluster, visit: Visit) -> Iterator[str]:
    """The browser shows a page of another site; yields its address."""
    with ThreadingHTTPServer((cluster.sandbox.network.address(1), 0), Evil) as server:
        server.page = ATTACK.format(webui=visit.address, code=CODE, project=PROJECT).encode()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = "http://{}:{}".format(*server.server_address[:2])
        # While requests are let through one by one, Playwright answers a browser's question for CORS itself, with yes.
        visit.page.context.unroute_all()
        visit.page.goto(f"{site}/")
        yield site
        server.shutdown()


def refused(visit: Visit) -> set[str]:
    """The requests to the web UI that it has refused."""
    return {one.partition(visit.address)[2] for one in visit.faults if one.startswith("403 ")}


def test_a_page_of_another_site_changes_nothing_and_runs_nothing_with_the_owners_login(
    cluster: Cluster, webui: WebUIClient
) -> None:
    """The attacker is a page that the owner opens, in a browser that has shown the password."""
    with browser(webui, cluster.sandbox.network.address(1)) as owner:
        owner.open("/")
        with attacked(cluster, owner) as site:
            owner.page.evaluate("window.attack()")
            assert refused(owner) == {"/debug/evil/run", "/update"}
            # The page of the web UI did not come into the frame.
            assert not [frame for frame in owner.page.frames if frame.url.startswith(webui.address)]
            owner.page.evaluate("document.forms[0].submit()")
            expect(owner.page.locator("body")).to_contain_text(f"comes from a page of another site: {site}")
        owner.open("/")
        expect(owner.page.locator(f"tr[data-name={PROJECT}] .project-status")).to_have_text("RUNNING")
        assert "evil" not in owner.page.locator("tbody .project-name").all_text_contents()
    assert cluster.on(webui_host(cluster), "ls /tmp /tmp/systemd-private*/tmp 2>/dev/null || :").count("canary") == 0


def webui_host(cluster: Cluster) -> str:
    return next(host.name for host in load(cluster.hosts_toml).hosts if host.has(WEBUI))


class Proxy(BaseHTTPRequestHandler):
    """A reverse proxy that names the web UI's own address as the Host, and nothing else, as nginx does by itself."""

    def forward(self) -> None:
        upstream = HTTPConnection(self.server.upstream, timeout=30)  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_POST = do_PUT = do_OPTIONS = forward

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def proxied(cluster: Cluster, webui: WebUIClient) -> Iterator[WebUIClient]:
    """The web UI under the address of a proxy, by plain http: browsers send no Sec-Fetch-Site there."""
    with ThreadingHTTPServer((cluster.sandbox.network.address(1), 0), Proxy) as server:
        server.upstream = webui.address.partition("://")[2]  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address, port = server.server_address[:2]
        yield WebUIClient(f"http://{address!s}:{port}", webui.username, webui.password)
        server.shutdown()


def test_behind_a_proxy_with_another_host_everything_works_and_other_sites_stay_out(
    cluster: Cluster, proxied: WebUIClient
) -> None:
    with browser(proxied) as visit:
        visit.open("/")
        visit.page.get_by_role("button", name="Create").first.click()
        visit.page.locator("input[name=project-name]").fill("proxied")
        visit.page.locator("#create-project-modal button[type=submit]").click()
        visit.arrives("/debug/proxied")
        visit.page.locator("#save-task-btn").click()
        expect(visit.page.locator("#python-log")).to_contain_text("saved!")
        visit.page.locator("#run-task-btn").click()
        expect(visit.page.locator("li[data-id=tab-follows] .num")).to_have_text("1")
        assert visit.faults == []
        with attacked(cluster, visit):
            visit.page.evaluate("window.attack()")
            assert refused(visit) == {"/debug/evil/run", "/update"}
            visit.page.evaluate("document.forms[0].submit()")
            expect(visit.page.locator("body")).to_contain_text("comes from a page of another site")
        visit.open("/")
        assert "evil" not in visit.page.locator("tbody .project-name").all_text_contents()


def status_for(webui: WebUIClient, password: str) -> int:
    """How the web UI answers this password."""
    connection = HTTPConnection(webui.address.partition("://")[2], timeout=30)
    pair = base64.b64encode(f"{webui.username}:{password}".encode()).decode()
    connection.request("GET", "/queues", headers={"Authorization": f"Basic {pair}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_wrong_passwords_are_slowed_down_and_hold_up_neither_the_owner_nor_the_clusters_own_questions(
    cluster: Cluster, webui: WebUIClient
) -> None:
    assert webui.password
    right = webui.password.reveal()
    with browser(webui) as owner:
        owner.open("/")
        assert [status_for(webui, "wrong-Canary") for _ in range(8)] == [401] * 5 + [429] * 3
        assert status_for(webui, right) == 429, "the right password is told from a wrong one"
        owner.open("/")
        assert owner.faults == []
    assert cluster.status()["problems"] == []
    until(lambda: status_for(webui, right) == 200, 10)
    logs = cluster.on(webui_host(cluster), "grep -h -e Canary -e api.key /home/work/supervisor/webui*.log || :")
    assert logs == ""


def test_without_the_password_nothing_is_shown(webui: WebUIClient) -> None:
    with browser(WebUIClient(webui.address)) as stranger:
        for path in ("/", f"/results?project={PROJECT}", "/libraries/vue/1.0.26/vue.min.js"):
            with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
                stranger.open(path)
