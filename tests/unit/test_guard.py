"""templates/guard.py, which stands before the web UI on hosts; there under Python 2.7, here under this one."""

from __future__ import annotations

import base64
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent.parent
HOST = "10.77.1.11:5000"
NAME, PASSWORD = "demo", "right-Canary"
EVIL = "http://evil.example"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guard", PROJECT / "templates" / "guard.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


guard = loaded()


def basic(password: str = PASSWORD, name: str = NAME) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@dataclass
class WebUI:
    """The web UI with its guard, and a clock that the test sets."""

    login: bool = True
    now: float = 1000.0
    reached: list[str | None] = field(default_factory=list)
    """The Authorization of each request that came through."""

    def __post_init__(self) -> None:
        config = {"need_auth": self.login, "webui_username": NAME, "webui_password": PASSWORD}
        self.guard = guard.Guard(self._application, config, lambda: self.now)

    def _application(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION")
        self.reached.append(header)
        right = not self.login or header in (basic(), "Digest right")
        start("200 OK" if right else "401 UNAUTHORIZED", [("Content-Type", "text/html")])
        return [b"page"]

    def ask(self, method: str = "GET", path: str = "/", address: str = "10.77.1.1", **headers: str) -> Answer:
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": address, "HTTP_HOST": HOST}
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        answers: list[Answer] = []
        body = self.guard(environ, lambda status, given, _=None: answers.append(Answer(int(status[:3]), dict(given))))
        answers[0].text = b"".join(body).decode()
        return answers[0]

    def status(self, method: str = "POST", **headers: str) -> int:
        return self.ask(method, authorization=basic(), **headers).status

    def cookie(self) -> str:
        return self.ask(authorization=basic()).headers["Set-Cookie"].partition(";")[0]

    def wrong(self, times: int, address: str = "10.77.1.1") -> list[int]:
        return [self.ask(address=address, authorization=basic("wrong")).status for _ in range(times)]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str = ""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": f"http://{HOST}"}, 200),
        ({"referer": f"http://{HOST}/debug/x?y"}, 200),
        ({"origin": EVIL}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "file://"}, 403),
        ({"origin": f"http://{HOST}.evil.example"}, 403),
        ({"origin": f"http://{HOST}@evil.example"}, 403),
        ({"origin": "http://10.77.1.11"}, 403),
        ({"origin": "http://10.77.1.11:8080"}, 403),
        ({"referer": f"{EVIL}/{HOST}"}, 403),
        ({"referer": f"{EVIL}?http://{HOST}/"}, 403),
        ({"origin": EVIL, "referer": f"http://{HOST}/"}, 403),
        ({"origin": EVIL, "x_requested_with": "XMLHttpRequest"}, 403),
        ({"origin": "http://[bad"}, 403),
        ({"origin": "http://\xe9"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site", "origin": f"http://{HOST}"}, 403),
        ({"sec_fetch_site": "same-origin", "origin": "https://crawl.example"}, 200),
        ({"origin": "https://crawl.example", "host": "crawl.example"}, 200),
        ({"origin": "https://Crawl.example", "host": "crawl.example:443"}, 200),
        ({"origin": "https://crawl.example:8443", "x_forwarded_host": "10.0.0.1, crawl.example:8443"}, 200),
        ({"origin": "https://crawl.example:8443", "host": "crawl.example"}, 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "MKCOL", "post"])
def test_another_sites_request_that_changes_something_is_refused(
    headers: dict[str, str], status: int, method: str
) -> None:
    one = WebUI()
    answer = one.ask(method, authorization=basic(), **({"host": HOST} | headers))
    assert answer.status == status
    assert bool(one.reached) == (status == 200)
    if status == 403:
        assert (
            "comes from a page of another site" in answer.text and "have the proxy pass the Host header" in answer.text
        )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PROPFIND"])
def test_reading_is_nobodys_harm(method: str) -> None:
    assert WebUI().status(method, origin=EVIL, sec_fetch_site="cross-site") == 200


OUTSIDE = "http://crawl.example"


def test_behind_a_proxy_with_another_host_the_pages_own_requests_go_through_and_other_sites_do_not() -> None:
    """Neither the Host nor Sec-Fetch-Site tells here: plain http, and a proxy that names the web UI's own address."""
    one = WebUI()
    cookie = one.cookie()
    form = {"origin": OUTSIDE, "cookie": f"a=b; {cookie}"}
    assert one.status(**form) == 403, "a form, from an origin of which nothing is known"
    script = form | {"x_requested_with": "XMLHttpRequest"}
    assert one.status(**script) == 200
    assert one.status(**form) == 200, "the script has shown that the origin is the web UI's"
    assert one.status(origin=OUTSIDE) == 403
    assert one.status(origin=OUTSIDE, x_requested_with="XMLHttpRequest") == 403
    assert one.status(origin=EVIL, cookie=cookie) == 403, "of another port of the same name, or an older browser"
    assert one.status(origin=OUTSIDE, cookie="pyspider-page=0") == 403
    assert one.status(origin=OUTSIDE, cookie="pyspider-page=\xe9") == 403


def test_a_script_that_only_reads_shows_the_origin_as_well() -> None:
    one = WebUI()
    cookie = one.cookie()
    one.status("GET", referer=f"{OUTSIDE}/", cookie=cookie, x_requested_with="XMLHttpRequest")
    assert one.status(origin=OUTSIDE, cookie=cookie) == 200
    for number in range(50):
        headers = {"origin": f"http://{number}.example", "x_requested_with": "XMLHttpRequest"}
        one.status("GET", cookie=cookie, **headers)
    assert len(one.guard.origins) == guard.ORIGINS


def test_the_cookie_goes_to_the_web_uis_own_pages_and_only_after_the_password() -> None:
    one = WebUI()
    given = one.ask(authorization=basic()).headers["Set-Cookie"]
    assert given.startswith("pyspider-page=") and given.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert "Set-Cookie" not in one.ask().headers
    assert "Set-Cookie" not in one.ask(authorization=basic("wrong")).headers
    assert "Set-Cookie" not in one.ask(authorization="Digest right", path="/dav/").headers
    assert "Set-Cookie" not in one.ask(authorization=basic(), cookie=one.cookie()).headers
    assert "Set-Cookie" in WebUI(login=False).ask().headers


def test_after_the_fifth_wrong_password_an_address_waits_twice_as_long_each_time_and_a_minute_at_most() -> None:
    one = WebUI()
    assert one.wrong(4) == [401] * 4
    assert one.ask(authorization=basic()).status == 200
    waits = []
    for _ in range(12):
        assert one.wrong(1) == [401]
        reached = len(one.reached)
        refused = one.ask(authorization=basic())
        assert (refused.status, len(one.reached)) == (429, reached), "the password was looked at"
        waits.append(int(refused.headers["Retry-After"]) - 1)
        one.now += waits[-1] - 0.01
        assert one.wrong(2) == [429] * 2, "a try in between must not make it longer"
        one.now += 0.02
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    assert one.ask(authorization=basic()).status == 200
    one.now += guard.FORGET
    assert one.wrong(5) == [401] * 5


def test_a_wait_is_one_addresss_alone_and_ends_no_page_that_asks_for_no_password() -> None:
    one = WebUI()
    one.wrong(9)
    assert one.ask().status == 401
    assert one.ask(address="10.77.1.2", authorization=basic()).status == 200
    assert one.ask(authorization=basic()).status == 429


def test_a_browser_that_has_shown_the_password_is_not_held_up_by_others_at_its_address() -> None:
    one = WebUI()
    cookie = one.cookie()
    one.wrong(9)
    assert one.ask(authorization=basic(), cookie=cookie).status == 200
    assert one.ask(authorization=basic(), cookie="pyspider-page=").status == 429
    assert one.ask(authorization=basic(), cookie="pyspider-page=0000").status == 429


def test_a_cookie_of_a_web_ui_without_login_frees_nobody() -> None:
    one = WebUI(login=False)
    cookie = one.ask().headers["Set-Cookie"].partition(";")[0]
    for _ in range(9):
        one.guard.attempts.wrong("10.77.1.1")
    assert one.ask(authorization=basic("wrong"), cookie=cookie).status == 429


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("10.77.1.1", "10.77.1.2", False),
        ("10.77.1.1", "::ffff:10.77.1.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("x:y", "x:z", False),
    ],
)
def test_addresses_of_one_client_count_together(one: str, other: str, equal: bool) -> None:
    assert (guard.place(one) == guard.place(other)) == equal


