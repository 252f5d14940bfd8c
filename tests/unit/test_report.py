"""Outcomes as exit status, last line and JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fabfile.cli.executor import _sentence
from fabfile.errors import Doing, Problem, counted
from fabfile.inventory import Host
from fabfile.runs.outcomes import Outcome, Recorder, Status
from fabfile.runs.report import Progress, as_json, exit_status, recap, totals
from fabfile.runs.timings import Span, Timings, Watch, connect_seconds

PROJECT = Path(__file__).parent.parent.parent


def outcomes(*statuses: Status) -> list[Outcome]:
    return [Outcome(f"node{number}", status) for number, status in enumerate(statuses, 1)]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (("ok", "changed"), 0),
        (("ok", "failed"), 1),
        (("failed", "unreachable"), 1),
        (("ok", "unreachable"), 3),
        (("unreachable", "not reached"), 3),
        (("ok", "not reached"), 1),
        (("ok", "skipped"), 0),
        (("skipped",), 0),
    ],
)
def test_the_exit_status_is_that_of_the_worst_outcome(statuses: tuple[Status, ...], status: int) -> None:
    assert exit_status(outcomes(*statuses)) == status


def test_the_last_line_counts_and_says_when_nothing_changed() -> None:
    assert totals(outcomes("ok", "ok"), 1.23) == "2 hosts: 2 ok (nothing changed) in 1.2 s"
    assert totals(outcomes("ok"), 1.0, certain=False) == "1 host: 1 ok in 1.0 s"
    assert totals(outcomes("ok", "failed"), 1.0) == "2 hosts: 1 ok, 1 failed in 1.0 s"
    assert totals(outcomes("changed"), 1.0) == "1 host: 1 changed in 1.0 s"


def test_equal_causes_are_shown_once_with_all_their_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    same = [Outcome(name, "failed", cause="disk full", detail="a\nb") for name in ("node1", "node2")]
    recap([*same, Outcome("node3", "ok")], 1.0)
    shown = capsys.readouterr().out
    assert shown.count("disk full") == 1
    assert "node1, node2: disk full" in shown


def test_the_words_of_a_host_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b[2J\x9b1m"
    recap([Outcome("node1", "failed", (evil,), evil, f"a\tb\n{evil}"), Outcome("node2", "ok", detail=evil)], 1.0)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x9b" not in shown and "a   b\n" in shown
    assert shown.count(r"x\x1b[2J\x9b1m") == 4


def test_words_in_brackets_are_words_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    recap([Outcome("node1", "skipped", cause="[/no] x\x1b[2J"), Outcome("node2", "ok")], 1.0)
    assert r"node1  skipped  ([/no] x\x1b[2J)" in capsys.readouterr().out
    progress = Progress(["node1"])
    progress.say("node1", "writing [/etc]")
    console = Console(file=StringIO(), width=80)
    console.print(progress._table())
    assert "writing [/etc]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_one_is_singular() -> None:
    assert [counted(number, "error") for number in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]


def test_a_sentence_that_ends_the_run_steers_no_terminal_and_keeps_its_lines() -> None:
    text = _sentence(Problem("node1: hi\x1b]0;x\x07\r\nnode2: \tboth"))
    assert text.split("\n") == [r"fab: node1: hi\x1b]0;x\x07\r", "node2: \tboth"]


def test_json_tells_every_host() -> None:
    data = json.loads(as_json([Outcome("node1", "failed", ("did this",), "broke", seconds=1.5)]))
    assert data == {
        "ok": False,
        "hosts": {
            "node1": {"status": "failed", "changes": ["did this"], "cause": "broke", "output": None, "seconds": 1.5}
        },
    }


def test_what_a_host_had_done_before_it_failed_is_kept() -> None:
    recorder, host = Recorder(), Host("node1", "192.0.2.1")
    recorder.add(Outcome("node1", "changed", ("one",), seconds=1))
    recorder.add(Outcome("node1", "failed", ("two",), "broke", seconds=2))
    (outcome,) = recorder.outcomes([host])
    assert (outcome.status, outcome.changes, outcome.seconds) == ("failed", ("one", "two"), 3)
    assert not recorder.going_on(host)


def test_a_host_that_was_never_begun_is_not_reached() -> None:
    assert Recorder().outcomes([Host("node1", "192.0.2.1")])[0].status == "not reached"


def test_a_skipped_host_tells_why_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Outcome("node1", "ok"), Outcome("node2", "skipped", cause="it has no processor")]
    recap(found, 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "node2  skipped  (it has no processor)"
    assert lines[-1] == "2 hosts: 1 ok, 1 skipped (nothing changed) in 1.0 s"
    assert json.loads(as_json(found))["hosts"]["node2"]["cause"] == "it has no processor"


class TimedLink:
    connect_seconds = 0.25


def test_timings_tell_phases_and_what_took_longest(capsys: pytest.CaptureFixture[str]) -> None:
    timings = Timings()
    spans = [Span("node1", f"step {number}", number) for number in range(1, 8)]
    timings.add("node1", "look", 1.0, connect_seconds(TimedLink()))
    timings.add("node1", "change", 30.0, connect_seconds(TimedLink()), spans)
    timings.add("node2", "look", 2.0, connect_seconds(object()))
    assert timings.as_data()["hosts"] == {
        "node1": {"connect": 0.25, "look": 0.75, "change": 30.0},
        "node2": {"look": 2.0},
    }
    recap([Outcome("node1", "ok")], 1.0, timings=timings)
    shown = capsys.readouterr().out
    assert [span.seconds for span in timings.slowest()] == [7, 6, 5, 4, 3]
    assert "   7.00  node1: step 7" in shown
    assert "step 2" not in shown
    assert "timings" not in json.loads(as_json([]))
    assert json.loads(as_json([], timings))["timings"]["slowest"][0] == {
        "host": "node1",
        "action": "step 7",
        "seconds": 7,
    }


def test_each_action_lasts_until_the_next_one_begins() -> None:
    watch = Watch("node1")
    assert watch.ends() == []
    watch.begins("one")
    watch.begins("two")
    assert [span.says for span in watch.ends()] == ["one", "two"]
    assert all(0 <= span.seconds < 1 for span in watch.ends())


def test_the_table_tells_the_place_of_a_phase_what_connects_and_how_many_are_done() -> None:
    from rich.console import Console

    progress = Progress(["node1", "node2", "node3"], False, lambda name: name == "node2")
    with progress.of("MySQL", "asked"):
        progress.say("node1", Doing("make user work", "3 of 17"))
        progress.say("node2", "looking")
        progress.done("node3")
        console = Console(width=80)
        with console.capture() as captured:
            console.print(progress._table())
    rows = [line.split() for line in captured.get().splitlines()]
    assert rows[0] == ["node1", "0", "s", "3", "of", "17:", "make", "user", "work"]
    assert rows[1] == ["node2", "0", "s", "connecting"] and rows[2] == ["MySQL", "0", "s", "asked"]
    assert rows[3] == ["0", "s", "in", "all;", "1", "of", "3", "done"]


SHOW = """
import time
from fabfile.runs.outcomes import Outcome
from fabfile.runs.report import Progress, recap
with Progress(["node1"]) as progress:
    progress.say("node1", "make user work")
    time.sleep(0.5)
