"""The fetcher: a task that none can read keeps no place, and only what is the renderer's takes the patient way."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher.blocking import Waker  # type: ignore[import-not-found]
from launcher.fetching import KeepingFetcher, PatientClient  # type: ignore[import-not-found]

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


def test_what_is_not_for_the_renderer_goes_straight_through() -> None:
    asked: list[str] = []
    client = SimpleNamespace(fetch=lambda request: asked.append(request.url) or "answer", size=lambda: 3)
    patient = PatientClient(client, RENDERER)
    assert patient.fetch(SimpleNamespace(url="http://x.example/")) == "answer"
    assert asked == ["http://x.example/"] and patient.size() == 3
