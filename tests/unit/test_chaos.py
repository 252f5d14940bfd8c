"""The book-keeping of the chaos runs: what is told of them can't be better than what was seen."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

import pytest

from ..chaos import changes, once, report
from ..chaos.crawl import Crawl
from ..chaos.faults import FAULTS
from ..chaos.once import Told
from ..e2e.conftest import PROJECT, Cluster

SHIPPED = (PROJECT / "hosts.toml").read_text()


class Stored:
    """A crawl of which so much is stored, in so many rows."""

    def __init__(self, results: int, rows: int) -> None:
        self.pages, self.found, self.stored = 10, results, rows
        self.cluster = cast(Cluster, None)

    def results(self) -> int:
        return self.found

    def rows(self) -> int:
        return self.stored

    def reach(self, count: int, seconds: float) -> float:
        raise AssertionError(f"{self.found} of {count} results after {seconds:.0f} s")


@pytest.mark.parametrize(("results", "rows", "well", "faults"), [
    (10, 10, True, 0), (9, 9, True, 2), (10, 11, True, 1), (10, 10, False, 1)
])  # fmt: skip
def test_a_lost_a_doubled_page_and_a_cluster_that_stays_ill_are_faults(
    results: int, rows: int, well: bool, faults: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "well", lambda _cluster: well)
    monkeypatch.setattr(once, "told_by_status", lambda _cluster: "fetcher1 hangs")
    monkeypatch.setattr(once, "RECOVERS_SECONDS", 0)
    told = Told("x", "1")
    told.faults += once.judged(cast(Crawl, Stored(results, rows)), 0, told)
    assert len(told.faults) == faults and ("fetcher1 hangs" in told.line) is not well


@pytest.mark.parametrize(("section", "line"), [*changes.OPTIONS.values(), changes.BROKEN])
def test_an_option_is_set_and_nothing_else_changes(section: str, line: str) -> None:
    def options(text: str) -> dict[str, Any]:
        return cast("dict[str, Any]", tomllib.loads(text)["pyspider"])

    changed, before = options(changes.with_option(SHIPPED, section, line)), options(SHIPPED)
    assert changed[section] == before.get(section, {}) | tomllib.loads(line)
    assert {key: one for key, one in changed.items() if key != section} == {
        key: one for key, one in before.items() if key != section
    }


def test_each_event_has_a_name_of_its_own_and_a_row_with_the_worst_of_its_runs(tmp_path: Path) -> None:
    names = [one.name for one in (*FAULTS, *changes.CHANGES)]
    assert len(set(names)) == len(names)
    bad = Told("a", "1", recovered=7, healthy=9, noticed=3, faults=["9 of 10 results"])
    (tmp_path / "reliability.md").write_text(f"before\n{report.BEGIN}old\n{report.END}after\n")
    report.save([Told("a", "0", recovered=2, healthy=3), bad], "about", tmp_path)
    written = (tmp_path / "reliability.md").read_text()
    assert "| a | 2 | 1 of 2 | 3 | 7 | 9 |" in written
    report.save([Told("b", "2", recovered=1, healthy=2)], "about", tmp_path)
    written = (tmp_path / "reliability.md").read_text()
    assert "| a | 2 | 1 of 2 | 3 | 7 | 9 |" in written and "| b | 1 | 1 of 1 |  | 1 | 2 |" in written
    assert written.startswith("before\n") and written.endswith("after\n") and "old" not in written
