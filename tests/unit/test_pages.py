"""The slowest and the most failing pages: what tasks tell, and the walk over tables that are too large to be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fabfile.errors import Problem
from fabfile.health.pages import KEPT, SIGNS, CrawledPage, Stretch, Walk, after, crawled, walked

NOW = 1_795_730_000.0


def row(key: str, status: int = 2, retried: int | None = None, at: float | None = NOW, **track: Any) -> tuple[Any, ...]:
    """A task as MySQL tells it: pyspider keeps JSON in BLOBs."""
    schedule = {} if retried is None else {"retried": retried, "age": 600}
    return key, f"http://192.0.2.1/{key}", status, json.dumps(schedule).encode(), json.dumps(track).encode(), at


def told(*rows: tuple[Any, ...]) -> list[CrawledPage]:
    return list(crawled("shelf", rows))


FETCHED = {"ok": True, "time": 1.5, "status_code": 200, "error": None, "headers": {"Server": "x"}}
DONE = {"ok": True, "time": 0.25, "exception": None, "follows": 3}


def test_a_page_that_went_well_has_its_times_and_no_tries() -> None:
    # It had failed before, and its retries are counted there still.
    (page,) = told(row("a", retried=2, fetch=FETCHED, process=DONE))
    assert page == CrawledPage("shelf", "a", "http://192.0.2.1/a", NOW, 1.5, 0.25)
    assert page.seconds == 1.75


@pytest.mark.parametrize(
    ("status", "retried", "fetch", "process", "tries", "why"),
    [
        (3, 3, {"ok": False, "status_code": 404, "error": "HTTP 404: Not Found"}, {"ok": False}, 4, "HTTP 404"),
        (1, 2, {"ok": False, "status_code": 599, "error": "HTTP 599: timed out"}, {}, 2, "HTTP 599: timed out"),
        (1, None, {"ok": False, "error": "no route"}, {"ok": False, "exception": "no route here"}, 1, "no route"),
        (3, 0, FETCHED, {"ok": False, "exception": "KeyError: 'x'"}, 1, "KeyError: 'x'"),
        (3, None, {}, {}, 1, ""),
    ],
)
def test_a_page_that_fails_tells_how_often_and_why(
    status: int, retried: int | None, fetch: dict[str, Any], process: dict[str, Any], tries: int, why: str
) -> None:
    (page,) = told(row("a", status, retried, fetch=fetch, process=process))
    assert (page.tries, page.why, page.given_up) == (tries, why, status == 3)


def test_tasks_that_were_never_crawled_or_cannot_be_read_disturb_nothing() -> None:
    broken = ("b", b"http://192.0.2.1/b", 2, b"{", b"\xff", NOW)
    odd = ("c", "http://192.0.2.1/c", 2, b"[]", b'{"fetch": {"time": "long"}}', NOW)
    empty = ("d", "x" * 2000, 2, None, None, NOW)
    assert [(page.id, page.seconds, page.tries) for page in told(row("a", 1, at=None), broken, odd, empty)] == [
        ("b", 0, 0), ("c", 0, 0), ("d", 0, 0)
    ]  # fmt: skip
    assert len(told(empty)[0].url) == SIGNS


def page(key: str, seconds: float = 0.0, tries: int = 0, at: float = NOW, project: str = "shelf") -> CrawledPage:
    return CrawledPage(project, key, f"http://192.0.2.1/{key}", at, seconds, tries=tries)


def further(
    before: Walk, *pages: CrawledPage, read: int = 0, place: str = "x", ended: bool = False, rows: int = 0
) -> Walk:
    piece = Stretch("shelf", list(pages), read or len(pages), place, ended)
    return after(before, {"shelf": rows}, [piece], [*before.slow, *before.failing])


def test_a_walk_keeps_the_worst_that_it_has_met() -> None:
    walk = further(Walk(), *(page(f"{n:02}", seconds=n) for n in range(1, 30)), rows=100)
    assert [one.fetching for one in walk.slow] == list(range(29, 29 - KEPT, -1))
    walk = further(
        walk, page("z", seconds=25.5), page("y", tries=4, at=NOW - 9), page("x", tries=4), page("w", tries=9)
    )
    assert walk.slow[4].id == "z" and [one.id for one in walk.failing] == ["w", "x", "y"]
    assert (walk.read, walk.rows, walk.whole) == (33, 33, frozenset())


def test_a_page_that_is_well_again_is_told_no_more() -> None:
    walk = further(Walk(), page("a", tries=4, at=NOW - 100), page("b", seconds=99))
    walk = after(walk, {"shelf": 2}, [], [page("a"), page("b", seconds=1)])
    assert walk.failing == () and [one.seconds for one in walk.slow] == [1]
    # The last error stays the last one.
    assert walk.errors["shelf"].id == "a"


def test_at_its_end_a_walk_begins_anew_and_says_so() -> None:
    walk = further(Walk(), page("a"), read=1000, place="k", rows=1500)
    assert (dict(walk.places), walk.read, walk.rows, walk.whole) == ({"shelf": "k"}, 1000, 1500, frozenset())
    walk = further(walk, page("b"), read=520, place="z", ended=True, rows=1500)
    assert (dict(walk.places), walk.read, walk.rows, walk.whole) == ({"shelf": ""}, 1520, 1520, {"shelf"})
    walk = further(walk, page("a"), read=1000, place="k", rows=1500)
    assert (walk.read, walk.whole) == (1000, {"shelf"})


def test_a_project_that_is_gone_leaves_nothing() -> None:
    walk = further(Walk(), page("a", tries=4), ended=True)
    walk = after(walk, {}, [], [])
    assert (walk.failing, walk.errors, walk.whole, walk.read) == ((), {}, frozenset(), 0)


def test_a_store_that_cannot_be_asked_is_one_sentence() -> None:
    def no_way() -> Any:
        raise Problem("no host of the cluster can be reached")

    with pytest.raises(Problem, match="no host of the cluster"):
        walked(no_way, "u", "p", "taskdb", Walk())
