"""`renderer = "chromium"`: what a host gets, what is refused, and a task's words as Chromium hears them."""

from __future__ import annotations

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from fabfile import plan, render
from fabfile.inventory import Fleet, load, renderers
from fabfile.steps.renderer import Renderer

from ..waiting import until
from .hosts_toml import changed, faults
from .local import PROJECT, fleet

sys.path.insert(0, str(PROJECT / "templates" / "chromium"))

import chromium_fetcher  # type: ignore[import-not-found]
from asked import AT_START, Asked  # type: ignore[import-not-found]
from shut import MOST, Shut  # type: ignore[import-not-found]

HOST = fleet().hosts[2]
TABLE = "[phantomjs]\n"


def chromium(folder: Path, *lines: str, renderer: str = "chromium") -> Fleet:
    text = (PROJECT / "hosts.toml").read_text()
    assert text.count(TABLE) == 1
    path = folder / "hosts.toml"
    path.write_text(text.replace(TABLE, "\n".join([f'[phantomjs]\nrenderer = "{renderer}"', *lines, ""])))
    return load(path)


def unit(one: Fleet) -> str:
    (step,) = plan.renderer(one, one.hosts[2])
    assert isinstance(step, Renderer)
    return step.script.unit.decode()


def test_a_host_gets_chromium_in_place_of_phantomjs(tmp_path: Path) -> None:
    one = chromium(tmp_path)
    host = one.hosts[2]
    section = render.program_sections(one, host, "rt1").partition("[program:result_worker1]")[0]
    python, folder = "/opt/pyspider/current/bin/python", "/opt/pyspider/render/demo"
    asked = f"{python} {folder}/renderer.py run /run/pyspider-demo-render/socket"
    assert f"command={asked} {python} {folder}/chromium_fetcher.py 10.77.0.13:25555\n" in section
    assert 'PYSPIDER_PAGES="4"' in section and 'PYSPIDER_MEMORY_MB="1024"' in section
    assert "SANDBOX" not in section and "OPENSSL_CONF" not in section
    packages = plan.packages(one, host).names
    assert {name for name, names in packages.items() if "chromium" in names} == {"debian", "redhat", "suse"}
    assert "libfontconfig1" not in packages["debian"]


def test_its_programs_are_all_there_and_a_changed_one_restarts_it(tmp_path: Path) -> None:
    one = chromium(tmp_path)
    (step,) = plan.renderer(one, HOST)
    assert isinstance(step, Renderer)
    names = {Path(path).name for path, _ in step.files}
    own = {path.name for path in (PROJECT / "templates" / "chromium").glob("*.py")}
    assert names == own | {"renderer.py", "limits.py"}
    before = chromium(tmp_path, renderer="phantomjs")
    plain, other = (render.fingerprints(each, each.hosts[2], "rt1") for each in (before, one))
    assert {name for name in plain if plain[name] != other[name]} == {"phantomjs1"}


def test_the_unit_lets_chromium_make_its_sandbox_and_nothing_else_any_namespace(tmp_path: Path) -> None:
    assert "RestrictNamespaces=user pid net\n" in unit(chromium(tmp_path))
    assert "SystemCallFilter=chroot capset\n" in unit(chromium(tmp_path))
    for one in (fleet(), chromium(tmp_path, "sandbox = false")):
        assert "RestrictNamespaces=yes\n" in unit(one) and "chroot" not in unit(one)


def test_the_options_reach_its_program(tmp_path: Path) -> None:
    one = chromium(tmp_path, "sandbox = false", "pages = 9", "memory_mb = 700")
    options = replace_path(one, "/opt/chrome/chrome")
    assert not any("chromium" in names for names in plan.packages(options, options.hosts[2]).names.values())
    found = renderers.environment(options)
    assert found["PYSPIDER_SANDBOX"] == "no" and found["PYSPIDER_PAGES"] == "9"
    assert found["PYSPIDER_MEMORY_MB"] == "700" and found["PYSPIDER_BROWSER"] == "/opt/chrome/chrome"


