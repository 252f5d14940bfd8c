"""The pipe to Chromium, and the course of a page over it: with a program in Chromium's place that says what it says.

What Chromium itself makes of it is tried in tests/e2e/test_chromium.py.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from .local import PROJECT

sys.path.insert(0, str(PROJECT / "templates" / "chromium"))

from asked import Asked  # type: ignore[import-not-found]
from devtools import Browser, Refused  # type: ignore[import-not-found]
from rendering import Page  # type: ignore[import-not-found]
from shut import Shut  # type: ignore[import-not-found]

STAND_IN = r"""
import json, os, sys

def said(**message):
    os.write(4, json.dumps(message).encode() + b"\0")

def event(method, **params):
    said(method=method, params=params, sessionId="s")

def request(url, kind="Document"):
    event("Network.requestWillBeSent", requestId=url, frameId="t", type=kind)
    asked = {"url": url, "headers": {}}
    event("Fetch.requestPaused", requestId="f" + url, request=asked, resourceType=kind, frameId="t")

def course(method, params, log):
    if method == "Page.navigate":
        request(params["url"])
    if method == "Fetch.continueRequest" and params["requestId"].endswith("/"):
        answer, number = {"status": 200, "headers": {"X": "1"}}, params["requestId"][1:]
        event("Network.responseReceived", requestId=number, type="Document", frameId="t", response=answer)
        event("Page.frameNavigated", frame={})
        event("Network.loadingFinished", requestId=number)
        request("http://127.0.0.1:5000/door", "Script")
        event("Page.loadEventFired")
    if method == "Fetch.failRequest":
        event("Network.loadingFailed", requestId=params["requestId"][1:], type="Script", errorText="x")
    log.append([method, params])

ANSWERS = {
    "Browser.getVersion": {"product": "Stand-in/1"}, "Target.createBrowserContext": {"browserContextId": "c"},
    "Target.createTarget": {"targetId": "t"}, "Target.attachToTarget": {"sessionId": "s"},
    "Target.getTargetInfo": {"targetInfo": {"url": "http://x.example/"}}, "Network.getCookies": {"cookies": []},
    "DOM.getDocument": {"root": {"nodeId": 1}}, "DOM.getOuterHTML": {"outerHTML": "<p>\u4e2d" + "x" * (3 << 20)},
    "Runtime.evaluate": {"result": {"value": 42}},
}
log, rest = [], b""
while True:
    some = os.read(3, 65536)
    if not some:
        sys.exit()
    *whole, rest = (rest + some).split(b"\0")
    for one in map(json.loads, whole):
        if one["method"] == "Browser.crash":
            os._exit(1)
        if one["method"] == "log":
            said(id=one["id"], result=log)
        elif one["method"] == "refused":
            said(id=one["id"], error={"message": "why not"})
        elif one["method"] != sys.argv[1]:
            said(id=one["id"], result=ANSWERS.get(one["method"], {}))
            course(one["method"], one["params"], log)
