"""`fab scale`: the numbers in hosts.toml change, and nothing else of it."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.inventory import Fleet, load
from fabfile.inventory.scale import placed, scaled, wanted

from .patients import PROJECT

SHIPPED = (PROJECT / "hosts.toml").read_text()


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["processor=6"], {"processor": 6}),
        (["processor=0", "fetcher=2"], {"processor": 0, "fetcher": 2}),
        (["phantomjs=1"], {"phantomjs": 1}),
        (["processor=007"], {"processor": 7}),
    ],
)
def test_words_are_roles_with_numbers(words: list[str], numbers: dict[str, int]) -> None:
    assert wanted(words) == numbers


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give a role and its number on each host, like processor=6"),
        (["processor"], "'processor' is no role with a number from 0 to 999"),
        (["processor=many"], "'processor=many' is no role with a number"),
        (["processor=-1"], "is no role with a number"),
        (["processor=+1"], "is no role with a number"),
        (["processor=1000"], "is no role with a number"),
        (["processor=٣"], "is no role with a number"),
        (["processor=6=7"], "is no role with a number"),
        (["processer=6"], r"unknown role 'processer' \(did you mean 'processor'\?\)"),
        (["processor1=6"], r"unknown role 'processor1' \(did you mean 'processor'\?\)"),
        (["=6"], "unknown role ''"),
        (["scheduler=2"], "exactly one scheduler; two would steal each other's tasks"),
        (["scheduler=1"], "exactly one scheduler"),
        (["mysql=2"], "a cluster has one mysql, which `fab bootstrap` sets up"),
        (["redis=0"], "a cluster has one redis"),
        (["processor=1", "processor=2"], "processor is given twice"),
    ],
)
def test_other_words_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(WrongInput, match=says):
        wanted(words)


def test_each_host_that_has_the_role_is_meant(fleet: Fleet) -> None:
    assert placed(fleet, {"processor": 6}, fleet.hosts, by_name=False) == {"processor": {"node2": 6, "node3": 6}}


def test_a_host_without_the_role_has_to_be_named(fleet: Fleet) -> None:
    node1 = fleet.select(("node1",))
    with pytest.raises(WrongInput, match=r"none of the chosen hosts has processor; .*fab -H node1 scale processor=6"):
        placed(fleet, {"processor": 6}, node1, by_name=False)
    assert placed(fleet, {"processor": 6}, node1, by_name=True) == {"processor": {"node1": 6}}


def test_a_host_that_the_file_does_not_list_is_refused(fleet: Fleet) -> None:
    with pytest.raises(WrongInput, match=r"says nothing of root@192\.0\.2\.9"):
        placed(fleet, {"processor": 6}, fleet.select(("root@192.0.2.9",)), by_name=True)


def test_in_the_shipped_file_just_that_number_differs() -> None:
    made = scaled(SHIPPED, {"processor": {"node2": 6}})
    assert changed_lines(SHIPPED, made) == [
        "-roles = { fetcher = 1, processor = 2, result_worker = 1 }",
        "+roles = { fetcher = 1, processor = 6, result_worker = 1 }",
    ]
    assert scaled(made, {"processor": {"node2": 2}}) == SHIPPED


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
    assert scaled(before, {"processor": {"a": 6}}) == after


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
    after = scaled(before, {"processor": {"a": 6}})
    assert tomllib.loads(after)["hosts"]["a"]["roles"]["processor"] == 6
    left = [line for line in changed_lines(before, after) if line.startswith("-")]
    assert all(line.startswith("-roles = {") for line in left), "every other line stays"
    assert after.count("#") == before.count("#") and after.count("\n") - after.count("\r\n") in (0, after.count("\n"))


def test_a_file_that_can_not_be_taken_apart_is_left_alone() -> None:
    with pytest.raises(Problem, match="can't be changed safely in the way it is written"):
        scaled("[hosts.a]\nroles = { processor = 2 }\n\x01", {"processor": {"a": 6}})


def test_nothing_is_added_for_none() -> None:
    text = '[hosts.a]\naddress = "x"\n'
    assert scaled(text, {"processor": {"a": 0}}) == text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cluster on one address of loopback where nothing answers."""
    text = SHIPPED.replace("10.77.0.1", "127.0.0.1").replace("#port = 22\n", "port = 9\n", 1)
    text = text.replace("\nkey = ", "\n#key = ").replace("\nknown_hosts = ", "\n#known_hosts = ")
    (tmp_path / "cache").mkdir()
    (tmp_path / "hosts.toml").write_text(text)
    load(tmp_path / "hosts.toml")
    return tmp_path


def fab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOSTS_TOML": str(folder / "hosts.toml"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-X", "utf8", "-m", "fabfile", *words]
    found = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in found.stderr
    return found


def test_a_dry_run_shows_the_difference_and_writes_nothing(folder: Path) -> None:
    before = (folder / "hosts.toml").read_bytes()
    found = fab(folder, "scale", "processor=6", "-H", "node2", "--dry-run")
    assert "+roles = { fetcher = 1, processor = 6, result_worker = 1 }" in found.stdout
    assert found.returncode == 3 and (folder / "hosts.toml").read_bytes() == before


def test_the_file_is_written_whole_with_its_mode_also_behind_a_link(folder: Path) -> None:
    real = folder / "real.toml"
    (folder / "hosts.toml").rename(real)
    (folder / "hosts.toml").symlink_to("real.toml")
    real.chmod(0o664)
    found = fab(folder, "scale", "processor=6", "fetcher=3", "-H", "node2,node3")
    assert found.returncode == 3, "the hosts are away; hosts.toml says what a later deploy does"
    hosts = tomllib.loads(real.read_text())["hosts"]
    assert [(hosts[name]["roles"]["processor"], hosts[name]["roles"]["fetcher"]) for name in ("node2", "node3")] == [
        (6, 3), (6, 3),
    ]  # fmt: skip
    assert (folder / "hosts.toml").is_symlink() and real.stat().st_mode & 0o777 == 0o664
    assert sorted(path.name for path in folder.iterdir()) == [".secrets", "cache", "hosts.toml", "real.toml"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["scale"], "give a role and its number"),
        (["scale", "scheduler=2"], "exactly one scheduler"),
        (["scale", "processor=0"], "no processor in the cluster"),
        (["scale", "processor=6", "--limit", "node1"], "none of the chosen hosts has processor"),
        (["scale", "processor=6", "-H", "node9"], "unknown host 'node9'"),
        (["scale", "processor=6", "--role", "fetchr"], "unknown role 'fetchr'"),
        (["scale", "processor=6", "--name", "fetcher=1"], "not both"),
    ],
)
def test_what_would_be_wrong_is_refused_before_anything_is_written(folder: Path, words: list[str], says: str) -> None:
    before = (folder / "hosts.toml").read_bytes()
    found = fab(folder, *words)
    assert found.returncode == 2 and says in found.stderr
    assert (folder / "hosts.toml").read_bytes() == before


def test_a_file_that_somebody_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    from fabfile.tasks.scale import _write

    path = tmp_path / "hosts.toml"
    path.write_text("theirs")
    with pytest.raises(Problem, match="was changed by somebody else meanwhile; nothing was written"):
        _write(path, "before", "after")
    assert path.read_text() == "theirs"
