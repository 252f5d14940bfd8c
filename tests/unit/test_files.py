"""Directories, files, links and absences, on this machine's own file system."""

from __future__ import annotations

import getpass
import grp
import hashlib
import os
import stat
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.runs.engine import look
from fabfile.steps.base import CannotLook, Found, Step
from fabfile.steps.directory import Directory
from fabfile.steps.files import LASTS, NOTHING, SHOWN_BYTES, File, kept_suffix, parse_look, parse_stat, swap_in
from fabfile.steps.shell import Command, cmd

from .local import LocalLink, converged

ME = getpass.getuser()
MINE = grp.getgrgid(os.getgid()).gr_name


def mine(path: Path, content: bytes = b"text\n", mode: int = 0o640, **more: object) -> File:
    return File(str(path), content, ME, MINE, mode, **more)  # type: ignore[arg-type]


def applied(*steps: Step) -> str:
    """How it ended. Raises Problem with the cause where it failed."""
    outcome = converged(steps)
    if not outcome.well:
        raise Problem(outcome.cause, detail=outcome.detail)
    return outcome.status


def diffs(step: Step) -> list[str]:
    return [action.diff for action in converged([step], dry=True).missing]


def test_a_file_is_written_with_its_owner_and_mode_and_then_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "it's a name; $(touch x)"
    assert applied(mine(path)) == "changed"
    assert path.read_bytes() == b"text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert applied(mine(path)) == "ok"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_content_that_is_no_text_and_has_no_last_newline_arrives_unchanged(tmp_path: Path) -> None:
    content = bytes(range(256)) * 400
    assert applied(mine(tmp_path / "a", content), mine(tmp_path / "b", b"")) == "changed"
    assert (tmp_path / "a").read_bytes() == content
    assert applied(mine(tmp_path / "a", content), mine(tmp_path / "b", b"")) == "ok"


def test_a_file_of_the_control_machine_is_sent_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\0" * 100_000)
    step = File(str(tmp_path / "target"), source, ME, MINE, 0o755)
    assert diffs(step) == [f"{tmp_path}/target: 100000 bytes\n"]
    assert applied(step) == "changed"
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert applied(step) == "ok"


def test_a_wrong_mode_alone_is_repaired_without_writing_the_file_again(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"text\n")
    path.chmod(0o666)
    inode = path.stat().st_ino
    assert applied(mine(path)) == "changed"
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_ino) == (0o640, inode)


def test_a_changed_file_shows_what_changes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("one\ntwo\n")
    (shown,) = diffs(mine(path, b"one\nthree\n"))
    assert shown == f"--- {path} (now)\n+++ {path} (new)\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"


def test_a_secret_is_shown_neither_as_it_was_nor_as_it_will_be(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old-secret")
    bare = mine(path, b"new-secret\nx\n", secret=True)
    masked = mine(path, b"new-secret\n", secret=True, masked="password = ***\n")
    assert "(secret, 2 lines)" in diffs(bare)[0]
    assert "+password = ***" in diffs(masked)[0]
    found = LocalLink().exchange(message_of(bare), lambda _: None)[0]
    assert "b2xkLXNlY3JldA" not in found.text  # base64 of the old one
    assert not [word for word in ("old-secret", "new-secret") if word in diffs(bare)[0] + repr(bare)]
    assert "new-secret" not in bare.probe().script + bare.write().script


def message_of(step: Step):  # type: ignore[no-untyped-def]
    from fabfile.ssh.protocol import message

    return message((), [step.probe()])


def test_a_file_too_large_to_be_shown_is_still_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (SHOWN_BYTES + 1))
    (shown,) = diffs(mine(path))
    assert "too large" in shown
    assert applied(mine(path)) == "changed"


def test_a_missing_directory_and_one_in_the_way_are_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(Problem) as caught:
        applied(mine(tmp_path / "no" / "f"))
    assert f"its directory {tmp_path}/no is missing" in caught.value.detail
    with pytest.raises(Problem, match="a directory is in the way"):
        applied(mine(tmp_path / "d"))


