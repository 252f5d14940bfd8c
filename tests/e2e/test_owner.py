"""Root in a folder of somebody else: what it makes is that somebody's, and no link there leads it astray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.inventory import passwords
from fabfile.local import cache_dir, made_folder
from fabfile.sandbox.sandbox import Sandbox
from fabfile.ssh.known_hosts import KnownHosts
from fabfile.tasks.bench import try_folder

pytestmark = pytest.mark.e2e

SOMEBODY = 23456


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of somebody who is not root."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, SOMEBODY, SOMEBODY)
    return folder


def test_the_passwords_that_root_makes_beside_a_users_hosts_toml_are_the_users(theirs: Path) -> None:
    passwords.generated(theirs / ".secrets" / "demo.toml", ["mysql"])
    for path in (theirs / ".secrets", theirs / ".secrets" / "demo.toml"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (SOMEBODY, 0)


def test_root_makes_no_passwords_behind_a_users_link(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "roots").mkdir(mode=0o755)
    (theirs / ".secrets").symlink_to(tmp_path / "roots")
    with pytest.raises(Problem, match=r"\.secrets/demo\.toml"):
        passwords.generated(theirs / ".secrets" / "demo.toml", ["mysql"])
    assert list((tmp_path / "roots").iterdir()) == []
    assert (tmp_path / "roots").stat().st_mode & 0o777 == 0o755


def test_a_known_hosts_file_that_root_begins_is_the_users_and_no_link(theirs: Path, tmp_path: Path) -> None:
    KnownHosts(theirs / "known_hosts").add("192.0.2.1", "ssh-ed25519", "AAAA")
    assert (theirs / "known_hosts").stat().st_uid == SOMEBODY
    (tmp_path / "roots").touch()
    (theirs / "linked").symlink_to(tmp_path / "roots")
    with pytest.raises(OSError, match="symbolic"):
        KnownHosts(theirs / "linked").add("192.0.2.1", "ssh-ed25519", "AAAA")
    assert (tmp_path / "roots").read_bytes() == b""


def test_folders_that_root_makes_beside_a_users_hosts_toml_are_the_users(theirs: Path) -> None:
    try_folder(theirs / "benchmarks")
    made_folder(theirs / "profiles")
    KnownHosts(theirs / "keys" / "of" / "known_hosts").add("192.0.2.1", "ssh-ed25519", "AAAA")
    # An older version has left this one to root.
    (theirs / "old").mkdir()
    made_folder(theirs / "old")
    for path in theirs.rglob("*"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077 if path.name != "old" else 0) == (SOMEBODY, 0), path


def test_root_makes_no_folder_behind_a_users_link(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "roots").mkdir(mode=0o755)
    (theirs / "benchmarks").symlink_to(tmp_path / "roots")
    with pytest.raises(Problem, match="no result can be written there"):
        try_folder(theirs / "benchmarks")
    assert (tmp_path / "roots").stat().st_uid == 0 and list((tmp_path / "roots").iterdir()) == []


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_root_keeps_nothing_in_a_users_cache(theirs: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(name, str(theirs))
    assert not cache_dir().is_relative_to(theirs)
    assert list(theirs.iterdir()) == []


def planted(kind: str, state: Path, roots: Path) -> None:
    if kind == "a link":
        state.symlink_to(roots)
    else:
        state.mkdir()
        os.chown(state, SOMEBODY, SOMEBODY)
        (state / "known_hosts.new").symlink_to(roots / "file")
        (state / "lock").symlink_to(roots / "file")


@pytest.mark.parametrize("kind", ["a link", "a folder"])
def test_root_makes_and_removes_no_sandbox_where_a_user_has_put_something(
    theirs: Path, tmp_path: Path, kind: str
) -> None:
    roots = tmp_path / "roots"
    roots.mkdir()
    (roots / "file").write_text("roots")
    planted(kind, theirs / ".sandbox", roots)
    sandbox = Sandbox(theirs / ".sandbox", "10.77.224")
    for change in (sandbox.up, sandbox.down):
        with pytest.raises(Problem, match=r"is a link|could put links there"):
            change()
    assert [path.name for path in roots.iterdir()] == ["file"]
    assert (roots / "file").read_text() == "roots"


def test_a_folder_that_is_no_sandbox_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    with pytest.raises(Problem, match="other files than a sandbox's"):
        Sandbox(tmp_path, "10.77.224").down()
    assert (tmp_path / "letters").exists()
