"""The folders of a run: gone after it, also when it was killed, and nobody else's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fabfile.ssh import scratch
from fabfile.ssh.scratch import LOCK, YOUNG_SECONDS, Scratch

HOLDS = "import sys; from fabfile.ssh.scratch import Scratch; one = Scratch(); print(one.path, flush=True); input()"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def begun() -> tuple[subprocess.Popen[str], Path]:
    run = subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdout
    return run, Path(run.stdout.readline().strip())


def aged(folder: Path) -> Path:
    """As it is after its first minute."""
    then = folder.stat().st_mtime - YOUNG_SECONDS - 1
    os.utime(folder, (then, then))
    return folder


def next_run() -> None:
    scratch._sweep.cache_clear()
    with Scratch():
        pass


def test_it_is_the_users_alone_and_gone_afterwards(place: Path) -> None:
    with Scratch() as folder:
        assert folder.parent == place and folder.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_the_next_run_removes_those_of_a_run_that_was_killed_and_of_no_other(place: Path) -> None:
    (killed, left), (alive, used) = begun(), begun()
    killed.kill()
    killed.communicate()
    (left / "config").write_text("Host *\n")
    young, strange = place / "fab-ssh-young", place / "fab-ssh-strange"
    for folder in (young, strange):
        folder.mkdir(mode=0o700)
    (young / LOCK).touch()
    linked = place / "fab-ssh-link"
    linked.symlink_to(aged(strange))
    open_to_all = place / "fab-ssh-open"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    (open_to_all / LOCK).touch()
    for folder in (left, used, open_to_all):
        aged(folder)
    next_run()
    assert not left.exists()
    assert all(one.exists() for one in (used, young, strange, linked, open_to_all))
    alive.communicate("\n")
    assert not used.exists()
