"""What the cluster's user can't write, asked as that user on this machine, and how it gets files of its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fabfile.remote import ownership, writable
from fabfile.steps.base import Found
from fabfile.steps.files import kept_suffix
from fabfile.steps.supervisor import Place
from fabfile.steps.writable import Writable

from . import sights

PLACE = Place("work", "/h", "/l", "/c", "/s", "/opt/python")


def refused(tmp_path: Path, *, files: list[str] = [], folders: list[str] = [], data: str = "data") -> list[Any]:  # noqa: B006
    wanted = {
        "files": [str(tmp_path / name) for name in files],
        "folders": [str(tmp_path / name) for name in folders],
        "data": str(tmp_path / data),
    }
    found = writable.refused(wanted, os.getuid())
    return [(Path(one["path"]).name, one["why"], one["mendable"]) for one in found]


def test_files_that_are_absent_or_ones_own_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("text")
    before = (tmp_path / "a.log").stat().st_mtime_ns
    assert refused(tmp_path, files=["a.log", "none.log"], folders=["."]) == []
    assert (tmp_path / "a.log").read_text() == "text" and (tmp_path / "a.log").stat().st_mtime_ns == before


def test_what_is_no_file_or_no_directory_is_told_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "file").touch()
    found = refused(tmp_path, files=["pipe.log", "folder.log"], folders=["gone", "file"])
    assert found == [
        ("gone", "there is no such directory", False),
        ("file", "something that is no directory stands there", False),
        ("pipe.log", "a FIFO stands there, see who put it there, and move it away", False),
        ("folder.log", "a directory stands there, see who put it there, and move it away", False),
    ]


def test_a_file_is_taken_by_a_copy_and_kept_beside_where_it_cannot_be_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("what was")
    before = log.stat().st_ino
    assert ownership.take({"paths": [str(log)], "suffix": ".kept"}) == 0
    assert log.read_text() == "what was" and log.stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_a_file_that_would_fill_the_disk_is_kept_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "a.log"
    log.write_text("much")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=7, f_frsize=1))
    assert ownership.take({"paths": [str(log)], "suffix": ".kept"}) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.log.kept"]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([], []),
        ([{"path": "/l/a.log", "mendable": False}], []),
        ([{"path": "/l/a.log", "mendable": True}], ["give /l/a.log to work"]),
        (
            [{"path": f"/l/{name}.log", "mendable": True} for name in "abc"],
            ["give /l/a.log and 2 more to work"],
        ),
    ],
)
def test_the_step_takes_what_the_user_may_replace(seen: list[Any], says: list[str]) -> None:
    actions = Writable(PLACE).diff(sights.found(preflight={"unwritable": seen}))
    assert [action.says for action in actions] == says
    assert all(kept_suffix() in action.script for action in actions)
    assert Writable(PLACE).diff(Found(0, "null")) == []


def test_a_socket_in_the_place_of_a_log_is_no_file_to_copy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.log"))
        assert refused(tmp_path, files=["s.log"]) == [
            ("s.log", "a socket stands there, see who put it there, and move it away", False)
        ]
