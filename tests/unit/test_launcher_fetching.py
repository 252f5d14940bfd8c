"""The fetcher: a task that none can read keeps no place, and only what is the renderer's takes the patient way."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import umsgpack

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import fetching  # type: ignore[import-not-found]
from launcher.blocking import Waker  # type: ignore[import-not-found]
from launcher.fetching import (  # type: ignore[import-not-found]
    REFUSED,
    TIMED_OUT,
    KeepingFetcher,
    PatientClient,
    number_of,
    with_proxy,
)

RENDERER = "10.77.0.13:25555"


class Pulse:
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


class Fetcher(KeepingFetcher):  # type: ignore[misc]
    """Over a fetch that fails before pyspider's own care for failures begins."""

    def __init__(self) -> None:
        super().__init__()
        self.waker, self.pulse, self.outqueue = Waker(), Pulse(), SimpleNamespace(name="pages")
        self.aside: list[tuple[int, Exception]] = []
        self.inqueue = SimpleNamespace(fail=lambda number, error: self.aside.append((number, error)))

    def fetch(self, task: dict[str, Any]) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(AttributeError("'NoneType' object has no attribute 'get'"))
        return future


def test_a_task_at_which_the_fetcher_itself_fails_is_put_aside() -> None:
    fetcher, task = Fetcher(), {"url": "http://x.example/", "fetch": None}
    fetcher.open[id(task)] = (7, task)
    fetcher.set_out(task)
    assert fetcher.open == {}
    assert fetcher.packed(fetcher.fetched[0]) is None
    assert [number for number, _ in fetcher.aside] == [7]
    assert fetcher.pulse.errors == [fetcher.aside[0][1]]


