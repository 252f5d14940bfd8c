"""docs/platforms.md says what the tests run, and no more."""

from __future__ import annotations

from .. import platforms
from ..bench.section import replaced


def test_the_page_is_as_the_marks_of_the_tests_say() -> None:
    page = platforms.PAGE.read_text()
    assert page == replaced(page, platforms.COMMAND, platforms.table()), "run: ./run platforms"


def test_each_mark_names_a_platform_and_a_column_of_the_table() -> None:
    found = list(platforms.marks())
    assert found
    assert {one.platform for one in found} <= set(platforms.SAID)
    assert {one.column for one in found} <= set(platforms.COLUMNS)