def test_the_memory_for_addresses_is_bounded_and_the_oldest_is_forgotten_first() -> None:
    one = WebUI()
    one.wrong(9, "10.77.9.9")
    for number in range(guard.ADDRESSES - 1):
        one.wrong(1, f"10.78.{number // 256}.{number % 256}")
    assert one.wrong(1, "10.77.9.9") == [429]
    for number in range(2 * guard.ADDRESSES):
        one.wrong(1, f"10.79.{number // 256}.{number % 256}")
    assert len(one.guard.attempts.seen) == guard.ADDRESSES
    assert one.wrong(1, "10.77.9.9") == [401]


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Bearer Canary",
        "Basic Q2FuYXJ5",
        "Basic \xff",
        "Canary",
        "Basic /wA6Q2FuYXJ5",
        "Digest x",
        "basic: Q",
    ],
)
def test_a_password_that_pyspider_can_not_read_never_comes_to_its_log_and_counts_as_wrong(header: str) -> None:
    one = WebUI()
    assert [one.ask(authorization=header).status for _ in range(6)] == [401] * 5 + [429]
    assert set(one.reached) == {None}


def test_webdav_may_have_its_digest() -> None:
    one = WebUI()
    assert one.ask("PUT", "/dav/x.py", authorization="Digest right").status == 200
    assert [one.ask("PUT", "/dav/x.py", authorization="Digest no").status for _ in range(6)] == [401] * 5 + [429]


