"""The documentation's pictures show what the program draws today."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .. import pictures
from ..e2e import shown

PROJECT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("picture", pictures.SOURCES)
def test_a_picture_was_made_by_the_sources_as_they_are(picture: str) -> None:
    assert pictures.kept().get(picture) == pictures.digest(picture), (
        f"{picture} is older than {', '.join(pictures.SOURCES[picture])}: `./run pictures` makes it anew; "
        "if it would look the same, `.venv/bin/python -m tests.pictures` says so"
    )


def test_every_picture_of_a_program_that_is_shown_is_among_them() -> None:
    documents = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")]
    found = {
        str((document.parent / path).resolve().relative_to(PROJECT))
        for document in documents
        for path in re.findall(r"(?:!\[[^\]]*\]\(|src(?:set)?=\")([^)\"]+)", document.read_text())
    }
    figures = {"docs/benchmark.png", "docs/crawl.png"}
    assert found - figures <= set(pictures.SOURCES)
    assert set(pictures.SOURCES) == set(pictures.kept())


def test_a_change_of_a_source_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PROJECT", tmp_path)
    monkeypatch.setitem(pictures.SOURCES, "one.svg", ("a.py", "static/*"))
    (tmp_path / "static").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "static/a.js").write_text("2")
    seen = {pictures.digest("one.svg")}
    (tmp_path / "static/a.js").write_text("3")
    seen.add(pictures.digest("one.svg"))
    (tmp_path / "static/a.js").rename(tmp_path / "static/b.js")
    seen.add(pictures.digest("one.svg"))
    assert len(seen) == 3


def test_a_terminals_picture_names_no_other_machine(tmp_path: Path) -> None:
    path = tmp_path / "one.svg"
    shown.save(path, "fab <x>", "\x1b[32mgreen\x1b[0m & 中文\nplain", 40)
    text = path.read_text()
    ElementTree.fromstring(text)
    assert not re.search(r"https?://(?!www\.w3\.org|www\.textualize\.io)", text) and "@font-face" not in text
    assert "&lt;x&gt;" in text or "fab&#160;&lt;x&gt;" in text
