"""The records of many hosts as one run: their times put right, their order, and how they are shown."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fabfile.errors import Problem, WrongInput
from fabfile.logs.merge import HOLD_SECONDS, Merge
from fabfile.logs.records import Group, Hearing, Record, as_data, clock_off, iso, merged
from fabfile.logs.show import Page, colour
from fabfile.logs.since import moment
from fabfile.ssh.protocol import stream
from fabfile.tasks.logs import asked
from fabfile.tasks.telling import RECORDS, Wanted, question, within

from .local import LocalLink, fleet

NOW = 1_764_150_000.0


def record(when: float, host: str = "node1", program: str = "processor1", *lines: str) -> Record:
    return Record(when, host, program, "I", "processor:202", lines or ("text",))


@pytest.mark.parametrize(
    ("text", "before"), [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 3 * 86400), ("1w", 7 * 86400)]
)
def test_a_length_is_before_now(text: str, before: int) -> None:
    assert moment(text, NOW) == NOW - before


def test_a_time_is_this_machines_unless_it_names_a_zone() -> None:
    assert moment("2025-11-25T10:00", NOW) == time.mktime((2025, 11, 25, 10, 0, 0, 0, 0, -1))
    assert moment("2025-11-25", NOW) == time.mktime((2025, 11, 25, 0, 0, 0, 0, 0, -1))
    assert moment("2025-11-25T10:00+08:00", NOW) == 1_764_036_000


@pytest.mark.parametrize("text", ["10", "m", "soon", "2025-13-01", "2999-01-01", "99999999999d", "20251125", "-5m"])
def test_another_word_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match=r"^--since "):
        moment(text, NOW)


def test_a_clock_is_put_right_only_where_it_must_be_wrong() -> None:
    assert clock_off(NOW + 0.4, NOW, NOW + 0.5) == 0
    assert clock_off(NOW + 3600.25, NOW, NOW + 0.5) == 3600
    assert clock_off(NOW - 60, NOW, NOW + 1) == -60.5


class Told:
    """A host's answer, line by line."""

    def __init__(self, off: float = 0.0) -> None:
        self.records: list[Record] = []
        self.hearing = Hearing("node1", self.records.append)
        self.hearing.begins()
        self.say(clock=time.time() + off)

    def say(self, **line: Any) -> None:
        self.hearing.take(json.dumps(line))


def test_records_have_this_machines_time() -> None:
    told = Told(off=7200)
    told.say(log=0, program="processor1", path="/a.log", at=None)
    told.say(log=0, s=NOW + 7200, l="E", m="a:1", x=["b", "c"], at=[1, 2, 3])
    (one,) = told.records
    assert abs(one.when - NOW) < 0.2
    assert (one.host, one.program, one.level, one.lines) == ("node1", "processor1", "E", ("b", "c"))
    assert told.hearing.places == {"/a.log": (1, 2, 3)}


def test_a_log_that_was_not_told_to_its_end_has_no_place() -> None:
    told = Told()
    told.say(log=0, program="processor1", path="/a.log", at=None)
    assert (told.hearing.places, told.hearing.logs) == ({}, 0)
    told.say(log=0, program="processor1", path="/a.log", at=[1, 0, 0])
    assert told.hearing.places == {"/a.log": (1, 0, 0)}


def test_a_hosts_refusal_and_strange_words_are_told() -> None:
    told = Told()
    with pytest.raises(Problem, match="node1: --grep"):
        told.say(problem="--grep: no")
    told.say(left_out=3)
    told.say(left_out=2)
    assert told.hearing.left_out == 5
    told.hearing.take("null")
    told.hearing.take("Traceback: something")
    assert told.hearing.said == ["null", "Traceback: something"]


def test_equal_errors_of_all_hosts_are_one() -> None:
    def group(count: int, first: float, last: float, host: str) -> Group:
        return Group(count, first, last, ((host, "processor1"),), record(last, host))

    found = merged({"a": {"k": group(2, 10, 20, "a")}, "b": {"k": group(3, 5, 15, "b"), "l": group(9, 1, 1, "b")}})
    assert [one.count for one in found] == [9, 5]
    assert (found[1].first, found[1].last, found[1].example.host) == (5, 20, "a")
    assert found[1].where == (("a", "processor1"), ("b", "processor1"))


def test_records_of_many_hosts_come_in_the_order_of_their_time() -> None:
    merge = Merge()
    merge.put([record(NOW, "a", "p", "2"), record(NOW + 1, "a", "p", "4")], NOW + 1)
    merge.put([record(NOW - 1, "b", "p", "1"), record(NOW, "b", "p", "3")], NOW + 1.2)
    assert merge.due(NOW) == []
    assert [one.lines[0] for one in merge.due(NOW + HOLD_SECONDS)] == ["1", "2", "3"]
    assert [one.lines[0] for one in merge.rest()] == ["4"]


