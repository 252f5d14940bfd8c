"""The watcher of supervisord: its place in a deploy, and real processes that die under it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fabfile.errors import Problem
from fabfile.steps.shipped import shipped
from fabfile.steps.supervisor import Place
from fabfile.steps.watcher import Watcher

from ..waiting import until
from . import sights

PLACE = Place("work", "/h", "/l", "/etc/supervisord.conf", "/s.sock", "/opt/python", unit="pyspider-demo")
STEP = Watcher(PLACE)
SYSTEMD = {"main": 5, "state": "running"}
SUPERVISORD = """\
import os, signal, socket, subprocess, sys
if os.fork():
    os._exit(0)
os.setsid()
for number in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
conf, folder = sys.argv[2], os.path.dirname(sys.argv[2])
server = socket.socket(socket.AF_UNIX)
if os.path.exists(folder + "/s.sock"):
    os.unlink(folder + "/s.sock")
server.bind(folder + "/s.sock")
server.listen(9)
open(folder + "/s.pid", "w").write(str(os.getpid()))
env = dict(os.environ, SUPERVISOR_SERVER_URL="unix://" + folder + "/s.sock", PYSPIDER_RELEASE="r")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=env)
open(folder + "/starts", "a").write("%d %d\\n" % (os.getpid(), child.pid))
def end(*_):
    child.kill()
    os.unlink(folder + "/s.sock")
    os.unlink(folder + "/s.pid")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
while True:
    signal.pause()
"""
"""A program that leaves behind what supervisord does, and runs one program."""


def test_where_systemd_runs_there_is_none_and_elsewhere_one_of_this_version() -> None:
    def says(pids: list[int], digest: str = "", unit: object = None) -> list[str]:
        seen = sights.found(watcher={"pids": pids, "digest": digest}, unit=unit)
        return [action.says for action in STEP.diff(seen)]

    assert says([]) == ["watch over supervisord"]
    assert says([7, 8], STEP.digest) == []
    assert says([7], STEP.digest) == ["watch over supervisord"]
    assert says([7, 8], "another") == ["watch over supervisord"]
    assert says([], unit=SYSTEMD) == []
    assert says([7, 8], STEP.digest, unit=SYSTEMD) == ["watch over supervisord no more"]
    assert STEP.diff(sights.found()) == []


def test_nobody_watches_over_a_supervisord_of_somebody_elses() -> None:
    stranger = {"pid": 9, "holds": "socket"}
    with pytest.raises(Problem, match="nothing was changed"):
        STEP.diff(sights.found(watcher={"pids": [], "digest": ""}, strangers=[stranger]))


@dataclass
class Watched:
    """A folder with a program in the place of supervisord, and a watcher over it."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "pyspider-demo.d1.json"

    def begin(self) -> None:
        settings = json.loads(STEP.settings) | {
            "socket": f"{self.folder}/s.sock", "pidfile": f"{self.folder}/s.pid", "conf": f"{self.folder}/s.conf",
            "folder": str(self.folder), "logs": str(self.folder), "user": pwd.getpwuid(os.getuid()).pw_name,
            "words": [sys.executable, f"{self.folder}/supervisord", "-c", f"{self.folder}/s.conf"],
        }  # fmt: skip
        self.settings.write_text(json.dumps(settings))
        content = shipped().content
        assert isinstance(content, bytes)
        (self.folder / "pyspider-demo.zip").write_bytes(content)
        (self.folder / "supervisord").write_text(SUPERVISORD)
        (self.folder / "s.conf").write_text("")
        self.watch()

    def watch(self) -> None:
        words = [sys.executable, "-B", self.folder / "pyspider-demo.zip", "watch", self.settings]
        subprocess.run(words, check=True, timeout=20)

    def start(self) -> None:
        subprocess.run([sys.executable, self.folder / "supervisord", "-c", self.folder / "s.conf"], check=True)
        until(lambda: len(self.starts) == 1, 10)

    @property
    def starts(self) -> list[list[int]]:
        path = self.folder / "starts"
        return [[int(one) for one in line.split()] for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def pids(self) -> list[int]:
        """The watcher's two processes, the first of them in front."""
        found = subprocess.run(["pgrep", "-f", str(self.settings)], capture_output=True, text=True, check=False)
        return sorted(int(one) for one in found.stdout.split() if alive(int(one)))

    def end(self) -> None:
        for pid in self.pids:
            # The first of them ends the second too.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until(lambda: not self.pids, 10)
        for pid in [pid for pair in self.starts for pid in pair if alive(pid)]:
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    one = Watched(tmp_path)
    one.begin()
    try:
        yield one
    finally:
        one.end()


def test_a_killed_supervisord_is_back_without_the_programs_of_the_dead_one_as_often_as_it_dies(
    watched: Watched,
) -> None:
    watched.start()
    for times in (2, 3):
        daemon, program = watched.starts[-1]
        os.kill(daemon, signal.SIGKILL)
        until(lambda times=times: len(watched.starts) == times, 20)
        assert not alive(program)
        assert sum(alive(pid) for pair in watched.starts for pid in pair) == 2


def test_one_that_ended_by_itself_stays_down(watched: Watched) -> None:
    watched.start()
    os.kill(watched.starts[0][0], signal.SIGTERM)
    until(lambda: not alive(watched.starts[0][0]), 10)
    with pytest.raises(AssertionError):
        until(lambda: len(watched.starts) > 1, 3)


def test_a_second_watcher_does_nothing_and_each_half_starts_the_other_again(watched: Watched) -> None:
    watched.start()
    watched.watch()
    before = watched.pids
    assert len(before) == 2
    for number in (0, 1):
        pids = watched.pids
        os.kill(pids[number], signal.SIGKILL)
        until(lambda pids=pids: len(watched.pids) == 2 and watched.pids != pids, 10)
    assert len(watched.starts) == 1
    os.kill(watched.starts[0][0], signal.SIGKILL)
    until(lambda: len(watched.starts) == 2, 20)
