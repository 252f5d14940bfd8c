"""The logs of a host, read and followed on this machine; on hosts under Python 2.7."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fabfile.remote import chain, logbook, records
from fabfile.steps.shipped import shipped

from .local import content

FIRST = 1_764_000_000
"""A moment; no log here is older."""


def stamp(after: float) -> str:
    return time.strftime("%y%m%d %H:%M:%S", time.localtime(FIRST + after))


def line(after: float, text: str, level: str = "I") -> str:
    return f"[{level} {stamp(after)} processor:202] {text}\n"


def texts(found: list[Any]) -> list[list[str]]:
    return [one.text() for one in found]


def log(folder: Path, *parts: str, name: str = "processor1.log") -> Path:
    """A log with the files it was rotated into, the oldest part first."""
    path = folder / name
    for number, part in enumerate(reversed(parts)):
        one = path.with_name(f"{name}.{number}") if number else path
        one.write_text(part)
        os.utime(one, (FIRST + 1000, FIRST + 1000))
    return path


def everything(_record: object) -> bool:
    return True


def last(path: Path, count: int, limit: float = float("-inf"), wanted: Any = everything) -> list[Any]:
    return chain.Chain("processor1", str(path)).last(count, limit, wanted, True)


@pytest.mark.parametrize(
    ("text", "level", "source", "left"),
    [
        ("[E 251126 10:00:00 scheduler:647] it failed", "E", "scheduler:647", "it failed"),
        ("\x1b[31m[E 251126 10:00:00 scheduler:647]\x1b[m it failed", "E", "scheduler:647", "it failed"),
        ("2025-11-26 10:00:00,250 WARN exited: a (exit status 1; not expected)", "W", "", None),
        ("2025-11-26 10:00:00,250 CRIT Supervisor is running as root", "C", "", None),
        ("2025-11-26T10:00:00 something", "", "", "something"),
    ],
)
def test_a_stamp_is_found_in_the_forms_that_programs_write(
    text: str, level: str, source: str, left: str | None
) -> None:
    found = records.stamp(text.encode())
    assert found is not None
    when, fixed, its_level, its_source, begin = found
    assert int(when) == int(time.mktime((2025, 11, 26, 10, 0, 0, 0, 0, -1))) and not fixed
    assert (its_level, its_source) == (level, source)
    assert left is None or text[begin:] == left


def test_a_stamp_with_a_zone_of_its_own_is_taken_at_its_word() -> None:
    found = records.stamp(b"2025-11-26T10:00:00.5+08:00 x")
    assert found and found[0] == 1_764_122_400.5 and found[1]


@pytest.mark.parametrize("text", ["2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z", "2026-02-30 99:00:00+08:00"])
def test_a_time_that_never_was_is_no_stamp(text: str) -> None:
    assert records.stamp(f"{text} x".encode()) is None


def test_a_second_of_universal_time_is_told_to_the_second() -> None:
    found = records.stamp(b"2026-11-27T03:00:59Z x")
    assert found and found[0] == 1_795_748_459.0


def test_the_limit_of_one_log_is_not_moved_by_the_time_that_another_one_took() -> None:
    asked = {"age": 600, "places": None, "count": None, "follow": False}
    book = logbook.Book(asked, everything, None)
    seen: list[float] = []
    slow = SimpleNamespace(since=lambda limit, _whole: [seen.append(limit), time.sleep(0.2)])
    for _ in range(2):
        book.there(slow)
    assert seen[0] == seen[1] and abs(seen[0] + 602 - time.time()) < 60


def test_errors_of_more_kinds_than_are_told_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "GROUPS", 2)
    out: list[dict[str, Any]] = []
    groups = logbook.Groups(SimpleNamespace(tell=out.append))
    for text in ("one", "two", "three", "one", "four"):
        found = records.LogRecord(text.encode(), (1.0, True, "E", "", 0), None)
        groups.add(SimpleNamespace(program="a"), found)
    groups.tell()
    assert sum(one.get("count", 0) for one in out) == 3 and out[-1] == {"left_out": 2}


@pytest.mark.parametrize("text", [b"", b"x", b"[", b"[E 259926 10:00:00 a:1] x", b"12", b"\xff\x00\x1b[31m"])
def test_other_lines_have_no_stamp(text: bytes) -> None:
    assert records.stamp(text) is None


TRACEBACK = """\
Traceback (most recent call last):
  File "a.py", line 3, in b
    c()