def test_no_answer_may_be_shown_in_a_frame_of_others() -> None:
    one = WebUI()
    answers = [one.ask(), one.ask(authorization=basic()), one.ask("POST", origin=EVIL), one.ask("PUT", "/dav/x")]
    one.wrong(9)
    answers.append(one.ask(authorization=basic()))
    assert {answer.status for answer in answers} == {401, 200, 403, 429}
    for answer in answers:
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("/debug/x", "/debug/x"),
        ("/results?project=a@b", "/results?project=a@b"),
        ("http://demo:Canary@10.77.1.11:5000/", "http://***@10.77.1.11:5000/"),
        ("/debug/x?start-urls=https://u:Canary@a.example/b@c", "/debug/x?start-urls=https://***@a.example/b@c"),
        ("/debug/x?u=http%3A%2F%2Fu%3ACanary%40a.example", "/debug/x?u=http%3A%2F%2F***%40a.example"),
    ],
)
def test_no_password_of_an_address_is_logged(address: str, logged: str) -> None:
    assert guard.masked(address) == logged


def test_all_that_pyspider_serves_stands_behind_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    class Container:
        def __init__(self, application: object) -> None:
            self.application = application

        def _log(self, _status: int, request: Any) -> None:
            logged.append(request.uri)

    logged: list[str] = []
    tornado, wsgi = ModuleType("tornado"), ModuleType("tornado.wsgi")
    tornado.wsgi, wsgi.WSGIContainer = wsgi, Container  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tornado", tornado)
    monkeypatch.setitem(sys.modules, "tornado.wsgi", wsgi)
    guard.stand()
    flask = SimpleNamespace(config={"need_auth": True})
    webui = SimpleNamespace(app=SimpleNamespace(app=flask))
    container = wsgi.WSGIContainer(webui)
    assert isinstance(container, Container)
    assert (container.application.application, container.application.config) == (webui, flask.config)
    assert wsgi.WSGIContainer(object()).application.config == {}
    container._log(200, type("Request", (), {"uri": "http://a:Canary@b/"})())
    assert logged == ["http://***@b/"]
    assert logging.getLogger("wsgidav.http_authenticator").level == logging.ERROR
