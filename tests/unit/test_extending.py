"""docs/extending.md names files that there are, and the house's examples are still examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fabfile.steps.base import Step
from fabfile.steps.directory import Directory

PROJECT = Path(__file__).parent.parent.parent
TEXT = (PROJECT / "docs" / "extending.md").read_text()
NAMED = re.findall(r"^- `([^`]+)`: \S", TEXT, re.MULTILINE)
SECTIONS = re.findall(r"^## (.+)$", TEXT.partition("\n# Adding to it\n")[2], re.MULTILINE)


@pytest.mark.parametrize("path", sorted({*NAMED, *re.findall(r"\b(?:tests|fabfile|docs)/[\w/.]+\w", TEXT)}))
def test_a_named_file_is_there(path: str) -> None:
    assert (PROJECT / path).exists()


def test_every_line_of_a_list_names_a_file_and_says_why() -> None:
    assert len(NAMED) == TEXT.count("\n- ")
    assert SECTIONS == [
        "A role",
        "A step",
        "A check of doctor",
        "A sink of fab watch",
        "A part of the page of fab dashboard",
        "A package family",
        "A task",
    ]


def test_a_role_changes_five_files_at_most_beside_its_step_tests_and_documentation() -> None:
    role = TEXT.partition("## A role\n")[2].partition("## ")[0]
    files = re.findall(r"^- `([^`]+)`", role, re.MULTILINE)
    # hosts.toml is the manual of its own keys.
    assert len([file for file in files if not file.startswith("tests/") and file != "hosts.toml"]) <= 5


def test_the_smallest_step_is_one() -> None:
    step: Step = Directory("/srv/crawl", "work", "work", 0o750)
    assert step.probe().script
