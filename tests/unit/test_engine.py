"""The engine over this machine's own sh: everything but SSH is real."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fabfile.errors import Problem, Unreachable
from fabfile.inventory import Host
from fabfile.runs.engine import fan_out
from fabfile.runs.outcomes import Outcome, on_host
from fabfile.ssh.protocol import SHORT, Event, Reader, message
from fabfile.steps.base import Action, Found, Payload, Probe

from .local import FileStep, LocalLink, converged


def host(name: str) -> Host:
    return Host(name=name, address="192.0.2.1")


def test_a_missing_state_is_made_and_looked_at_again(tmp_path: Path) -> None:
    link = LocalLink()
    outcome = converged([FileStep(tmp_path / "a", "one")], link)
    assert (outcome.status, outcome.changes) == ("changed", ("write a",))
    assert (tmp_path / "a").read_text() == "one"
    assert link.exchanges == 2


def test_an_unchanged_host_costs_one_exchange(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    link = LocalLink()
    assert converged([FileStep(tmp_path / "a", "one")], link).status == "ok"
    assert link.exchanges == 1


def test_equal_probes_travel_once(tmp_path: Path) -> None:
    count = tmp_path / "count"

    class Counting(FileStep):
        def probe(self) -> Probe:
            return Probe(f"echo x >>'{count}'; cat '{self.path}'")

    (tmp_path / "a").write_text("one")
    converged([Counting(tmp_path / "a", "one"), Counting(tmp_path / "a", "one")])
    assert count.read_text() == "x\n"


def test_a_dry_run_names_what_is_missing_and_changes_nothing(tmp_path: Path) -> None:
    outcome = converged([FileStep(tmp_path / "a", "one")], dry=True)
    assert outcome.changes == ("write a",)
    assert not (tmp_path / "a").exists()


def test_a_failing_action_stops_its_host_and_keeps_what_was_done(tmp_path: Path) -> None:
    steps = [
        FileStep(tmp_path / "a", "one"),
        FileStep(tmp_path / "b", "two", fail="echo why; false"),
        FileStep(tmp_path / "c", "three"),
    ]
    outcome = converged(steps)
    assert outcome.status == "failed"
    assert outcome.changes == ("write a",)
    assert outcome.detail == "why\n"
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "c").exists()


def test_a_difference_that_remains_after_applying_is_a_failure(tmp_path: Path) -> None:
    class Useless(FileStep):
        def diff(self, found: Found) -> list[Action]:
            return [Action("do nothing", "true")]

    outcome = converged([Useless(tmp_path / "a", "one")])
    assert outcome.status == "failed"
    assert "not as wanted" in outcome.cause


def test_an_error_in_the_middle_of_a_line_list_is_seen_by_set_e() -> None:
    answers = LocalLink().exchange(message([Action("x", "false\ntrue"), Action("y", "echo never")], ()))
    assert answers[0].status == 1
    assert 1 not in answers


def test_a_probe_that_exits_does_not_end_the_others() -> None:
    answers = LocalLink().exchange(message((), [Probe("exit 7"), Probe("echo still here")]))
    assert (answers[0].status, answers[1].text) == (7, "still here")


@pytest.mark.parametrize("data", [b"", b"a", b"\x00\xff\n" * 5000, b"'; rm -rf / #"])
def test_payloads_arrive_byte_for_byte(data: bytes) -> None:
    import hashlib

    answers = LocalLink().exchange(message((), [Probe('sha256sum <"$2"', (Payload(b"first"), Payload(data)))]))
    assert answers[0].text.split()[0] == hashlib.sha256(data).hexdigest()


def test_payloads_are_private_and_gone_afterwards() -> None:
    script = 'stat -c %a "$1"; stat -c %a "$(dirname "$1")"; dirname "$1"'
    file_mode, folder_mode, folder = (
        LocalLink().exchange(message((), [Probe(script, (Payload(b"x"),))]))[0].text.split()
    )
    assert (file_mode, folder_mode) == ("600", "700")
    assert not Path(folder).exists()


def test_multibyte_output_is_counted_in_bytes() -> None:
    answers = LocalLink().exchange(message((), [Probe("printf 'żółć 中文'"), Probe("echo next")]))
    assert (answers[0].text, answers[1].text) == ("żółć 中文", "next")


def test_a_chatty_login_shell_does_not_disturb_the_answer() -> None:
    link = LocalLink(noise=b"Welcome to node1!\n@0000 end 0 0 1\n")
    assert link.exchange(message((), [Probe("echo real")]))[0].text == "real"


def test_frames_may_arrive_one_byte_at_a_time() -> None:
    events: list[Event] = []
    sent = replace(message([Action("x", "")], ()), mark="@m")
    reader = Reader(sent, events.append)
    for byte in b"hello\n@fab in\n\n@m here\n\n@m out 0\nab\n@m say 0 two words\ncd\n@m end 0 3\n":
        reader.feed(bytes([byte]))
    assert reader.done
    assert reader.found[0].status == 3
    assert [(e.kind, e.text) for e in events] == [("begin", ""), ("say", "two words"), ("end", "abcd")]


def test_after_a_failed_action_only_the_probes_are_waited_for() -> None:
    answers = LocalLink().exchange(message([Action("x", "exit 4"), Action("y", "true")], [Probe("echo seen")]))
    assert {index: answer.status for index, answer in answers.items()} == {0: 4, 2: 0}


def test_a_message_without_items_ends_as_soon_as_it_has_arrived() -> None:
    assert LocalLink().exchange(message((), ())) == {}


@pytest.mark.parametrize("size", [10, SHORT, SHORT + 1, 100_000])
def test_a_script_of_any_length_arrives_whole(size: int) -> None:
    text = "x" * size
    assert LocalLink().exchange(message((), [Probe(f"echo {text}; printf %s '\\n'")]))[0].text == text + "\n\\n"


def test_an_action_may_leave_a_daemon_behind_that_keeps_its_output_open() -> None:
    answers = LocalLink().exchange(message([Action("start", "sleep 3 & echo started")], ()))
    assert answers[0].text == "started\n"


def test_a_host_keeps_a_line_about_who_changed_what_and_how_it_ended(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    for script in ("true", "exit 3"):
        LocalLink().exchange(message([Action("say 'hello'", script)], [Probe("exit 9")], "me@here", journal))
    first, second = (tmp_path / "journal").read_text().splitlines()
    assert first.endswith("Z me@here: exit status 0: say 'hello'")
    assert second.endswith("Z me@here: exit status 3: say 'hello'")


def test_phases_reach_the_operator_while_the_action_runs() -> None:
    events: list[Event] = []
    LocalLink().exchange(message([Action("build", "say configure; say make 50%")], ()), events.append)
    assert [event.text for event in events if event.kind == "say"] == ["configure", "make 50%"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unreachable("node1: no answer"), "unreachable"),
        (Problem("node1: disk full"), "failed"),
        (ZeroDivisionError("oops"), "failed"),
    ],
)
def test_whatever_a_host_raises_becomes_its_own_outcome(error: Exception, status: str) -> None:
    def work() -> None:
        raise error

    outcome = on_host("node1", work)
    assert (outcome.host, outcome.status) == ("node1", status)
    assert not outcome.cause.startswith("node1")


def test_one_dead_host_does_not_hide_the_others() -> None:
    def one(which: Host) -> Outcome:
        def work() -> None:
            if which.name == "b":
                raise Unreachable("b: dead")

        return on_host(which.name, work)

    outcomes = fan_out([host("a"), host("b"), host("c")], one)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {"a": "ok", "b": "unreachable", "c": "ok"}


def test_no_more_hosts_than_allowed_are_worked_on_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(2)

    def one(_host: Host) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        barrier.wait(5)
        with lock:
            running -= 1

    fan_out([host(f"h{n}") for n in range(8)], one, at_once=2)
    assert most == 2