"""


class Ended:
    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self) -> None:
        self.event.set()


def started(silent: str = "") -> tuple[Any, Ended]:
    ended = Ended()
    words = [sys.executable, "-c", STAND_IN, silent]
    return Browser(words, {"PATH": "/usr/bin:/bin"}, ended), ended


@pytest.fixture
def browser() -> Iterator[Any]:
    one, ended = started()
    yield one
    one.send("Browser.crash", {})
    assert ended.event.wait(10)
    os.waitpid(one.pid, 0)


def test_a_question_gets_its_answer_and_a_refusal_its_reason(browser: Any) -> None:
    assert browser.ask("Browser.getVersion", 10) == {"product": "Stand-in/1"}
    with pytest.raises(Refused, match="why not"):
        browser.ask("refused", 10)


def test_its_end_is_told_and_what_says_nothing_is_not_waited_for_for_ever() -> None:
    one, ended = started(silent="Browser.getVersion")
    with pytest.raises(Refused, match="gives no answer"):
        one.ask("Browser.getVersion", 0.2)
    one.send("Browser.crash", {})
    assert ended.event.wait(10)
    os.waitpid(one.pid, 0)


def page(browser: Any, **fetch: Any) -> dict[str, Any]:
    found: dict[str, Any] = Page(browser, Asked({"url": "http://x.example/", **fetch}), Shut([], ["5000"])).rendered()
    return found


def test_a_page_takes_its_course(browser: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = page(browser, js_script="function() {}", save=7)
    assert (found["status_code"], found["headers"], found["js_script_result"], found["save"]) == (
        200,
        {"X": "1"},
        42,
        7,
    )
    assert found["content"].startswith("<p>中x") and len(found["content"]) > 3 << 20
    assert 1 <= found["time"] < 15
    log = browser.ask("log", 10)
    done = [method for method, _ in log]
    assert done.index("Fetch.enable") < done.index("Page.navigate") < done.index("Runtime.evaluate")
    assert done[-1] == "Target.disposeBrowserContext"
    assert browser.open == set() and browser.sessions == {}
    assert [params["requestId"] for method, params in log if method == "Fetch.failRequest"] == [
        "fhttp://127.0.0.1:5000/door"
    ]
    assert "refused: http://127.0.0.1:5000/door" in capsys.readouterr().out


def test_a_page_that_is_never_done_is_taken_as_it_is_when_its_time_is_over() -> None:
    one, _ = started(silent="Fetch.failRequest")
    found = page(one, timeout=1.5)
    assert found["status_code"] == 200 and 1.5 <= found["time"] < 8
    one.send("Browser.crash", {})
    os.waitpid(one.pid, 0)


def test_a_page_that_says_nothing_ends_as_a_599(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rendering.LAST", 0.5)
    one, _ = started(silent="DOM.getDocument")
    found = page(one, timeout=3)
    assert found["status_code"] == 599 and "a script may hang" in found["error"]
    one.send("Browser.crash", {})
    os.waitpid(one.pid, 0)


def test_a_chromium_that_hangs_holds_up_a_page_for_its_own_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rendering.LAST", 0.5)
    one, _ = started(silent="Target.createBrowserContext")
    assert page(one, timeout=0.5)["status_code"] == 599
    one.send("Browser.crash", {})
    os.waitpid(one.pid, 0)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """The address of the whole program, over the stand-in, which knows one page at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = f"127.0.0.1:{probe.getsockname()[1]}"
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\n{STAND_IN}")
    browser.chmod(0o755)
    environment = {"TMPDIR": str(tmp_path), "PYSPIDER_BROWSER": str(browser), "PYSPIDER_SANDBOX": "no"}
    environment |= {"PYSPIDER_PAGES": "1", "PYSPIDER_PORTS": "5000", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-B", str(PROJECT / "templates" / "chromium" / "chromium_fetcher.py"), found]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert (
            process.stdout.readline() == "Chromium runs without its own sandbox, as [phantomjs] of hosts.toml has it\n"
        )
        assert process.stdout.readline() == "Stand-in/1\n"
        until(lambda: asked(found)[0] == 403, 10)
        yield found
        process.terminate()


def asked(place: str, fetch: object = None) -> tuple[int, Any]:
    """The status and the answer; of a GET where there is no task."""
    host, _, port = place.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("GET" if fetch is None else "POST", "/", None if fetch is None else json.dumps(fetch))
        answer = connection.getresponse()
        text = answer.read()
    except OSError:
        return 0, None
    return answer.status, text if fetch is None else json.loads(text)


def test_pages_are_asked_for_as_of_phantomjs_and_only_so_many_are_open_at_once(place: str) -> None:
    assert asked(place) == (403, b"method not allowed!")
    begun = time.monotonic()
    with ThreadPoolExecutor() as beside:
        answers = list(beside.map(lambda _: asked(place, {"url": "http://x.example/"}), range(3)))
    assert {(status, found["status_code"]) for status, found in answers} == {(200, 200)}
    # Each page is open for a second at least.
    assert time.monotonic() - begun > 3


@pytest.mark.parametrize("fetch", [{"url": "file:///etc/passwd"}, {"url": "http://x.example/", "timeout": "soon"}, {}])
def test_a_task_that_makes_no_sense_has_an_answer(place: str, fetch: dict[str, str]) -> None:
    status, found = asked(place, fetch)
    assert status == 200 and found["status_code"] == 599 and found["error"]