def test_a_page_that_is_too_large_for_a_queue_is_one_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis closes the connection at a message of more than 512 MB, which looks like a Redis that is away."""
    monkeypatch.setattr(fetching, "LARGEST_MESSAGE", 5000)
    fetcher = Fetcher()
    task = {"taskid": "t", "project": "p", "url": "http://x.example/", "fetch": {"save": {"page": 3}}}
    page = {"status_code": 200, "url": "http://y.example/", "orig_url": task["url"], "time": 2.5, "content": "x" * 4000}
    for content, status in (("x" * 4000, 200), ("x" * 6000, 599)):
        number, ((name, message),) = fetcher.packed(((7, task), task, dict(page, content=content)))
        told, result = umsgpack.unpackb(message)
        assert (number, name, told, result["status_code"]) == (7, "pages", task, status)
    assert result["content"] == "" and result["save"] == {"page": 3} and result["time"] == 2.5
    assert result["error"] == "HTTP 599: page with its task of more than 256 MB"
    assert fetcher.aside == [] and set(page) < set(result)


def test_what_is_not_for_the_renderer_goes_straight_through() -> None:
    asked: list[str] = []
    client = SimpleNamespace(fetch=lambda request: asked.append(request.url) or "answer", size=lambda: 3)
    patient = PatientClient(client, [RENDERER])
    assert patient.fetch(SimpleNamespace(url="http://x.example/")) == "answer"
    assert asked == ["http://x.example/"] and patient.size() == 3


def test_each_page_goes_to_the_renderer_that_has_the_fewest() -> None:
    patient = PatientClient(SimpleNamespace(), ["a", "b", "c"])
    assert [patient.turn(set()) for _ in range(4)] == ["a", "b", "c", "a"]
    patient.pages["b"] -= 1
    assert patient.turn(set()) == "b"
    # One that hangs keeps its pages, and so gets no more.
    for _ in range(9):
        patient.pages[patient.turn({"a"})] -= 1
    assert patient.pages == {"a": 2, "b": 1, "c": 1}


def test_of_renderers_that_were_tried_none_is_asked_again_before_the_others() -> None:
    patient, tried = PatientClient(SimpleNamespace(), ["a", "b"]), {"a"}
    assert patient.turn(tried) == "b" and tried == {"a"}
    tried.add("b")
    assert patient.turn(tried) == "a" and tried == set()


PAGE = {"url": "http://x.example/", "proxy_host": "proxy.example", "proxy_port": 3128}


@pytest.mark.parametrize(
    ("page", "proxy"),
    [
        (PAGE, "http://proxy.example:3128"),
        (PAGE | {"proxy_username": "u@x", "proxy_password": "p:\u00e4"}, "http://u%40x:p%3A%C3%A4@proxy.example:3128"),
        (PAGE | {"proxy_username": "u"}, "http://u@proxy.example:3128"),
        (PAGE | {"proxy": "other.example:1"}, "other.example:1"),
        ({"url": "http://x.example/", "proxy": False}, False),
        ({"url": "http://x.example/"}, None),
    ],
)
def test_a_renderer_is_told_of_pyspiders_own_proxy(page: dict[str, Any], proxy: str | bool | None) -> None:
    for body in (json.dumps(page), json.dumps(page).encode()):
        found = json.loads(with_proxy(body))
        assert found.get("proxy") == proxy and {**found, "proxy": 0} == {**page, "proxy": 0}
    assert with_proxy(b"no JSON") == b"no JSON" and with_proxy(None) is None


@pytest.mark.parametrize(("seconds", "asked"), [(100.0, 2), (1.0, 5)], ids=["hangs", "dies"])
def test_a_page_at_which_renderers_hang_gets_two_and_one_at_which_they_die_some_more(
    monkeypatch: pytest.MonkeyPatch, seconds: float, asked: int
) -> None:
    now, tries = [0.0], []

    def fetch(request: Any) -> None:
        tries.append(request.url)
        now[0] += seconds
        raise OSError(52, "Empty reply from server")

    monkeypatch.setattr(fetching, "clock", lambda: now[0])
    monkeypatch.setitem(sys.modules, "tornado", SimpleNamespace(gen=SimpleNamespace(sleep=lambda _: None)))
    patient = PatientClient(SimpleNamespace(fetch=fetch), [RENDERER])
    with pytest.raises(OSError, match="Empty reply"):
        list(patient.asked_again(SimpleNamespace(url=RENDERER, body=b"{}")))
    assert len(tries) == asked and patient.pages == {RENDERER: 0}


class Busy(Exception):
    """As tornado tells an answer that is none of a page."""

    code = 503


@pytest.mark.parametrize(("busy", "ends"), [(3, "page"), (99, "busy")], ids=["has a turn at last", "has none for long"])
def test_a_page_without_a_turn_is_asked_for_again_until_the_scheduler_would_take_it_for_lost(
    monkeypatch: pytest.MonkeyPatch, busy: int, ends: str
) -> None:
    now, answers = [0.0], [Busy()] * busy

    def fetch(request: Any) -> str:
        now[0] += 60.0
        if answers:
            raise answers.pop()
        return "page"

    class Return(Exception):
        pass

    gen = SimpleNamespace(sleep=lambda _: None, Return=Return)
    monkeypatch.setattr(fetching, "clock", lambda: now[0])
    monkeypatch.setitem(sys.modules, "tornado", SimpleNamespace(gen=gen))
    patient = PatientClient(SimpleNamespace(fetch=fetch), [RENDERER])
    asked = patient.asked_again(SimpleNamespace(url=RENDERER, body=b"{}"))
    with pytest.raises(Busy if ends == "busy" else Return):
        answer = None
        while True:
            answer = asked.send(answer)
    assert patient.pages == {RENDERER: 0} and now[0] <= 540


def test_a_host_that_is_away_counts_as_one_that_refuses_and_a_slow_page_does_not() -> None:
    error = OSError(TIMED_OUT, "timed out")
    assert number_of(error, 20.5) == REFUSED
    assert number_of(error, 121.0) == TIMED_OUT
    assert number_of(ValueError(), 1.0) is None
