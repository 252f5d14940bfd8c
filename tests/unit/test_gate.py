"""Login shells with start-up files of every kind, before the real gate: nothing of a message is executed by them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fabfile.inventory import Host
from fabfile.ssh.ending import WantsTerminal, at_the_gate, behind_the_gate, in_the_receiver, late
from fabfile.ssh.gate import EATEN, FOREIGN, WARD, Gate, gated, last_words
from fabfile.ssh.protocol import Message, Reader, message
from fabfile.ssh.receiver import receiver
from fabfile.steps.base import Action
from fabfile.steps.shell import cmd, in_any_shell

ONCE = '[ -z "$AGAIN" ] || return; export AGAIN=1\n'
STARTUPS = {
    "nothing": (":", 0),
    "words": ("echo welcome; printf no-newline", 0),
    "bytes that are no text": (r"printf '\377\376'; echo >&2 also here", 0),
    "ends": ("exit 0", 0),
    "ends with a status": ("echo not today; exit 7", 7),
    "another shell": (f"{ONCE}exec bash", FOREIGN),
    "an interactive one": (f"{ONCE}exec bash -i", FOREIGN),
    "a login shell": (f"{ONCE}exec bash -l", FOREIGN),
    "sh": ("exec sh", FOREIGN),
    "another shell that is no replacement": (f"{ONCE}bash; exit $?", FOREIGN),
    "exit is a function": (f"{ONCE}exit() {{ :; }}; export -f exit; exec bash", FOREIGN),
    "exit is an alias": ('shopt -s expand_aliases; alias exit=:; while read -r line; do eval "$line"; done', FOREIGN),
    "one question": ("read -p 'project? ' project", EATEN),
    "questions without an end": ("while read -r x; do :; done", EATEN),
    "a question, then another shell": (f"{ONCE}read a; read b; exec bash", FOREIGN),
    "some bytes": ("head -c 5 >/dev/null", EATEN),
    "everything": ("cat >/dev/null", EATEN),
    "killed": ("kill -9 $$", -9),
}
"""What a start-up file does, and the exit status of what then ran; 0 where the message is to be answered, or none."""
ANSWERED = ("nothing", "words", "bytes that are no text")


def login(startup: str, folder: Path, sent: Message) -> tuple[int, Reader]:
    """A shell with that start-up file gets a message; its exit status, and what was heard of it."""
    (folder / "startup").write_text(startup)
    environment = {**os.environ, "BASH_ENV": str(folder / "startup"), "LC_ALL": "C"}
    reader = Reader(sent)
    with subprocess.Popen(
        ["bash", "-c", receiver()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    ) as shell:
        assert shell.stdin and shell.stdout
        with suppress(BrokenPipeError):
            shell.stdin.write(WARD + sent.head() + sent.tail())
            shell.stdin.flush()
        # The input stays open until all is answered; a shell that gives no answer may wait for its end.
        if startup not in [STARTUPS[kind][0] for kind in ANSWERED]:
            with suppress(BrokenPipeError):
                shell.stdin.close()
        while not reader.done and (data := shell.stdout.read1(65536)):
            reader.feed(data)
        with suppress(BrokenPipeError):
            shell.stdin.close()
        return shell.wait(20), reader


@pytest.mark.parametrize("kind", STARTUPS)
def test_a_message_is_answered_whole_or_none_of_it_is_executed(kind: str, tmp_path: Path) -> None:
    startup, expected = STARTUPS[kind]
    sent = message([Action("x", f"touch {tmp_path}/done")], ())
    status, reader = login(startup, tmp_path, sent)
    # Long enough for a line that a shell reads.
    padded = login(startup, tmp_path, message([Action("x", "\n".join([f"touch {tmp_path}/long"] * 200))], ()))
    answered = kind in ANSWERED
    assert (tmp_path / "done").exists() == (tmp_path / "long").exists() == answered
    assert (status, reader.done) == (expected, answered)
    assert (padded[0], padded[1].done) == (expected, answered)
    assert reader.gate.entered == answered


@pytest.mark.parametrize("prompt", [[sys.executable, "-i"], [sys.executable], ["sh"], ["bash", "-i"], ["bash"]])
def test_other_readers_of_commands_execute_nothing_behind_the_ward(prompt: list[str], tmp_path: Path) -> None:
    text = f"open('{tmp_path}/python', 'w')\ntouch {tmp_path}/shell\n"
    started = time.monotonic()
    subprocess.run(prompt, input=WARD + text.encode(), capture_output=True, timeout=30, check=False)
    assert list(tmp_path.iterdir()) == [] and time.monotonic() - started < 20


def test_a_command_other_than_the_receiver_is_behind_the_gate_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0\nbytes")
    (tmp_path / "startup").write_text("echo welcome")
    for startup, expected in (("echo welcome", b"\0\nbytes"), ("exec sh", b"")):
        (tmp_path / "startup").write_text(startup)
        out = subprocess.run(
            ["bash", "-c", gated("cat", f"{tmp_path}/file")],
            input=WARD,
            env={**os.environ, "BASH_ENV": str(tmp_path / "startup")},
            capture_output=True,
            check=False,
        ).stdout
        gate = Gate()
        assert gate.feed(out[:9]) + gate.feed(out[9:]) == expected


HOST, OPER = Host("a", "192.0.2.1"), Host("a", "192.0.2.1", user="oper")


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (0, b"", "ended before it ran anything (status 0): it said nothing; does a start-up file"),
        (1, b"hello\nThis account is currently not available.\n", "(status 1): hello; This account is currently not"),
        (FOREIGN, b"", "starts another shell"),
        (EATEN, b"", "the login shell waits for input"),
        (-1, b"", "its sshd ended the command before it ran anything"),
    ],
)
def test_the_end_of_a_login_shell_is_one_sentence_with_its_own_words(status: int, said: bytes, words: str) -> None:
    text = str(at_the_gate(HOST, status, Gate(before=said)))
    assert text.startswith("a: ") and words in text and "\n" not in text
    assert "--prompt-for-sudo-password" not in text


def test_the_password_is_asked_for_only_where_sudo_wants_one() -> None:
    asked = str(behind_the_gate(OPER, 1, "sudo: a password is required"))
    assert asked == (
        "a: sudo refuses oper: a password is required; give it with --prompt-for-sudo-password "
        "(`fab doctor --sudoers` prints the lines that it needs)"
    )
    for said in ("oper is not in the sudoers file.", "sh: 1: exec: sudo: not found", ""):
        assert "--prompt" not in str(behind_the_gate(OPER, 1, said))
    assert isinstance(behind_the_gate(OPER, 1, "sudo: sorry, you must have a tty to run sudo"), WantsTerminal)
    assert "sudo" not in str(behind_the_gate(HOST, 127, "sh: setsid: not found"))


@pytest.mark.parametrize(
    "said",
    [
        f"Sorry, user oper is not allowed to execute '{receiver()}' as root on a.",
        "oper is not in the sudoers file.; This incident has been reported to the administrator.",
        ":; ' as root on a.",
        "Sorry, user oper may not run sudo on a.",
    ],
)
def test_a_refusal_of_sudos_is_one_short_sentence_that_names_the_lines_it_needs(said: str) -> None:
    assert str(behind_the_gate(OPER, 1, said)) == (
        "a: sudo does not allow oper to run /bin/sh as root; `fab doctor --sudoers` prints the lines that it needs"
    )


LOGIN_SHELLS = [path for name in ("csh", "tcsh", "fish", "zsh", "bash", "dash") if (path := shutil.which(name))]


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_a_login_shell_of_another_kind_runs_the_same(shell: str, tmp_path: Path) -> None:
    odd = "a\nb'c\"d!e\\f%g$h`i\\n\\047 !! ~ {x,y} * ? [z] # ^ (k) <l> & ; |"
    (tmp_path / odd.replace("/", "")).write_text("found")
    script = f"cat {cmd(tmp_path / odd)}; printf '%s' {cmd(odd)}"
    done = subprocess.run([shell, "-c", str(in_any_shell(script))], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"found{odd}", "")
    sent = message([Action("x", f"touch {cmd(tmp_path / 'done')}")], ())
    said = subprocess.run([shell, "-c", receiver()], input=WARD + sent.head() + sent.tail(), capture_output=True)  # noqa: PLW1510
    reader = Reader(sent)
    reader.feed(said.stdout)
    assert reader.done and (tmp_path / "done").exists(), said.stderr


def test_the_end_of_the_receiver_tells_a_full_disk_from_a_lost_connection() -> None:
    assert "temporary directory can't be written: mkdir: no space" in str(in_the_receiver(HOST, 73, "mkdir: no space"))
    assert "ended (status 74)" in str(in_the_receiver(HOST, 74, ""))
    assert in_the_receiver(HOST, -1, "").exit_status == 3


def test_a_shell_that_hangs_is_told_with_its_last_words() -> None:
    assert str(late(HOST, Gate(before=b"mounting\n"))).endswith("; it said: mounting")


def test_the_last_words_steer_no_terminal() -> None:
    assert last_words(b"hi\x1b]0;x\x07\tthere\x9b\n") == "hi\\x1b]0;x\\x07 there\ufffd"


def test_the_last_words_are_three_lines() -> None:
    assert last_words(b"one\n\ntwo\r\n three \nfour\xff\n") == "two; three; four\ufffd"
