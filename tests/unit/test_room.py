"""Free space: what a host says, what bootstrap needs there, and the sentence about too little."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.runs.engine import look
from fabfile.steps.base import Found
from fabfile.steps.packages import Packages
from fabfile.steps.phantomjs import PhantomJSBinary
from fabfile.steps.room import CACHE, PACKAGES, PROGRAMS, SCRATCH, Need, Room, room_to_build, room_to_ship, short

from .local import LocalLink

ONE_DISK = Found(0, "\n".join(f"room {path} /dev/vda1 9000000 1 102400 99% /" for path in (PROGRAMS, PACKAGES, CACHE)))
TWO = Found(0, f"room {PROGRAMS} a 1 1 51200 9% /opt\nroom {SCRATCH} tmpfs 1 1 10240 9% /tmp and more\nroom {CACHE} \n")


@pytest.mark.parametrize(
    ("found", "needs", "says"),
    [
        (ONE_DISK, [], ""),
        (ONE_DISK, [Need(PROGRAMS, 100, "Python")], ""),
        # They share the disk.
        (
            ONE_DISK,
            [Need(PROGRAMS, 60, "Python"), Need(PACKAGES, 41, "packages")],
            "/ has 100 MB free, and about 101 are needed there (Python 60, packages 41)",
        ),
        (TWO, [Need(PROGRAMS, 50, "Python"), Need(SCRATCH, 10, "its archive")], ""),
        (
            TWO,
            [Need(PROGRAMS, 51, "Python"), Need(SCRATCH, 11, "its archive")],
            "/opt has 50 MB free, and about 51 are needed there (Python 51); "
            "/tmp and more has 10 MB free, and about 11 are needed there (its archive 11)",
        ),
        # What a build has made that was stopped is there already.
        (Found(0, f"{ONE_DISK.text}\nbegun 204800\t/opt/pyspider/build\n"), [Need(PROGRAMS, 300, "Python")], ""),
        (
            Found(0, f"{ONE_DISK.text}\nbegun 204800\t/opt/pyspider/build\n"),
            [Need(PROGRAMS, 301, "Python")],
            "/ has 100 MB free, and about 301 are needed there (Python 301)",
        ),
        # What is not seen is not judged.
        (TWO, [Need(CACHE, 9999, "x"), Need(PACKAGES, 9999, "x")], ""),
        (Found(1, "df: not found"), [Need(PROGRAMS, 9999, "x")], ""),
    ],
)
def test_a_file_system_with_too_little_room_is_named_with_both_figures(
    found: Found, needs: list[Need], says: str
) -> None:
    assert short(found, needs) == says


def test_a_host_tells_its_room(tmp_path: Path) -> None:
    (found,) = look(LocalLink(), [Room()])
    rows = found.rows("room")
    assert [row.split()[0] for row in rows] == [PROGRAMS, PACKAGES, CACHE, SCRATCH]
    assert short(found, [Need(PROGRAMS, 1, "a")]) == ""
    assert "are needed there (a 999999999)" in short(found, [Need(PROGRAMS, 999999999, "a")])


def test_only_what_is_missing_needs_room(tmp_path: Path) -> None:
    packages = Packages({"debian": ["gcc", ("a", "b")]})
    assert packages.needs(Found(0, "family debian apt-get\nhas gcc\nhas b\n")) == []
    (programs, archives) = packages.needs(Found(0, "family debian apt-get\nhas b\n"))
    assert (programs.path, archives.path) == (PACKAGES, CACHE) and programs.megabytes > archives.megabytes > 10
    # The step itself tells what is wrong.
    assert packages.needs(Found(0, "family none\n")) == packages.needs(Found(0, "")) == []
    binary = tmp_path / "phantomjs"
    binary.write_bytes(b"x" * (3 << 20))
    step = PhantomJSBinary(binary, "ab")
    assert [one.megabytes for one in step.needs(Found(0, "sha256=\n"))] == [3, 3]
    assert step.needs(Found(0, "sha256=ab  /opt/pyspider/bin/phantomjs\n")) == []


def test_a_runtime_that_is_built_takes_more_room_than_one_that_comes(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(b"x" * (5 << 20))
    ((unpacked, packed), built) = room_to_ship(archive), room_to_build()
    assert packed == Need(SCRATCH, 5, "its archive")
    assert built[0].megabytes > 2 * unpacked.megabytes
    assert room_to_ship(None)[1].megabytes > 20