def test_what_a_stopped_run_left_is_no_obstacle_and_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / ".f.new").symlink_to(victim)
    (tmp_path / "f").symlink_to(victim)
    assert applied(mine(tmp_path / "f")) == "changed"
    assert victim.read_text() == "keep"
    assert not (tmp_path / "f").is_symlink()


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(Problem, match="exit status"):
        applied(File(str(path), b"new", "nobody-of-this-name", MINE, 0o644))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("; Made by fab from hosts.toml: change it there.\nold\n", False),
        ("#!/bin/sh\n# Made by `fab bootstrap`, once\n", False),
        ("[program:shop]\n", True),
        ("no newline at its end", True),
        ("", True),
        ("\n" * 30 + "Made by fab in a text of somebody else's\n", True),
    ],
)
def test_what_this_project_did_not_make_is_kept_beside_and_told(tmp_path: Path, before: str, kept: bool) -> None:
    path = tmp_path / "it's.conf"
    path.write_text(before)
    path.chmod(0o604)
    step = mine(path, b"new\n", keep=True)
    beside = Path(f"{path}{kept_suffix()}")
    for _ in range(2):
        (action,) = converged([step], dry=True).missing
        assert (f"somebody else's is kept as {beside}" in action.says) == kept
        assert applied(step) == "changed"
        assert beside.exists() == kept
        path.write_text(before)
    if kept:
        copies = sorted(one.name for one in tmp_path.iterdir() if one != path)
        assert copies == [beside.name, f"{beside.name}.1"]
        assert beside.read_text() == before and stat.S_IMODE(beside.stat().st_mode) == 0o604


def test_the_last_contents_stay_beside_for_what_cannot_do_with_the_new_one(tmp_path: Path) -> None:
    contents = [f"{number}\n".encode() for number in range(LASTS + 3)]
    for content in contents:
        assert applied(mine(tmp_path / "a", content, keep_last=True)) == "changed"
    kept = {path.name: path.read_bytes() for path in tmp_path.glob(".a.was-*")}
    assert len(kept) == LASTS
    assert kept[f".a.was-{hashlib.sha256(contents[-2]).hexdigest()[:12]}"] == contents[-2]


def test_nothing_is_kept_where_nothing_stands_or_nothing_changes(tmp_path: Path) -> None:
    step = mine(tmp_path / "a", b"somebody's own\n", keep=True)
    assert (applied(step), applied(step)) == ("changed", "ok")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_path_can_be_found_on_the_host(tmp_path: Path) -> None:
    script = swap_in(Command('"$where"'), f"{ME}:{MINE}", 0o600)
    assert 'target="$where"' in script
    assert str(cmd("a b")) in swap_in("a b", "x:y", 0o600)


