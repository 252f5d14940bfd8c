"""The runtimes that the control machine keeps: used only where they are what their builds told of."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from fabfile.errors import NoCache, Problem
from fabfile.sources import KeptRuntime, build_time, keep_runtime, kept_runtimes, packed_runtime, try_to_keep

PACKED = b"a packed runtime"
BUILT = KeptRuntime("2.7.18-abc", hashlib.sha256(PACKED).hexdigest(), "d" * 64)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the runtimes in a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pyspider-fabfile" / "runtimes"


def comes(content: bytes) -> Callable[[BinaryIO], None]:
    def fetch(stream: BinaryIO) -> None:
        stream.write(content)

    return fetch


def keep(content: bytes = PACKED, built: KeptRuntime = BUILT) -> Path:
    return keep_runtime(built, comes(content))


def test_a_runtime_is_kept_with_its_digests_and_its_owner_alone_can_read_them(kept: Path) -> None:
    assert (packed_runtime(BUILT.id), kept_runtimes()) == (None, ())
    archive = keep()
    assert packed_runtime(BUILT.id) == (archive, BUILT)
    assert kept_runtimes() == (BUILT,)
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in kept.iterdir()} == {
        ".lock": "600",
        f"{BUILT.id}.tar.gz": "600",
        f"{BUILT.id}.sha256": "600",
    }


def test_an_archive_that_was_changed_after_its_build_is_thrown_away(kept: Path) -> None:
    with pytest.raises(Problem, match="it was changed in between, and is thrown away"):
        keep(PACKED + b"!")
    assert list(kept.iterdir()) == []
    before = keep()
    with pytest.raises(Problem):
        keep(b"", KeptRuntime(BUILT.id, "0" * 64, "0" * 64))
    assert packed_runtime(BUILT.id) == (before, BUILT)


def test_an_archive_that_was_changed_in_the_cache_is_not_used() -> None:
    keep().write_bytes(PACKED + b"!")
    with pytest.raises(
        Problem, match=f"{BUILT.id}.tar.gz: its bytes are not those that were built, and it is not used"
    ):
        packed_runtime(BUILT.id)


@pytest.mark.parametrize("record", [None, "", "no digest\n", f"{BUILT.sha256}  x\n"])
def test_an_archive_without_its_digests_is_not_used(kept: Path, record: str | None) -> None:
    keep()
    path = kept / f"{BUILT.id}.sha256"
    path.unlink() if record is None else path.write_text(record)
    with pytest.raises(Problem, match="an older version kept it without a digest, and it is not used"):
        packed_runtime(BUILT.id)
    assert kept_runtimes() == ()
    keep()
    assert kept_runtimes() == (BUILT,)


def test_nothing_is_kept_of_a_runtime_that_did_not_come(kept: Path) -> None:
    def fails(stream: BinaryIO) -> None:
        stream.write(PACKED)
        raise Problem("node1: the connection was lost")

    with pytest.raises(Problem, match="lost"):
        keep_runtime(BUILT, fails)
    assert list(kept.iterdir()) == []


def no_folder(kept: Path) -> None:
    """A folder in which nobody, also not root, can make a file."""
    kept.parent.mkdir(parents=True)
    kept.symlink_to("/proc/self")


def test_a_disk_that_is_full_is_told_before_the_build_and_after_it(kept: Path) -> None:
    try_to_keep(1)
    assert list(kept.iterdir()) == []

    def full(_stream: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        NoCache, match=r"2\.7\.18-abc\.tar\.gz: can't be read or written: no space left on device; make room"
    ):
        keep_runtime(BUILT, full)
    assert list(kept.iterdir()) == []


def test_a_folder_that_cant_be_written_is_told_before_the_build_and_costs_no_time_kept(kept: Path) -> None:
    no_folder(kept)
    with pytest.raises(NoCache, match="runtimes: can't be read or written: "):
        try_to_keep(1)
    with pytest.raises(NoCache):
        keep()
    build_time.keep(2, 100.0)
    assert "usually" in build_time.expected(2)


def test_records_and_archives_that_cant_be_read_are_told(kept: Path) -> None:
    archive = keep()
    (kept / "other.sha256").mkdir()
    with pytest.raises(NoCache, match="is a directory"):
        kept_runtimes()
    (kept / "other.sha256").rmdir()
    archive.unlink()
    assert packed_runtime(BUILT.id) is None


def test_no_cache_at_all_costs_only_the_time_of_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    build_time.keep(2, 100.0)
    assert "usually" in build_time.expected(2)
