"""Ground and files here: an obstacle is neither followed nor waited for; whatever is root's stays so."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fabfile.remote import files, ground, rights

WORK = 65534
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the rule is about root")


@pytest.fixture(autouse=True, params=["", "before 2.6.39"], ids=["kernel", "old kernel"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old kernel leaves flags alone that it does not know, O_PATH among them."""
    if request.param:
        monkeypatch.setattr(ground, "PATH", 0)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory of another user, in which that user may have put anything."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    path = tmp_path / "work"
    path.mkdir()
    os.chown(path, WORK, WORK)
    return path


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary"
    path.mkdir(mode=0o755)
    (path / "secret").write_text("canary")
    (path / "secret").chmod(0o600)
    return path


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, canary: path.symlink_to(canary / "secret"),
    "link to a directory": lambda path, canary: path.symlink_to(canary),
    "hard link": lambda path, canary: os.link(canary / "secret", path),
    "FIFO": lambda path, _: os.mkfifo(path),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
    "directory": lambda path, _: path.mkdir(),
    "socket": lambda path, _: socket.socket(socket.AF_UNIX).bind(str(path)),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_nothing_but_what_the_user_could_read_is_read(work: Path, canary: Path, planted: str) -> None:
    PLANTED[planted](work / "it", canary)
    for path in (work / "it", work / "it" / "secret"):
        assert files.read(str(path)) == files.tail(str(path), 100) == ""


@pytest.mark.parametrize("planted", PLANTED)
def test_nothing_of_roots_is_given_away(work: Path, canary: Path, planted: str) -> None:
    PLANTED[planted](work / "it", canary)
    for path in (work / "it", work / "it" / "secret"):
        ground.give(str(path), WORK, WORK, [str(work)])
    for path in (canary, canary / "secret"):
        assert path.stat().st_uid == 0
    assert all(str(canary) not in path for path, _ in files.walk(str(work), 100))


def test_an_old_kernel_sees_sockets_and_links_of_others_and_gives_no_socket_away(work: Path, canary: Path) -> None:
    for name in ("socket", "link"):
        PLANTED[name](work / name, canary)
    assert [ground.kind(str(work / name)) for name in ("socket", "link", "none")] == ["a socket", "a link", None]
    assert {path: stat.S_IFMT(found.st_mode) for path, found in files.walk(str(work), 9)} == {
        str(work): stat.S_IFDIR, str(work / "socket"): stat.S_IFSOCK, str(work / "link"): stat.S_IFLNK,
    }  # fmt: skip
    assert [path for path, _ in files.walk(str(work / "link"), 9)] == [str(work / "link")]
    why = ground.give(str(work / "socket"), WORK, WORK, [])
    assert (why is None) == bool(ground.PATH) == ((work / "socket").stat().st_uid == WORK), why


def test_a_file_and_a_directory_are_given_and_a_reason_is_told_where_not(work: Path, canary: Path) -> None:
    (work / "log").write_text("x")
    (work / "data").mkdir()
    for name in ("log", "data"):
        assert ground.give(str(work / name), WORK, WORK, []) is None
        assert (work / name).stat().st_uid == WORK
    assert "in a directory of root's alone" in ground.give("/etc/passwd", WORK, WORK, [])
    os.link(canary / "secret", work / "hard")
    assert "it has another name elsewhere (2 hard links)" in ground.give(str(work / "hard"), WORK, WORK, [])


def test_a_link_of_roots_own_is_followed_and_one_of_others_is_not(work: Path, canary: Path) -> None:
    (canary / "open").write_text("open")
    (canary.parent / "ours").symlink_to(canary)
    (work / "theirs").symlink_to(canary)
    alone = ground.alone(Path("/tmp").stat())
    assert files.read(str(canary / "open")) == "open"
    # Below a directory that everybody can write, even root's own link may be somebody else's in a moment.
    assert files.seen(str(canary.parent / "ours" / "open")) is not None or not alone
    assert ground.stands(str(work / "theirs" / "open")) is None
    # What the user itself could read anyway is read, with the user's rights.
    assert files.read(str(work / "theirs" / "open")) == "open"
    assert files.read("/etc/shadow", WORK) == ""


def test_whoever_wrote_a_file_is_its_author_also_where_everybody_may_write(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    for name, owner, mode in (("theirs", WORK, 0o600), ("open", 0, 0o666), ("roots", 0, 0o644)):
        (tmp_path / "shared" / name).write_text(name)
        (tmp_path / "shared" / name).chmod(mode)
        os.chown(tmp_path / "shared" / name, owner, owner)
    (tmp_path / "shared" / "link").symlink_to("/etc/shadow")
    os.lchown(tmp_path / "shared" / "link", WORK, WORK)
    authors = {name: ground.author(str(tmp_path / "shared" / name)) for name in ("theirs", "open", "roots", "link")}
    assert authors == {"theirs": WORK, "open": rights.NOBODY, "roots": 0, "link": WORK}
    assert ground.author("/etc/passwd") == 0


def test_only_a_socket_is_connected_to_and_removed(work: Path, canary: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(work / "real"))
    os.chown(work / "real", WORK, WORK)
    server.listen(1)
    (work / "link").symlink_to(work / "real")
    (work / "file").touch()
    for name in ("link", "file", "none"):
        with pytest.raises(OSError, match=r"is in its place|No such"):
            ground.connect(socket.socket(socket.AF_UNIX), str(work / name))
    ground.connect(socket.socket(socket.AF_UNIX), str(work / "real"))
    for name in ("link", "file"):
        ground.remove_socket(str(work / name))
        assert os.path.lexists(work / name)
    ground.remove_socket(str(work / "real"))
    assert not os.path.lexists(work / "real")
