"""The receiver itself, in every kind of sh that this machine has: message after message, and how it ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fabfile.ssh import protocol
from fabfile.ssh.gate import WARD, Gate, Nonsense
from fabfile.ssh.protocol import Message, Reader, message, stream
from fabfile.ssh.receiver import receiver
from fabfile.steps.base import Action, Found, Payload, Probe

from . import shells
from .local import content


class Far:
    """The far side of a channel."""

    def __init__(self, kind: str) -> None:
        shell = shells.shell(kind)
        self.process = subprocess.Popen(
            [shell, "-c", receiver().replace("/bin/sh", shell)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.gate = Gate()
        self.send(WARD.replace(b"/bin/sh", shell.encode()))

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def begin(self, sent: Message) -> None:
        self.send(sent.head() + b"".join(content(payload) for payload in sent.payloads) + sent.tail())

    def answers(self, sent: Message) -> dict[int, Found]:
        assert self.process.stdout
        reader = Reader(sent, gate=self.gate)
        while not reader.done and (data := self.process.stdout.read1(65536)):
            reader.feed(data)
        return reader.found

    def talk(self, sent: Message) -> dict[int, Found]:
        self.begin(sent)
        return self.answers(sent)


@contextmanager
def far(shell: str) -> Iterator[Far]:
    """Its stdin ends with the block, and then it has to end too."""
    one = Far(shell)
    try:
        yield one
        assert one.process.stdin
        one.process.stdin.close()
        one.process.wait(10)
    finally:
        one.process.kill()
        one.process.wait()


def until(claim: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("shell", shells.KINDS)
def test_messages_follow_each_other_in_one_channel_each_with_its_own_payloads(shell: str) -> None:
    look = message((), [Probe('cat "$1"; echo "$1"', (Payload(b"first "),)), Probe("exit 3")]).kept_open()
    change = message([Action("x", 'cat "$2"', (Payload(b"second "), Payload(b"third ")))], [Probe("echo looked")])
    with far(shell) as one:
        seen = one.talk(look)
        folder = Path(seen[0].text.removeprefix("first ")).parent
        assert seen[1].status == 3 and folder.is_dir()
        done = one.talk(change)
        assert (done[0].text, done[1].text) == ("third ", "looked")
    assert not folder.exists()


@pytest.mark.parametrize("shell", shells.KINDS)
def test_the_end_of_the_control_machine_ends_what_it_began_and_leaves_nothing(shell: str, tmp_path: Path) -> None:
    script = f'echo "$1" >{tmp_path}/where; (sleep 60; touch {tmp_path}/late) & echo $! >{tmp_path}/pid; wait'
    with far(shell) as one:
        one.begin(message([Action("x", script, (Payload(b"x"),))], ()))
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    until(lambda: not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists())
    until(lambda: not Path((tmp_path / "where").read_text().strip()).parent.exists())


@pytest.mark.parametrize("shell", shells.KINDS)
def test_what_an_action_left_in_the_background_outlives_the_channel(shell: str, tmp_path: Path) -> None:
    with far(shell) as one:
        one.talk(message([Action("x", f"sleep 30 >/dev/null & echo $! >{tmp_path}/pid")], ()))
    left = (tmp_path / "pid").read_text().strip()
    # It was a shell before.
    until(lambda: Path(f"/proc/{left}/cmdline").read_bytes() == b"sleep\x0030\x00")
    subprocess.run(["kill", left], check=True)


@pytest.mark.parametrize("shell", shells.KINDS)
@pytest.mark.parametrize("cut", [20, -10, -1])
def test_of_a_message_that_was_cut_nothing_is_done(shell: str, cut: int, tmp_path: Path) -> None:
    sent = message([Action("x", f"touch {tmp_path}/done", (Payload(b"payload" * 10),))], ())
    whole = sent.head() + b"payload" * 10 + sent.tail()
    with far(shell) as one:
        one.send(whole[:cut])
    assert one.process.returncode in (0, 74)
    assert list(tmp_path.iterdir()) == []


SILENT_ENOUGH = 8
"""Seconds; a receiver ends what it began after five without a sign of life, and later on a busy machine."""


def test_who_shows_no_sign_of_life_has_its_work_ended_and_who_does_has_not(tmp_path: Path) -> None:
    def lives(shell: str, beats: bool) -> bool:
        # Silence ends the long one however late a busy machine lets the receiver count.
        sent = message([Action("x", f"sleep {SILENT_ENOUGH if beats else 100}; echo done")], ())
        one = Far(shell)
        one.begin(sent)
        for _ in range(2 * SILENT_ENOUGH if beats else 0):
            time.sleep(0.5)
            one.send(b"\n")
        found = one.answers(sent)
        one.process.kill()
        one.process.wait()
        return found.get(0, Found(1)).text == "done\n"

    cases = [(shell, beats) for shell in shells.there() for beats in (True, False)]
    with ThreadPoolExecutor(len(cases)) as pool:
        assert list(pool.map(lambda case: lives(*case), cases)) == [beats for _, beats in cases]


@pytest.mark.parametrize("shell", shells.KINDS)
def test_who_sees_where_payloads_are_can_not_be_there_before_the_next_ones(shell: str, tmp_path: Path) -> None:
    """Payloads are secrets, and scripts that root runs."""
    loot = tmp_path / "loot"
    loot.mkdir()
    with far(shell) as one:
        seen = Probe("dirname $1", (Payload(b"first"),))
        first = Path(one.talk(message((), [seen]).kept_open())[0].text.strip())
        folders = (Path("/tmp"), Path("/dev/shm"), Path("/run"))
        planted = [folder / first.name for folder in folders if os.access(folder, os.W_OK)]
        planted = [path for path in planted if not path.exists()]
        try:
            for path in planted:
                path.symlink_to(loot)
            change = Action("x", 'cat "$1"', (Payload(b"second"),))
            assert one.talk(message([change], ()))[0] == Found(0, "second")
        finally:
            for path in planted:
                path.unlink()
    assert list(loot.iterdir()) == []


@pytest.mark.parametrize("shell", shells.KINDS)
def test_a_question_for_a_sign_of_life_is_answered_at_work_and_disturbs_no_answer(shell: str) -> None:
    sent = message([Action("x", "printf half; sleep 2; echo ' whole'")], ())
    with far(shell) as one:
        one.begin(sent)
        time.sleep(0.5)  # the middle of the work
        one.send(f"@ask {sent.mark}\n".encode())
        assert one.process.stdout
        heard = b""
        while b" alive\n" not in heard:
            heard += one.process.stdout.read1(65536)
        assert b" end 0" not in heard
        reader = Reader(sent, gate=one.gate)
        reader.feed(heard)
        while not reader.done and (data := one.process.stdout.read1(65536)):
            reader.feed(data)
    assert reader.found[0] == Found(0, "half whole\n")


@pytest.mark.parametrize("shell", shells.KINDS)
def test_a_probe_that_streams_tells_its_lines_while_it_runs(shell: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f"cat \"$1\"; printf 'two\\n\\n'; read -r word <'{go}'; printf 'three%s\\n\\nrest' \"$word\"; exit 3"
    told: list[str] = []
    sent = stream(Probe(script, (Payload(b"one\n"),)))
    with far(shell) as one:
        assert one.process.stdout
        one.begin(sent)
        reader = Reader(sent, lambda event: told.append(event.text) if event.kind == "line" else None, one.gate)
        while told != ["one", "two"]:
            reader.feed(one.process.stdout.read1(65536))
        go.write_text("!\n")
        while not reader.done:
            reader.feed(one.process.stdout.read1(65536))
    assert told == ["one", "two", "three!", "rest"]
    assert reader.found == {0: Found(3, "")}


def test_a_sign_of_life_in_the_middle_of_a_streamed_line_is_no_part_of_it() -> None:
    told: list[str] = []
    sent = stream(Probe(""))
    reader = Reader(sent, lambda event: told.append(event.text) if event.kind == "line" else None, Gate(entered=True))
    mark = sent.mark.encode()
    whole = b"\n%s here\n\n%s out 0\nfir\n%s alive\nst\nsecond\n\n\n%s end 0 0\n" % (mark, mark, mark, mark)
    for size in (1, 2, 3, 5, 7, len(whole)):
        told.clear()
        again = Reader(sent, reader.on_event, Gate(entered=True))
        for start in range(0, len(whole), size):
            again.feed(whole[start : start + size])
        assert told == ["first", "second"], size


HOST_OF_ITS_OWN = {
    "an item that is over": "out 0|end 0 0|out 0",
    "one that is not there": "out 7",
    "one before the first": "out -1",
    "no number": "out x",
    "a status that is none": "out 0|end 0 well",
    "an end without a beginning of its own": "end 1 0",
}


@pytest.mark.parametrize("frames", HOST_OF_ITS_OWN.values(), ids=HOST_OF_ITS_OWN)
def test_a_host_that_makes_its_own_answer_gets_no_further_time_by_it(frames: str) -> None:
    sent = message((), [Probe("true"), Probe("true")])
    reader = Reader(sent, gate=Gate(entered=True))
    with pytest.raises(Nonsense, match="in no order"):
        reader.feed("".join(f"\n{sent.mark} {frame}\n" for frame in frames.split("|")).encode())


def test_an_answer_that_never_ends_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST", 1 << 16)
    monkeypatch.setattr(protocol, "MOST_OF_A_LINE", 1 << 12)
    sent, lines = message((), [Probe("true")]), stream(Probe("true"))
    for one in (sent, lines):
        reader = Reader(one, gate=Gate(entered=True))
        reader.feed(f"\n{one.mark} here\n\n{one.mark} out 0\n".encode())
        with pytest.raises(Nonsense, match="longer than"):
            for _ in range(1000):
                reader.feed(b"x" * 1000)
    with pytest.raises(Nonsense, match="login shell"):
        gate = Gate()
        for _ in range(3000):
            gate.feed(b"x" * 1000)


def test_a_stream_of_whole_lines_may_be_as_long_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_OF_A_LINE", 1 << 12)
    one, told = stream(Probe("true")), []
    reader = Reader(one, lambda event: told.append(event.text), gate=Gate(entered=True))
    reader.feed(f"\n{one.mark} here\n\n{one.mark} out 0\n".encode())
    for _ in range(1000):
        reader.feed(b"x" * 99 + b"\n")
    reader.feed(f"\n{one.mark} end 0 0\n".encode())
    assert reader.done and sum(len(text) for text in told) == 99_000


@pytest.mark.parametrize("shell", shells.KINDS)
def test_the_journal_is_written_through_no_link_and_waits_for_no_pipe(shell: str, tmp_path: Path) -> None:
    action = Action("make it", "true")

    def kept(name: str) -> None:
        with far(shell) as one:
            assert one.talk(message([action], (), who="me@here", journal=str(tmp_path / name)))[0].status == 0

    (tmp_path / "theirs").write_text("theirs\n")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / "pipe")
    for name in ("journal", "journal", "link", "pipe"):
        kept(name)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert len(lines) == 2 and all(line.endswith(" me@here: exit status 0: make it") for line in lines)
    assert (tmp_path / "theirs").read_text() == "theirs\n"