def replace_path(one: Fleet, path: str) -> Fleet:
    from msgspec.structs import replace as changed_struct

    program = changed_struct(one.pyspider.phantomjs, phantomjs_path=path)
    return replace(one, pyspider=changed_struct(one.pyspider, phantomjs=program))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('renderer = "chrome"', 'phantomjs.renderer: \'chrome\' is not "phantomjs" or "chromium"'),
        ("pages = 3", "phantomjs.pages: has no effect on PhantomJS"),
        ("sandbox = false", "phantomjs.sandbox: has no effect on PhantomJS"),
        ('renderer = "chromium"\nsource = "/x/phantomjs"', "phantomjs.source: PhantomJS' binary is not used"),
    ],
)
def test_keys_that_contradict_each_other_are_named(tmp_path: Path, lines: str, told: str) -> None:
    (fault,) = faults(tmp_path, changed("[python]\n", f"{TABLE}{lines}\n\n[python]\n"))
    assert told in fault


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--no-sandbox", "take the sandbox away by `sandbox = false`"),
        ("--user-data-dir=/tmp/x", "is this project's own to set"),
        ("--proxy-server=http://u:p@192.0.2.9:8080", "would be in the process list"),
    ],
)
def test_words_for_its_command_line_that_do_harm_are_refused(tmp_path: Path, word: str, told: str) -> None:
    lines = f'{TABLE}renderer = "chromium"\n\n[pyspider.phantomjs]\nargs = ["{word}"]\n\n[python]\n'
    (fault,) = faults(tmp_path, changed("[python]\n", lines))
    assert "pyspider.phantomjs.args" in fault and told in fault


def test_fetchers_know_every_renderer_where_there_are_several(tmp_path: Path) -> None:
    assert "renderers" not in json.loads(render.config_json(fleet()))["fetcher"]
    text = (PROJECT / "hosts.toml").read_text().replace("phantomjs = 1 }", "phantomjs = 3 }")
    path = tmp_path / "hosts.toml"
    path.write_text(text)
    config = json.loads(render.config_json(load(path)))
    places = [f"10.77.0.13:{port}" for port in (25555, 25556, 25557)]
    assert config["fetcher"]["renderers"] == places
    assert config["phantomjs-proxy"] == places[0]


SHUT = Shut(["10.77.0.11", "db.example"], ["6379", "5000", "443"])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://x.example/", True),
        ("https://10.77.0.11:8443/", True),
        ("http://10.77.0.11/", True),
        ("http://10.77.0.11:6379/", False),
        ("http://DB.example.:6379/", False),
        ("https://db.example/", False),
        ("http://u:p@localhost:5000/", False),
        ("http://a.localhost:5000/", False),
        ("http://127.1.2.3:6379/", False),
        ("http://[::1]:6379/", False),
        ("file:///etc/passwd", False),
        ("FILE:///etc/passwd", False),
        ("ftp://x.example/", False),
        ("chrome://version", False),
        ("view-source:http://x.example/", False),
        ("http://x.example:6379@10.77.0.11:5000/", False),
    ],
)
def test_no_page_gets_to_a_door(url: str, allowed: bool) -> None:
    assert SHUT.allows(url) is allowed


def test_the_rules_name_each_door_and_fit_a_command_line() -> None:
    rules = SHUT.rules().split(", ")
    assert "MAP 10.77.0.11:6379 ~NOTFOUND" in rules and "MAP [*]:5000 ~NOTFOUND" in rules
    assert len(rules) == (5 + 2) * 3
    assert len(Shut([f"10.0.{n >> 8}.{n & 255}" for n in range(9999)], ["1", "2"]).rules()) < MOST + 100


def said(**fetch: Any) -> dict[str, Any]:
    return dict(Asked({"url": "http://x.example/", **fetch}).settings("b1"))