ValueError: no
"""


def test_a_traceback_is_of_the_record_before_it(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one") + line(2, "two failed", "E") + TRACEBACK + line(3, "three"))
    found = last(path, 10)
    assert [len(one.lines) for one in found] == [1, 5, 1]
    assert [one.error for one in found] == [False, True, False]


def test_a_traceback_of_a_log_without_stamps_is_one_record(tmp_path: Path) -> None:
    found = last(log(tmp_path, "begins\n" + TRACEBACK + "goes on\n"), 10)
    assert texts(found) == [["begins"], TRACEBACK.splitlines(), ["goes on"]]
    assert {one.when for one in found} == {FIRST + 1000}


def test_rotated_files_are_one_run_also_where_a_line_was_cut(tmp_path: Path) -> None:
    whole = "".join(line(number, f"number {number}") for number in range(40))
    path = log(tmp_path, whole[:701], whole[701:1403], whole[1403:])
    assert [one.text()[0] for one in last(path, 100)] == [f"number {number}" for number in range(40)]
    assert [one.text()[0] for one in last(path, 3)] == ["number 37", "number 38", "number 39"]


def test_no_more_is_read_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BLOCK", 1 << 12)
    path = log(tmp_path, "".join(line(number / 100, f"number {number}") for number in range(20_000)))
    one = chain.Chain("processor1", str(path))
    taken = []
    blocks = one.blocks
    monkeypatch.setattr(one, "blocks", lambda start: (taken.append(one.total - start), blocks(start))[1])
    assert len(one.last(10, float("-inf"), everything, True)) == 10
    assert max(taken) < 1 << 15
    since = list(chain.Chain("processor1", str(path)).since(FIRST + 150, True))
    assert since[0].text() == ["number 15000"] and len(since) == 5000


def test_only_wanted_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BLOCK", 1 << 10)
    path = log(tmp_path, "".join(line(number, f"number {number}") for number in range(2000)))
    found = last(path, 2, wanted=lambda one: b"number 7" in one.lines[0])
    assert texts(found) == [["number 798"], ["number 799"]]


def test_a_line_of_a_megabyte_is_told_by_its_beginning(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "x" * (1 << 20)) + line(2, "after"))
    first, second = last(path, 10)
    assert len(first.text()[0]) < 20_000 and first.text()[0].endswith("bytes more)")
    assert second.text() == ["after"]


def test_a_binary_file_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "processor1.log"
    path.write_bytes(os.urandom(1 << 20) + b"\n")
    assert sum(len(one.text()) for one in last(path, 1000)) > 0


def test_half_a_line_at_the_end_is_told_where_nobody_waits_for_the_rest(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one") + line(2, "two")[:-5])
    assert len(last(path, 10)) == 2
    one = chain.Chain("processor1", str(path))
    assert len(one.last(10, float("-inf"), everything, False)) == 1
    with path.open("a") as stream:
        stream.write("three\n")
    assert texts(polled(one)) == [[line(2, "two")[:-5].partition("] ")[2] + "three"]]


def polled(one: chain.Chain, times: int = 3) -> list[Any]:
    """The records of some polls that are a second apart."""
    return [record for number in range(times) for record in one.poll(FIRST + 2000 + number)]


def followed(path: Path) -> chain.Chain:
    one = chain.Chain("processor1", str(path))
    one.last(10, float("-inf"), everything, False)
    return one


def rotate(path: Path) -> None:
    """As supervisord does it."""
    for number in range(3, 0, -1):
        before = path.with_name(f"{path.name}.{number}")
        if before.exists():
            before.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    path.write_text("")


def test_what_comes_is_told_over_a_rotation(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one"))
    one = followed(path)
    with path.open("a") as stream:
        stream.write(line(2, "two"))
        rotate(path)
        stream.write(line(3, "three"))
    path.write_text(line(4, "four"))
    rotate(path)
    path.write_text(line(5, "five"))
    assert [each[0] for each in texts(polled(one))] == ["two", "three", "four", "five"]


def test_a_log_that_is_emptied_goes_on_from_its_beginning(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one") * 5)
    one = followed(path)
    path.write_text(line(2, "two"))
    assert texts(polled(one)) == [["two"]]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "processor1.log"
    one = followed(path)
    assert polled(one) == []
    path.write_text(line(1, "one"))
    assert texts(polled(one)) == [["one"]]


def test_another_look_goes_on_where_the_one_before_was(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one") + line(2, "two"))
    first = chain.Chain("processor1", str(path))
    place = first.place(first.last(1, float("-inf"), everything, False)[0])
    with path.open("a") as stream:
        stream.write(line(3, "three"))
    rotate(path)
    path.write_text(line(4, "four"))
    again = chain.Chain("processor1", str(path))
    assert texts(again.go_on(place)) == [["three"], ["four"]]
    third = chain.Chain("processor1", str(path))
    assert third.go_on(again.here()) == polled(third) == []


def test_a_file_that_was_begun_anew_meanwhile_is_told_whole(tmp_path: Path) -> None:
    path = log(tmp_path, line(1, "one") + line(2, "two"))
    first = chain.Chain("processor1", str(path))
    place = first.place(first.last(1, float("-inf"), everything, False)[0])
    path.write_text("".join(line(number, "new") for number in range(3, 9)))
    assert len(chain.Chain("processor1", str(path)).go_on(place)) == 6


def test_a_program_in_another_zone_is_put_right(tmp_path: Path) -> None:
    path = log(tmp_path, line(1000 + 3600, "an hour ahead"))
    (found,) = last(path, 1)
    assert found.when == FIRST + 1000


def test_errors_are_alike_but_for_numbers_ids_and_addresses() -> None:
    one = "process demo:fb5e0ca1b5e0ca1b5e0ca1b5e0ca1b50 http://a.org/1?x=2 -> [599] len:0 after 1.25s"
    other = "process demo:0123456789abcdef0123456789abcdef https://b.org/ -> [500] len:17 after 3s"
    assert records.key([one]) == records.key([other]) != records.key(["something else"])


class Host:
    """A folder that stands for a host: its logs are told by the real program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "zip").write_bytes(content(shipped("logs")))
        self.logs = folder / "logs"
        self.logs.mkdir()

    def command(self, **more: Any) -> list[str]:
        options = {
            **{"conf": f"{self.folder}/none.conf", "home": f"{self.folder}/home", "logs": str(self.logs)},
            **{"socket": f"{self.folder}/none.sock", "user": "root", "unit": "", "stopped": "", "pidfile": ""},
            **{"programs": [], "age": None, "count": None, "grep": "", "errors": False, "groups": False},
            **{"follow": False, "places": None, **more},
        }
        (self.folder / "options").write_text(json.dumps(options))
        return [sys.executable, f"{self.folder}/zip", "logs", f"{self.folder}/options"]

    def told(self, **more: Any) -> list[dict[str, Any]]:
        result = subprocess.run(self.command(**more), capture_output=True, text=True, check=False, timeout=60)
        assert result.stderr == ""
        return [json.loads(one) for one in result.stdout.splitlines() if one]

    def records(self, **more: Any) -> list[str]:
        return [one["x"][0] for one in self.told(**more) if "s" in one]

    @contextmanager
    def following(self, **more: Any) -> Iterator[Iterator[dict[str, Any]]]:
        process = subprocess.Popen(self.command(follow=True, **more), stdout=subprocess.PIPE, text=True)
        assert process.stdout
        try:
            yield (json.loads(one) for one in process.stdout if one.strip())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_programs_and_roles_choose_logs(host: Host) -> None:
    for name in ("processor1", "processor2", "fetcher", "supervisord"):
        log(host.logs, line(1, name), name=f"{name}.log")
    assert sorted(host.records()) == ["fetcher", "processor1", "processor2", "supervisord"]
    assert sorted(host.records(programs=["processor"])) == ["processor1", "processor2"]
    assert host.records(programs=["fetcher"], count=5) == ["fetcher"]