def test_records_of_one_log_in_one_second_keep_their_order() -> None:
    merge = Merge()
    merge.put([record(NOW, "a", "p", str(number)) for number in range(20)], NOW)
    assert [one.lines[0] for one in merge.rest()] == [str(number) for number in range(20)]


def test_a_stamp_of_the_future_is_not_waited_for() -> None:
    merge = Merge()
    merge.put([record(NOW + 9999)], NOW)
    assert merge.due(NOW + HOLD_SECONDS - 0.1) == []
    assert len(merge.due(NOW + HOLD_SECONDS)) == 1


def test_each_line_has_its_host_and_program_in_front() -> None:
    one = Record(NOW, "node1", "processor1", "E", "processor:202", ("it failed", "Traceback", "\tx"))
    first, second, third = Page().lines(one)
    assert first == time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW)) + (
        " node1 processor1 E processor:202 it failed"
    )
    assert second.strip() == "node1 processor1 | Traceback"
    assert third.endswith("| \tx")


def test_a_log_steers_no_terminal() -> None:
    evil = Record(
        NOW, "node1", "a\x1b[2J", "I\x1b[5m", "a\x07:1", ("\x1b]0;title\x07 \x9b31m \u202e", "a\rb\x00\ud800")
    )
    for coloured in (False, True):
        text = "\n".join(Page(coloured).lines(evil))
        for number in (36, 32, 33, 35, 34, 96, 92, 93, 95, 94, 31, 2, 0):
            text = text.replace(f"\x1b[{number}m", "")
        assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "\x1b" not in json.dumps(as_data(evil))


def test_a_program_has_one_colour() -> None:
    lines = Page(coloured=True).lines(record(NOW))
    assert f"\x1b[{colour('processor1')}m" in lines[0]
    assert "\x1b" not in "".join(Page().lines(record(NOW)))


def test_a_group_tells_how_often_when_and_where() -> None:
    example = Record(NOW, "node1", "processor1", "E", "a:1", ("it failed", *["frame"] * 100))
    where = (("node1", "processor1"), ("node1", "fetcher"), ("node2", "processor1"))
    first, second, *more = Page().group(Group(7, NOW - 60, NOW, where, example))
    assert first.startswith("7 x  ") and first.endswith("node1: fetcher, processor1; node2: processor1")
    assert second.strip() == "E a:1 it failed"
    assert more[-1].strip() == "| ... (60 lines more)"


def test_json_has_the_time_in_utc() -> None:
    assert iso(NOW + 0.5) == "2025-11-26T09:40:00.500Z"
    assert as_data(record(NOW, "node1", "webui", "a", "b")) == {
        "time": "2025-11-26T09:40:00.000Z",
        "host": "node1",
        "program": "webui",
        "level": "I",
        "source": "processor:202",
        "text": "a\nb",
    }


def flags(since: str = "", count: str = "", grep: str = "", errors: bool = False, follow: bool = False) -> Wanted:
    return asked([], since, count, grep, errors, follow, False)


def test_a_hundred_are_shown_unless_something_else_limits_them() -> None:
    assert flags().count == flags(follow=True).count == flags(errors=True, follow=True).count == RECORDS
    assert flags(since="10m").count is None
    assert flags(errors=True).count is None
    assert flags(since="10m", count="5").count == 5
    assert (flags(errors=True).groups, flags(errors=True, follow=True).groups) == (True, False)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"grep": "("}, "--grep"), ({"count": "0"}, "--lines 0"), ({"count": "x"}, "--lines x"), ({"since": "x"}, "--s")],
)
def test_a_flag_that_means_nothing_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(WrongInput, match=words):
        flags(**given)  # type: ignore[arg-type]


def test_the_last_so_many_young_ones_are_shown() -> None:
    every = [record(NOW + number) for number in range(10)]
    assert within(every, Wanted(count=3)) == every[-3:]
    assert within(every, Wanted(since=NOW + 8, count=3)) == every[-2:]
    assert within(every, Wanted(since=NOW + 5, count=None)) == every[5:]


def test_the_whole_way_from_the_question_to_the_records(tmp_path: Path) -> None:
    stamp = time.strftime("%y%m%d %H:%M:%S")
    (tmp_path / "processor1.log").write_text(f"[E {stamp} processor:202] failed\nTraceback\n  x\n[I {stamp} a:1] é\n")
    cluster = structs.replace(fleet().cluster, logs=str(tmp_path), supervisord_conf=f"{tmp_path}/none.conf")
    found: list[Record] = []
    hearing = Hearing("node1", found.append)
    hearing.begins()
    asked_for = question(replace(fleet(), cluster=cluster), Wanted(), ["processor"])
    answer = LocalLink().exchange(stream(asked_for), lambda event: event.kind == "line" and hearing.take(event.text))
    assert (answer[0].status, hearing.said) == (0, [])
    assert [one.lines for one in found] == [("failed", "Traceback", "  x"), ("é",)]
    assert list(hearing.places) == [f"{tmp_path}/processor1.log"] and hearing.logs == 1
    assert abs(found[0].when - time.time()) < 60
