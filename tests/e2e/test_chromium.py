"""templates/chromium with this machine's Chromium, as an unprivileged user: a page, and what it may not do."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from .conftest import PROJECT

pytestmark = pytest.mark.e2e

PROGRAMS = PROJECT / "templates" / "chromium"
NOBODY = 65534
MODERN = "const made = async () => { document.title = [...'nredom'].reverse().join('') }; made?.()"
FILE = "file:///etc/passwd"


class Site(http.server.ThreadingHTTPServer):
    """A site on loopback, with what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.door = f"http://127.0.0.1:{self.server_port}"

    def of(self, path: str) -> tuple[str, str, dict[str, str], str]:
        return next(one for one in self.asked if one[1] == path)


PAGES = {
    "/modern": f"<title>old</title><script>{MODERN}</script>",
    "/seen": "<p id=p></p><script>"
    "p.textContent = document.cookie + '|' + navigator.userAgent + '|' + innerWidth</script>",
    "/image": "<img src=/i.png><iframe src=/modern></iframe>",
    "/start": "<script>document.title = String(window.early)</script>",
    "/moves": "<script>location.href = '/modern'</script>",
    "/hangs": "<script>for (;;) {}</script>",
    "/later": "<script>setTimeout(() => fetch('/modern').then(() => document.title = 'late'), 500)</script>",
    "/file": f"<iframe src={FILE}></iframe><object data={FILE}></object><script src={FILE}></script>"
    f"<script>fetch('{FILE}').then(r => r.text()).then(t => document.title = t).catch(() => 0);"
    f"const r = new XMLHttpRequest(); try {{ r.open('GET', '{FILE}', false); r.send();"
    f"document.title = r.responseText }} catch (e) {{}} window.open('{FILE}')</script>",
    "/goes": f"<a id=a href={FILE}>x</a><script>a.click(); location.href = '{FILE}'</script>",
    "/refresh": f"<meta http-equiv=refresh content='0;url={FILE}'>",
    "/doors": "<script>const at = location.search.slice(1), to = `http://127.0.0.1:${at}`, ask = {mode: 'no-cors'};"
    "document.write(`<img src=${to}/image><iframe src=${to}/frame></iframe>`); fetch(`${to}/fetch`, ask);"
    "new WebSocket(`ws://127.0.0.1:${at}/socket`); window.open(`${to}/window`);"
    "new Worker(URL.createObjectURL(new Blob([`fetch('${to}/worker', {mode: 'no-cors'})`])))</script>",
}
WAYS = {"/image", "/frame", "/fetch", "/socket", "/worker"}


