"""hosts.toml edited by a task: just that is changed, and comments and order stay."""

from __future__ import annotations

import difflib
import os
import tomllib
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
    assert with_count("node3", "processor", 2)(after) == with_count("node3", "processor", 2)(SHIPPED) == SHIPPED


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[hosts.a]\nroles = {fetcher=1,processor  =  2}# c\n", "[hosts.a]\nroles = {fetcher=1,processor  =  6}# c\n"),
        ("[hosts.a.roles]\n#x\nprocessor = 2 # two\n\n#y\n", "[hosts.a.roles]\n#x\nprocessor = 6 # two\n\n#y\n"),
        ("[hosts.a]\nroles.processor = 2   # c\n", "[hosts.a]\nroles.processor = 6   # c\n"),
        ("hosts.a.roles.processor = 2\n", "hosts.a.roles.processor = 6\n"),
        ('[hosts."a"]\n"roles" = { "processor" = 0x2 }\n', '[hosts."a"]\n"roles" = { "processor" = 6 }\n'),
        ("hosts = { a = { roles = { processor = 2 } } }\n", "hosts = { a = { roles = { processor = 6 } } }\n"),
        ("[hosts.a]\r\nroles = { processor = 2 } # c\r\n", "[hosts.a]\r\nroles = { processor = 6 } # c\r\n"),
        ("[hosts.a]\nroles = { processor = 2 }", "[hosts.a]\nroles = { processor = 6 }"),
        ("[hosts.a]\nroles = { processor = 0x6 }\n", "[hosts.a]\nroles = { processor = 0x6 }\n"),
        ("\n\n[ hosts . a ]\n\troles={processor=2}\n", "\n\n[ hosts . a ]\n\troles={processor=6}\n"),
        ("[hosts.a]\nroles.processor = 2\n[x]\n[hosts.b]\n", "[hosts.a]\nroles.processor = 6\n[x]\n[hosts.b]\n"),
        ("[hosts.a.roles]\nprocessor = 2\n[x]\n[hosts.b]\n[hosts.a]\nport = 1\n",
         "[hosts.a.roles]\nprocessor = 6\n[x]\n[hosts.b]\n[hosts.a]\nport = 1\n"),
        ("[hosts.a]\nroles.processor = 2\n[hosts.b]\nroles.processor = 2\n",
         "[hosts.a]\nroles.processor = 6\n[hosts.b]\nroles.processor = 2\n"),
    ],
)  # fmt: skip
def test_a_number_changes_in_place_however_it_is_written(before: str, after: str) -> None:
    assert with_count("a", "processor", 6)(before) == after


@pytest.mark.parametrize(
    "before",
    [
        '[hosts.a] # A\naddress = "x" # c\n\n# the next\n[hosts.b]\n',
        "[hosts.a]\nroles = { fetcher = 1 } # c\n[hosts.b]\n",
        "[hosts.a.roles] # c\nfetcher = 1 # d\n\n[hosts.b]\n",
        "[hosts.a]\nroles.fetcher = 1 # c\n\n[x]\n",
        "[hosts.a]\nroles = {}\n",
        "[hosts.a]\r\nroles.fetcher = 1\r\n\r\n[x]\r\n",
    ],
)
def test_a_role_that_a_host_has_not_yet_is_added(before: str) -> None:
    after = with_count("a", "processor", 6)(before)
    assert tomllib.loads(after)["hosts"]["a"]["roles"]["processor"] == 6
    left = [line for line in changed(before, after) if line.startswith("-")]
    assert all(line.startswith("- roles = {") for line in left), "every other line stays"
    assert after.count("#") == before.count("#") and after.count("\n") - after.count("\r\n") in (0, after.count("\n"))


def test_a_file_that_can_not_be_taken_apart_is_left_alone() -> None:
    with pytest.raises(WrongInput, match="can't be edited here"):
        with_count("a", "processor", 6)("[hosts.a]\nroles = { processor = 2 }\n\x01")


def test_nothing_is_added_for_none() -> None:
    text = '[hosts.a]\naddress = "x"\n'
    assert with_count("a", "processor", 0)(text) == text


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
    told = r"as one table, \[hosts\.b\], and that line at no other place, then run this again"
    with pytest.raises(WrongInput, match=told) as refused:
        without_host("b")(text)
    assert "by hand" not in str(refused.value), "a host that is taken out by hand can't be decommissioned any more"
    assert without_host("b")(text.replace('\n[hosts.b]\n"', '\n"')) == '[hosts.a]\naddress = """\n"""\n'


def test_the_new_file_is_judged_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(SHIPPED)
    fleet = load(path)
    moved, text = edited(fleet, SHIPPED, with_count("node1", "scheduler", 0), with_count("node2", "scheduler", 1))
    assert moved.scheduler_host.name == "node2"
    assert moved.path == fleet.path
    with pytest.raises(WrongInput, match=rf"^{path}: hosts: no webui in the cluster"):
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
