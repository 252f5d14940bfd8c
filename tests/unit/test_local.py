"""Files on this machine: whole or not at all, one writer at a time."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from fabfile.errors import NoCache
from fabfile.local import cache_dir, cached, made_folder, only_writer, put_whole, write_whole

from ..waiting import eventually


def test_a_file_is_put_in_place_whole(tmp_path: Path) -> None:
    target = tmp_path / "archive"
    target.write_text("before")
    with put_whole(target) as fresh:
        fresh.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_put_in_place_whole(tmp_path: Path) -> None:
    with put_whole(tmp_path / "pages") as fresh:
        fresh.mkdir()
        (fresh / "index.html").write_text("page")
        assert not (tmp_path / "pages").exists()
    assert (tmp_path / "pages/index.html").read_text() == "page"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_nothing_is_left_of_a_file_that_did_not_get_whole(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "archive"
    target.write_text("before")
    with pytest.raises(type(error)), put_whole(target) as fresh:
        fresh.write_text("half")
        raise error
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_text_is_written_with_its_mode_over_what_a_stopped_run_left(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "record"
    left = tmp_path / f"record.new-{os.getpid()}"
    left.write_text("half")
    write_whole(target, "first", mode)
    write_whole(target, "second", mode)
    assert target.read_text() == "second"
    assert target.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [target]


def test_a_text_that_has_no_bytes_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "record"
    target.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "\ud800")
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody's")
    (tmp_path / "record").symlink_to(elsewhere)
    write_whole(tmp_path / "record", "mine")
    assert elsewhere.read_text() == "somebody's"
    assert not (tmp_path / "record").is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_second_writer_waits_for_the_first(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    order: list[str] = []

    def second() -> None:
        with only_writer(path):
            order.append("second")

    with only_writer(path):
        waiter = threading.Thread(target=second)
        waiter.start()
        assert eventually(lambda: open_files().count(path) == 2)
        order.append("first")
    waiter.join(5)
    assert order == ["first", "second"]


def test_a_lock_that_was_removed_with_its_directory_is_not_held_by_who_waited_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    got: list[int] = []

    def wait() -> None:
        with only_writer(folder / "lock") as handle:
            got.append(os.fstat(handle).st_ino)

    waiter = threading.Thread(target=wait)
    with ExitStack() as held:
        held.enter_context(only_writer(folder / "lock"))
        waiter.start()
        # Both have the file open: the waiter waits, or is about to.
        assert eventually(lambda: open_files().count(folder / "lock") == 2)
        shutil.rmtree(folder)
        folder.mkdir()
    waiter.join(5)
    assert got == [(folder / "lock").stat().st_ino]


def test_where_there_is_no_directory_there_is_nothing_to_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), only_writer(tmp_path / "none" / "lock"):
        pass


def open_files() -> list[Path]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link.readlink() for link in links if link.exists()]


def test_a_cache_that_cant_be_made_is_told_with_the_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    where = f"{tmp_path}/file/pyspider-fabfile/files: can't be made: not a directory; set XDG_CACHE_HOME to a folder"
    with pytest.raises(NoCache, match=where):
        cache_dir("files")


def test_a_terminal_that_is_gone_is_no_fault_of_the_cache(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), cached(tmp_path):
        raise BrokenPipeError
    with pytest.raises(NoCache, match="can't be read or written: no space left on device; make room"), cached(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_is_made_with_those_above_it_for_its_owner_alone(tmp_path: Path) -> None:
    for _ in range(2):
        made_folder(tmp_path / "a" / "b", parents=True)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            made_folder(path)
    with pytest.raises(FileNotFoundError):
        made_folder(tmp_path / "c" / "d")