def test_a_pattern_and_errors_choose_records(host: Host) -> None:
    log(host.logs, line(1, "été") + line(2, "b", "E") + TRACEBACK + line(3, "c"))
    assert host.records(grep="^ét.$") == ["été"]
    assert host.records(grep="ValueError", count=100) == ["b"]
    assert host.records(errors=True) == ["b"]
    (problem,) = [one for one in host.told(grep="(") if "problem" in one]
    assert problem["problem"].startswith("--grep: Python 3")


def test_equal_errors_are_told_once(host: Host) -> None:
    log(host.logs, "".join(line(number, f"failed {number} times", "E") + TRACEBACK for number in range(5)))
    log(host.logs, line(9, "failed 17 times", "E") + TRACEBACK + line(10, "else", "E"), name="processor2.log")
    groups = {one["count"]: one for one in host.told(errors=True, groups=True) if "key" in one}
    assert (groups[6]["first"], groups[6]["last"]) == (FIRST, FIRST + 9)
    assert groups[6]["programs"] == ["processor1", "processor2"]
    assert groups[1]["example"]["x"] == ["else"]


def test_a_fifo_a_link_that_leads_nowhere_and_a_folder_hold_nobody_up(host: Host) -> None:
    os.mkfifo(host.logs / "fetcher.log")
    (host.logs / "webui.log").symlink_to("/nowhere")
    (host.logs / "scheduler.log").mkdir()
    log(host.logs, line(1, "one"))
    assert host.records() == ["one"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root reads with another user's rights")
def test_root_follows_no_link_of_the_clusters_user_to_what_that_one_can_not_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    host = Host(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text(line(1, "root's own"))
    secret.chmod(0o600)
    (host.logs / "fetcher.log").symlink_to(secret)
    os.chown(host.logs, 65534, 65534)
    assert host.records() == []
    secret.chmod(0o644)
    assert host.records() == ["root's own"]


def test_a_log_is_followed_and_so_is_one_that_comes_later(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(host.logs, line(1, "one"))
    with host.following(count=10) as lines:
        until(lines, lambda one: one.get("live"))
        with path.open("a") as stream:
            stream.write(line(2, "two", "E") + TRACEBACK)
        two = until(lines, lambda one: "s" in one)
        assert two["x"] == ["two", *TRACEBACK.splitlines()]
        log(host.logs, line(3, "three"), name="processor2.log")
        assert until(lines, lambda one: "s" in one)["x"] == ["three"]
    with path.open("a") as stream:
        stream.write(line(4, "four"))
    places = {str(path): two["at"], str(host.logs / "processor2.log"): [0, 0, 0]}
    assert host.records(places=places) == ["four", "three"]


def until(lines: Iterator[dict[str, Any]], wanted: Any) -> dict[str, Any]:
    return next(one for one in lines if wanted(one))
