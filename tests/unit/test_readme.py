"""The two READMEs: short, with the same commands and tasks, and none that `fab` does not know."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from fabric.main import Fab
from invoke.parser import Parser

from fabfile.cli.tree import ns

PROJECT = Path(__file__).parent.parent.parent
PAGES = {name: (PROJECT / name).read_text() for name in ("README.md", "README.zh-CN.md")}
STEPS = ("step.", "sandbox.", "demo.")
"""Tasks of these collections are parts of others, or for the sandbox."""


def commands(text: str) -> list[str]:
    """The lines to type, without their comments."""
    lines = (re.match(r"(?: {4}| {7})(\S.*)", line) for line in text.splitlines())
    return [re.sub(r"\s+#.*", "", found[1]) for found in lines if found and not found[1].startswith("[")]


def tasks(text: str) -> set[str]:
    """The tasks in the first column of the table."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `fab ")]
    return {name for row in rows for name in re.findall(r"`fab ([\w.-]+)`", row)}


def test_both_have_the_same_commands_tasks_and_links() -> None:
    english, chinese = PAGES.values()
    assert commands(english) == commands(chinese) != []
    assert tasks(english) == tasks(chinese)
    links = [set(re.findall(r"\]\(((?!README)[^)]+)\)", text)) for text in PAGES.values()]
    assert links[0] == links[1]
    assert all((PROJECT / link.partition("#")[0]).exists() for link in links[0] if "://" not in link)


def test_the_table_has_every_task() -> None:
    assert tasks(PAGES["README.md"]) == {name for name in ns.task_names if not name.startswith(STEPS)}


@pytest.mark.parametrize("page", PAGES)
def test_it_is_read_in_one_go(page: str) -> None:
    assert len(PAGES[page].splitlines()) <= 150


@pytest.mark.parametrize("line", [line for line in commands(PAGES["README.md"]) if re.match(r"(\./run )?fab ", line)])
def test_each_fab_command_is_one_that_fab_takes(line: str) -> None:
    words = shlex.split(line.removeprefix("./run "))[1:]
    core = Parser(initial=Fab(version="").initial_context, ignore_unknown=True).parse_argv(words)
    if core.unparsed:
        assert Parser(contexts=ns.to_contexts()).parse_argv(list(core.unparsed))[0].name
    else:
        assert core[0].args["list"].value is not None


def test_what_the_first_page_types_is_what_a_test_types() -> None:
    """The commands of "Try it" are typed by a user on a bare Debian, in tests/e2e/test_first_page.py."""
    typed = (PROJECT / "tests/e2e/test_first_page.py").read_text()
    first = PAGES["README.md"].partition("## Try it")[2].partition("## Your own")[0]
    missing = [line for line in commands(first) if f'"{line}"' not in typed and line != "./run test"]
    assert missing == []