recap([Outcome("node1", "changed"), Outcome("node2", "failed", cause="broke")], 1.0)
"""
PLAIN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}


def on_a_terminal(**environment: str) -> str:
    """What SHOW writes to a terminal."""
    main, side = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW],
        cwd=PROJECT,
        env={**PLAIN, "TERM": "xterm-256color", **environment},
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b""
    # A terminal that nobody has open any more ends in an error.
    with suppress(OSError):
        while data := os.read(main, 65536):
            shown += data
    os.close(main)
    assert process.wait(30) == 0
    return shown.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def test_a_terminal_gets_a_live_table_and_colours_unless_it_wants_none() -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        shown = on_a_terminal(**environment)
        assert "make user work" in shown
        assert "node1 | " not in shown
        assert bool(COLOUR.search(shown)) is coloured


def test_a_dumb_terminal_gets_plain_lines() -> None:
    shown = on_a_terminal(TERM="dumb")
    assert "node1 | make user work" in shown
    assert "\x1b" not in shown


def test_a_pipe_gets_lines_with_the_host_on_stderr_and_the_report_on_stdout() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=PROJECT, env=PLAIN, capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stderr == "node1 | make user work\n"
    assert result.stdout.splitlines()[0] == "node1  changed  (0.0 s)"
    assert "\x1b" not in result.stdout


def test_skipped_hosts_alone_were_not_changed_either() -> None:
    assert totals(outcomes("skipped"), 1.0) == "1 host: 1 skipped (nothing changed) in 1.0 s"
