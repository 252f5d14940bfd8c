"""hosts.toml edited by a task: just that is changed, and comments and order stay."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.inventory import load
from fabfile.inventory.edit import edited, read, with_count, without_host, write

from .patients import PROJECT

SHIPPED = (PROJECT / "hosts.toml").read_text()


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[:2] in ("- ", "+ ")]


def test_a_moved_role_changes_two_lines() -> None:
    after = with_count("node2", "scheduler", 1)(with_count("node1", "scheduler", 0)(SHIPPED))
    assert changed(SHIPPED, after) == [
        "- roles = { mysql = 1, redis = 1, scheduler = 1, webui = 1 }",
        "+ roles = { mysql = 1, redis = 1, webui = 1 }",
        "- roles = { fetcher = 1, processor = 2, result_worker = 1 }",
        "+ roles = { fetcher = 1, processor = 2, result_worker = 1, scheduler = 1 }",
    ]


def test_a_changed_number_changes_that_number() -> None:
    after = with_count("node3", "processor", 6)(SHIPPED)
    assert [line.count("processor = 6") for line in changed(SHIPPED, after)] == [0, 1]
    assert with_count("node3", "processor", 2)(SHIPPED) == SHIPPED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("roles = {fetcher=1}  # here", "roles = {fetcher=1, scheduler=1}  # here"),
        ("roles = {}", "roles = { scheduler = 1 }"),
        ('address = "b"', 'address = "b"\nroles = { scheduler = 1 }'),
        ("roles.fetcher = 1 # f", "roles.fetcher = 1 # f\nroles.scheduler = 1"),
        ("[hosts.b.roles]\nfetcher = 1\n# end", "[hosts.b.roles]\nfetcher = 1\n# end\nscheduler = 1"),
    ],
)
def test_a_role_is_added_in_the_form_that_is_there(before: str, after: str) -> None:
    head, tail = "[hosts.b]\nport = 22\n", "\n[stores.mysql]\nport = 1 # MySQL\n"
    assert with_count("b", "scheduler", 1)(f"{head}{before}\n{tail}") == f"{head}{after}\n{tail}"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_host_goes_with_its_comment_and_with_no_other(line_end: str) -> None:
    parts = [
        '# The first.\n[hosts.a]\naddress = "a"\n\n',
        '# The second,\n# which goes.\n[hosts."b"] # b\naddress = "b"\n# inside\n[hosts.b.roles]\nfetcher = 1\n\n',
        "# MySQL\n[stores.mysql]\nport = 1\n",
    ]
    text = "".join(parts).replace("\n", line_end)
    assert without_host("b")(text) == (parts[0] + parts[2]).replace("\n", line_end)
    assert without_host("a")(text) == (parts[1] + parts[2]).replace("\n", line_end)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('[hosts]\na = { address = "a" }\nb = { address = "b" }\n', '[hosts]\na = { address = "a" }\n'),
        ('hosts.a.address = "a"\nhosts.b.address = "b"\n', 'hosts.a.address = "a"\n'),
    ],
)
def test_hosts_in_other_forms_go_as_well(text: str, left: str) -> None:
    assert without_host("b")(text) == left


def test_a_text_that_only_looks_like_a_table_is_refused_and_not_cut() -> None:
    text = '[hosts.a]\naddress = """\n[hosts.b]\n"""\n[hosts.b]\naddress = "b"\n'
    with pytest.raises(WrongInput, match="change it by hand"):
        without_host("b")(text)


def test_the_new_file_is_judged_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(SHIPPED)
    fleet = load(path)
    moved, text = edited(fleet, SHIPPED, with_count("node1", "scheduler", 0), with_count("node2", "scheduler", 1))
    assert moved.scheduler_host.name == "node2"
    assert moved.path == fleet.path
    with pytest.raises(WrongInput, match=r"^hosts\.toml: hosts: no webui in the cluster"):
        edited(fleet, SHIPPED, with_count("node1", "webui", 0))
    assert path.read_text() == SHIPPED
    path.chmod(0o640)
    write(path, SHIPPED, text)
    assert path.stat().st_mode & 0o777 == 0o640
    assert load(path).scheduler_host.name == "node2"
    assert sorted(one.name for one in tmp_path.iterdir()) == [".secrets", "hosts.toml"]


def test_a_file_that_somebody_else_changed_is_left_alone(tmp_path: Path) -> None:
    path, link = tmp_path / "real.toml", tmp_path / "hosts.toml"
    path.write_bytes(b"a = 1\r\n")
    link.symlink_to("real.toml")
    before = read(link)
    assert before == "a = 1\r\n"
    path.write_text("a = 2\n")
    with pytest.raises(Problem, match="somebody has changed it meanwhile"):
        write(link, before, "a = 3\n")
    write(link, "a = 2\n", "a = 3\n")
    assert link.is_symlink()
    assert path.read_text() == "a = 3\n"
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(Problem, match="can't be written"):
            write(link, "a = 3\n", "a = 4\n")
