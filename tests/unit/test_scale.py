"""`fab scale`: the numbers that are asked for, and hosts.toml with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import Fleet, load
from fabfile.inventory.scale import placed, wanted

from .patients import PROJECT

SHIPPED = (PROJECT / "hosts.toml").read_text()


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
