"""The file of the cluster, as messages name it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import load
from fabfile.inventory.place import called, meant

FAB = Path(sys.executable).with_name("fab")


def test_a_file_is_named_so_that_it_can_be_opened_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert called(tmp_path / "a/hosts.toml") == "hosts.toml"
    assert called(Path("hosts.toml")) == "hosts.toml"
    assert called(tmp_path / "a/b/my.toml") == "b/my.toml"
    assert called(tmp_path / "hosts.toml") == str(tmp_path / "hosts.toml")


def test_a_fault_and_the_fleet_name_it_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[cluster]\nnme = 1\n")
    monkeypatch.setenv("HOSTS_TOML", str(path))
    with pytest.raises(WrongInput, match=f"^{path}: cluster: unknown key "):
        load()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongInput, match=r"^my\.toml: cluster: unknown key "):
        load()


def test_advice_on_hosts_toml_tells_which_file_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS_TOML", str(tmp_path / "my.toml"))
    assert meant(["correct tls in hosts.toml"]) == f"hosts.toml is {tmp_path}/my.toml here"
    assert meant([f"{tmp_path}/hosts.toml: x", "login refused"]) == ""
    assert meant([f"{tmp_path}/my.toml: key: none; a path starts at the folder of hosts.toml"]) == ""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOSTS_TOML", "hosts.toml")
    assert meant(["correct tls in hosts.toml"]) == ""


def test_a_user_elsewhere_sees_the_whole_path(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text("[cluster]\nnme = 1\n")
    (tmp_path / "in").mkdir()
    said = subprocess.run(
        [FAB, "status"],
        cwd=tmp_path / "in",
        env={"HOSTS_TOML": str(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2 and said.stderr.startswith(f"fab: {path}: cluster: unknown key ")