def test_headers_go_where_they_belong() -> None:
    headers = {"User-Agent": "spider", "X-Own": "1", "Cookie": "a=1; b=x=y; ", "If-None-Match": "e", "Host": "y"}
    settings = list(Asked({"url": "http://x.example/", "headers": headers}).settings("b1"))
    plain = dict(settings)
    assert plain["Network.setExtraHTTPHeaders"] == {"headers": {"X-Own": "1"}}
    assert plain["Emulation.setUserAgentOverride"] == {"userAgent": "spider"}
    cookies = [(one["name"], one["value"]) for name, one in settings if name == "Network.setCookie"]
    assert cookies == [("a", "1"), ("b", "x=y")]
    first = Asked({"url": "http://x.example/", "headers": headers}).first_request({"Accept": "*/*"})
    assert first["headers"] == [{"name": "Accept", "value": "*/*"}, {"name": "If-None-Match", "value": "e"}]


def test_a_form_is_sent_as_one() -> None:
    first = Asked({"url": "http://x.example/", "method": "POST", "data": "a=ü"}).first_request({})
    assert first["method"] == "POST"
    assert base64.b64decode(first["postData"]).decode() == "a=ü"
    assert first["headers"] == [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}]
    assert Asked({"url": "http://x.example/"}).first_request({"Accept": "*/*"}) == {}


def test_the_size_of_the_window_and_pyspiders_defaults() -> None:
    size = said()["Emulation.setDeviceMetricsOverride"]
    assert (size["width"], size["height"]) == (1024, 2304)
    size = said(js_viewport_width=800, js_viewport_height="600")["Emulation.setDeviceMetricsOverride"]
    assert (size["width"], size["height"]) == (800, 600)
    assert Asked({"url": "http://x.example/"}).seconds == 20 and Asked({"url": "http://x.example/"}).images
    assert not Asked({"url": "http://x.example/", "load_images": False}).images


def test_a_script_runs_first_only_where_its_task_says_so() -> None:
    script = "function() { return 1; }"
    source = said(js_script=script, js_run_at="document-start")["Page.addScriptToEvaluateOnNewDocument"]["source"]
    assert source == AT_START % ('"b1"', script)
    assert "Page.addScriptToEvaluateOnNewDocument" not in said(js_script=script, js_run_at="document-end")


def test_the_login_of_a_proxy_is_not_in_its_address() -> None:
    proxy = Asked({"url": "http://x.example/", "proxy": "u%40:p@192.0.2.9:8080"}).proxy
    assert proxy.parameters()["proxyServer"] == "http://192.0.2.9:8080"
    assert proxy.login == ("u@", "p")
    assert Asked({"url": "http://x.example/"}).proxy.parameters() == {}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:1", "chrome://version", "//x", ""])
def test_nothing_but_http_is_asked_for(url: str) -> None:
    with pytest.raises(ValueError, match="only http and https"):
        Asked({"url": url})


def test_who_waits_gets_a_turn_in_the_order_of_coming_or_none_in_time() -> None:
    turns, took = chromium_fetcher.Turns(1), []
    assert turns.take(5) and not turns.take(0.05)

    def wait(name: str) -> None:
        assert turns.take(10)
        took.append(name)
        turns.give()

    with ThreadPoolExecutor() as waiting:
        for count, name in enumerate(("first", "second", "third"), 1):
            waiting.submit(wait, name)
            until(lambda count=count: len(turns.line) == count, 10)  # type: ignore[misc]
        turns.give()
    assert took == ["first", "second", "third"] and turns.free == 1


def test_a_page_without_a_turn_is_answered_before_its_fetcher_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    open_, done = Event(), Event()

    def page(self: Any, fetch: dict[str, Any]) -> dict[str, Any]:
        open_.set()
        assert done.wait(10)
        return {"status_code": 200, "orig_url": fetch["url"], "time": 1.0}

    monkeypatch.setattr(chromium_fetcher.Handler, "page", page)
    monkeypatch.setattr(chromium_fetcher, "TURN", 0.1)
    server = chromium_fetcher.Server(("127.0.0.1", 0), None, None, 1)
    Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}/"
    with ThreadPoolExecutor() as beside:
        first = beside.submit(urlopen, place, b'{"url": "http://x.example/"}', 10)
        assert open_.wait(10)
        with pytest.raises(HTTPError) as refused:
            urlopen(place, b'{"url": "http://y.example/"}', 10)
        done.set()
        assert refused.value.code == 503 and first.result(10).status == 200
    server.shutdown()
    server.server_close()
