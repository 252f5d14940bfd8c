"""The process on a host that looks again and again over one channel, by the real receiver in each kind of sh."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fabfile.runs.engine import look_again
from fabfile.ssh.protocol import message
from fabfile.steps.anywhere import LookAnywhere
from fabfile.steps.base import Found, Probe
from fabfile.steps.sight import parsed
from fabfile.steps.supervisor import Place, Questions

from . import shells
from .test_protocol import Far, far, until


def looked(home: Path, name: str = "none") -> LookAnywhere:
    where = str(home / name)
    python = os.path.realpath(sys.executable)
    return LookAnywhere(Place("nobody", where, where, where, where, python), Questions(spent=True))


@contextmanager
def beating(shell: str) -> Iterator[Far]:
    """The far side, and the beats without which it ends after five seconds."""
    ended = threading.Event()

    def beat() -> None:
        with suppress(OSError, ValueError):
            while not ended.wait(0.5):
                one.send(b"\n")

    with far(shell) as one:
        beats = threading.Thread(target=beat)
        beats.start()
        try:
            yield one
        finally:
            ended.set()
            beats.join()


def exchanged(one: Far, probe: Probe) -> Found:
    return one.talk(message((), [probe]).kept_open())[0]


def folder_of(one: Far) -> Path:
    """The folder of the channel."""
    return Path(exchanged(one, Probe('echo "$F"')).text.strip())


def resident(one: Far) -> int:
    return int((folder_of(one) / "pid").read_text())


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class FarLink:
    """A link of one channel."""

    operator = ""

    def __init__(self, one: Far) -> None:
        self.one = one
        self.sent: list[int] = []

    def exchange(self, sent: Any, _on_event: object) -> dict[int, Found]:
        self.sent.append(sent.size())
        return self.one.talk(sent)

    def rest(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


@pytest.mark.parametrize("shell", shells.KINDS)
def test_code_travels_once_and_the_same_process_answers_every_look(shell: str, tmp_path: Path) -> None:
    with beating(shell) as one:
        link = FarLink(one)
        first = parsed(look_again(link, looked(tmp_path)))
        pid, folder = resident(one), folder_of(one)
        before = handles(pid)
        for _ in range(3):
            again = parsed(look_again(link, looked(tmp_path)))
            assert first and again and again.spent and first.spent and again.spent.at > first.spent.at
        assert max(link.sent[2:]) < 2000 < link.sent[1]
        assert (resident(one), handles(pid)) == (pid, before)
    until(lambda: not runs(pid))
    assert not folder.exists()


def test_each_look_has_its_own_question(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/processor1.log").write_text("four")
    with beating("dash") as one:
        assert json.loads(exchanged(one, looked(tmp_path).staying()).text)["log_sizes"] == {}
        told = json.loads(exchanged(one, looked(tmp_path, "logs").again()).text)
        assert list(told["log_sizes"].values()) == [4]


@pytest.mark.parametrize("shell", shells.KINDS)
def test_where_none_stays_there_is_no_answer_and_another_one_is_begun(shell: str, tmp_path: Path) -> None:
    with beating(shell) as one:
        assert exchanged(one, looked(tmp_path).again()).status == 1
        assert parsed(look_again(FarLink(one), looked(tmp_path)))
        pid = resident(one)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists())
        assert exchanged(one, looked(tmp_path).again()).status == 1
        assert parsed(look_again(FarLink(one), looked(tmp_path)))
        assert resident(one) != pid


def test_a_look_that_fails_ends_the_one_that_stays_so_that_another_process_tells_why(tmp_path: Path) -> None:
    with beating("dash") as one:
        assert exchanged(one, looked(tmp_path).staying()).status == 0
        pid = resident(one)
        asked = looked(tmp_path).again()
        broken = Probe(asked.script, (type(asked.payloads[0])(b'{"anywhere": false}'),))
        assert exchanged(one, broken).text == ""
        until(lambda: not runs(pid))


def test_it_ends_with_a_receiver_that_is_killed(tmp_path: Path) -> None:
    # Its end can't be told to a receiver that is gone.
    with suppress(BrokenPipeError), beating("dash") as one:
        assert exchanged(one, looked(tmp_path).staying()).status == 0
        folder = folder_of(one)
        pid, receiver = resident(one), int((folder / "receiver").read_text())
        os.kill(receiver, signal.SIGKILL)
        until(lambda: not runs(pid))
        assert not folder.exists()