class Pages(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, self.rfile.read(length).decode()))
        status = {"/gone": 404, "/empty": 404, "/same": 304}.get(self.path, 200)
        self.send_response(302 if self.path.startswith("/to/") else status)
        self.send_header("Content-Type", "text/html")
        if self.path.startswith("/to/"):
            self.send_header("Location", self.path[4:] if "://" in self.path else self.path[3:])
        if self.path == "/set":
            self.send_header("Set-Cookie", "own=1")
        self.end_headers()
        if self.path not in ("/empty", "/same"):
            self.wfile.write(PAGES.get(self.path.partition("?")[0], self.path).encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    with Site() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


@pytest.fixture(scope="module")
def door() -> Iterator[Site]:
    """A server at a port that no page gets to."""
    with serving() as one:
        yield one


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def renderer(door: Site) -> Iterator[str]:
    """Its address, while it runs."""
    place = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for path in PROGRAMS.glob("*.py"):
            (Path(folder) / path.name).write_text(path.read_text())
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        os.chown(scratch, NOBODY, NOBODY)
        words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-B"]
        environment = {
            "TMPDIR": str(scratch), "PATH": "/usr/bin:/bin", "PYSPIDER_HOSTS": "192.0.2.1",
            "PYSPIDER_PORTS": str(door.server_port), "PYSPIDER_PAGES": "3",
        }  # fmt: skip
        command = [*words, f"{folder}/chromium_fetcher.py", place]
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            try:
                until(lambda: status(place) == 403, 30)
                yield place
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def status(place: str) -> int:
    try:
        urllib.request.urlopen(f"http://{place}/", timeout=10)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        pass
    return 0


def rendered(place: str, url: str, **fetch: Any) -> dict[str, Any]:
    task = json.dumps({"url": url, "method": "GET", "headers": {}, "timeout": 8, **fetch}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{place}/", task), timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_page_of_today_is_rendered_and_told_in_pyspiders_words(renderer: str, site: Site) -> None:
    found = rendered(renderer, f"{site.door}/modern", save={"a": 1}, js_script="function() { return {n: [1]}; }")
    assert found["status_code"] == 200 and "<title>modern</title>" in found["content"]
    assert found["orig_url"] == found["url"] == f"{site.door}/modern" and found["save"] == {"a": 1}
    assert found["js_script_result"] == {"n": [1]} and found["headers"]["Content-Type"] == "text/html"
    assert 1 < found["time"] < 8 and found["error"] is None


def test_what_a_task_says_reaches_the_page(renderer: str, site: Site) -> None:
    headers = {"User-Agent": "spider", "Cookie": "a=1", "X-Own": "yes", "If-None-Match": "tag"}
    found = rendered(renderer, f"{site.door}/seen", headers=headers, js_viewport_width=777)
    assert "a=1|spider|777" in found["content"] and found["cookies"] == {"a": "1"}
    _, _, sent, _ = site.of("/seen")
    assert sent["x-own"] == "yes" and sent["if-none-match"] == "tag" and sent["cookie"] == "a=1"


def test_a_form_is_posted(renderer: str, site: Site) -> None:
    found = rendered(renderer, f"{site.door}/form", method="POST", data="q=ü&r=1")
    assert "/form" in found["content"]
    method, _, sent, body = site.of("/form")
    assert (method, body) == ("POST", "q=ü&r=1") and sent["content-type"] == "application/x-www-form-urlencoded"


def test_a_script_at_the_documents_start_runs_before_the_pages_own(renderer: str, site: Site) -> None:
    script = "function() { window.early = 'yes'; return 7; }"
    found = rendered(renderer, f"{site.door}/start", js_script=script, js_run_at="document-start")
    assert found["js_script_result"] == 7 and "<title>yes</title>" in found["content"]


def test_images_are_left_out_where_the_task_says_so(renderer: str, site: Site) -> None:
    before = len(site.asked)
    rendered(renderer, f"{site.door}/image", load_images=False)
    # Chromium looks for an icon by itself.
    assert [path for _, path, _, _ in site.asked[before:] if path != "/favicon.ico"] == ["/image", "/modern"]


def test_redirects_and_what_comes_later_belong_to_the_page(renderer: str, site: Site) -> None:
    for path in ("/moves", "/to/modern"):
        found = rendered(renderer, site.door + path)
        assert found["url"] == f"{site.door}/modern" and "<title>modern</title>" in found["content"]
        assert found["orig_url"] == site.door + path and found["status_code"] == 200
    assert "<title>late</title>" in rendered(renderer, f"{site.door}/later")["content"]


@pytest.mark.parametrize(("path", "code"), [("/gone", 404), ("/empty", 404), ("/same", 304)])
def test_the_status_is_the_sites(renderer: str, site: Site, path: str, code: int) -> None:
    found = rendered(renderer, site.door + path)
    assert found["status_code"] == code and found["url"] == site.door + path
    assert ("/gone" in found["content"]) == (path == "/gone")


def test_a_site_that_is_away_is_a_599(renderer: str) -> None:
    found = rendered(renderer, f"http://127.0.0.1:{free_port()}/")
    assert found["status_code"] == 599 and "ERR_CONNECTION_REFUSED" in found["error"]


def test_no_page_knows_the_cookies_of_another(renderer: str, site: Site) -> None:
    assert rendered(renderer, f"{site.door}/set")["cookies"] == {"own": "1"}
    assert "own" not in rendered(renderer, f"{site.door}/seen")["content"]


@pytest.mark.parametrize("path", ["/file", "/goes", "/refresh", f"/to/{FILE}"])
def test_no_page_reads_a_file(renderer: str, site: Site, path: str) -> None:
    assert "root:" not in json.dumps(rendered(renderer, site.door + path))


@pytest.mark.parametrize("url", [FILE, "FILE:///etc/passwd", f"view-source:{FILE}", "chrome://version"])
def test_nothing_but_http_is_rendered(renderer: str, url: str) -> None:
    found = rendered(renderer, url)
    assert found["status_code"] == 599 and not found["content"]


def test_no_page_gets_to_a_door_in_any_way(renderer: str, site: Site, door: Site) -> None:
    rendered(renderer, f"{site.door}/doors?{site.server_port}")
    assert {path for _, path, _, _ in site.asked} > WAYS, "each way leads somewhere, where no door is shut"
    port = door.server_port
    for url in (f"{site.door}/doors?{port}", f"{site.door}/to/{door.door}/redirect"):
        rendered(renderer, url)
    for host in ("127.0.0.1", "localhost", "a.localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"):
        assert rendered(renderer, f"http://{host}:{port}/")["status_code"] == 599
    assert door.asked == []


def test_a_page_that_hangs_ends_in_time_and_holds_up_no_other(renderer: str, site: Site) -> None:
    with ThreadPoolExecutor() as beside:
        hanging = beside.submit(rendered, renderer, f"{site.door}/hangs", timeout=3)
        begun = time.monotonic()
        assert "modern" in rendered(renderer, f"{site.door}/modern")["content"]
        assert time.monotonic() - begun < 8
        found = hanging.result(30)
    assert found["status_code"] == 599 and "hang" in found["error"]
    assert status(renderer) == 403


def test_only_so_many_pages_are_open_at_once(renderer: str, site: Site) -> None:
    with ThreadPoolExecutor(6) as beside:
        found = list(beside.map(lambda _: rendered(renderer, f"{site.door}/modern"), range(6)))
    assert {one["status_code"] for one in found} == {200}