def test_a_directory_is_made_with_its_parents_and_repaired(tmp_path: Path) -> None:
    step = Directory(str(tmp_path / "a/b/c"), ME, MINE, 0o750)
    assert applied(step) == "changed"
    assert stat.S_IMODE((tmp_path / "a/b/c").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o755
    (tmp_path / "a/b/c").chmod(0o700)
    assert applied(step) == "changed"
    assert applied(step) == "ok"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory that others can write too."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path


def test_a_directory_is_no_link_where_others_can_make_one_and_no_file(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (shared / "logs").symlink_to(tmp_path / "disk")
    for path in ("logs", "logs/deeper"):
        with pytest.raises(Problem, match=f"{shared}/logs: a link stands there, where others than root can put one"):
            applied(Directory(str(shared / path), ME, MINE, 0o700))
    assert [stat.S_IMODE((tmp_path / "disk").stat().st_mode), *(tmp_path / "disk").iterdir()] == [0o755]
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    for name, kind in (("file", "a file"), ("fifo", "a FIFO"), ("fifo/x", "a FIFO")):
        with pytest.raises(Problem, match=f"{kind} is in the way, where a directory belongs"):
            applied(Directory(str(tmp_path / name), ME, MINE))


def test_a_file_is_written_only_where_nobody_else_can_put_something_in_its_place(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o755)
    (shared / "link").symlink_to(tmp_path / "private")
    with pytest.raises(Problem, match=f"{shared}: others than root can change what is in it; name a path"):
        applied(mine(shared / "f"))
    with pytest.raises(Problem, match="a link stands there"):
        applied(mine(shared / "link" / "f"))
    assert list((tmp_path / "private").iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may be given what is another's")
@pytest.mark.parametrize("owner", [12345, 1])
def test_a_directory_of_somebody_else_stays_theirs(tmp_path: Path, owner: int) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", owner, owner)
    with pytest.raises(Problem, match=f"nothing was changed here: {tmp_path}/theirs belongs to .*; name another path"):
        applied(Directory(str(tmp_path / "theirs"), ME, MINE))


def test_a_home_of_somebody_else_is_refused() -> None:
    step = Directory("/home/alice/crawl", "work", "work")
    for homes in ("alice:/home/alice", "alice:/home/alice/crawl"):
        with pytest.raises(Problem, match=r"is in /home/alice[a-z/]*, the home of alice; name another"):
            step.diff(Found(0, f"\n{homes}\n"))
    for homes in ("work:/home/alice", "old:/home", "halt:/"):
        assert len(step.diff(Found(0, f"\n{homes}\n"))) == 1


@pytest.mark.parametrize(
    ("path", "real", "refused"),
    [
        ("/logs", "/var/log", True),
        ("/opt/cni", "/opt/cni", True),
        ("/srv/x", "/var/lib/network", True),
        ("/data/crawl", "/data/crawl", False),
        ("/home/work/logs", "/home/work/logs", False),
        ("/srv/pyspider", "/mnt/b/pyspider", False),
    ],
)
def test_a_directory_of_roots_that_holds_something_is_not_given_away(path: str, real: str, refused: bool) -> None:
    step = Directory(path, "work", "work")
    if refused:
        told = rf"{path} is root's and not empty \({real}\): only if all of it is the cluster's, give it to work, else "
        with pytest.raises(Problem, match=told):
            step.diff(Found(0, f"41ed root root\n:{real}\n"))
    else:
        assert len(step.diff(Found(0, f"41ed root root\n:{real}\n"))) == 1
    assert len(step.diff(Found(0, "41ed root root\n"))) == 1
    assert step.diff(Found(0, f"41ed work work\n:{real}\n")) == []


@pytest.mark.parametrize(("names", "told"), [([], False), (["lost+found"], False), (["lost+found", "x"], True)])
def test_a_directory_says_whether_something_is_in_it(tmp_path: Path, names: list[str], told: bool) -> None:
    for name in names:
        (tmp_path / "d" / name).mkdir(parents=True)
    (tmp_path / "d").mkdir(exist_ok=True)
    (found,) = look(LocalLink(), [Directory(f"{tmp_path}/d")])
    assert (f":{tmp_path}/d" in found.text.splitlines()) == told


@pytest.mark.parametrize("text", ["stat: not found", "zz root root", "81a4 root root\nshort"])
def test_an_answer_that_makes_no_sense_is_never_taken_for_an_absent_file(text: str) -> None:
    with pytest.raises(CannotLook):
        parse_look(text)


def test_nothing_is_told_from_something() -> None:
    assert parse_stat("") == NOTHING
    seen = parse_stat("41ed work work")
    assert stat.S_ISDIR(seen.kind) and seen.owned("work", "work", 0o755)
    with pytest.raises(CannotLook, match="no checksum"):
        parse_look("81a4 root root")


def test_a_file_that_will_be_written_is_not_sent_here_first(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    file = File(str(tmp_path / "a"), b"new", ME, MINE)
    shown, short = (look(LocalLink(), [file], keep_open=kept)[0] for kept in (False, True))
    assert parse_look(shown.text).content == b"old" and parse_look(short.text).content is None
    assert [action.says for action in file.diff(shown)] == [action.says for action in file.diff(short)]
