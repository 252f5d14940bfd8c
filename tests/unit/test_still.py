"""Which of a program's processes stand still: real ones, as /proc tells them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fabfile.remote import processes, work

from ..waiting import until

ONE_DEAD = """\
import os, sys, time
if not os.fork():
    os._exit(0)
time.sleep(600)
"""
"""It begins a child that ends, and never waits for it."""
SHELL = """\
import os, sys, time
if not os.fork():
    os.execv(sys.argv[1], ["python", sys.argv[2], "fetcher"])
time.sleep(600)
"""


@pytest.mark.parametrize(
    "component, letter",
    [
        pytest.param("processor", None, id="a user's script began the child"),
        pytest.param("phantomjs", None, id="a page's process of the renderer"),
        pytest.param("all", "Z", id="the child may be the fetcher"),
    ],
)
def test_a_dead_child_stops_no_component_that_lives(tmp_path: Path, component: str, letter: str | None) -> None:
    (tmp_path / "run.py").write_text(ONE_DEAD)
    with subprocess.Popen([sys.executable, str(tmp_path / "run.py"), component]) as process:
        try:
            until(lambda: [one for one in children(process.pid) if processes.state(one) == "Z"], 10)
            table = processes.table()
            seen = work.still({process.pid: work.family(process.pid, table)}, table)
            assert {pid: found[1] for pid, found in seen.items()} == ({process.pid: letter} if letter else {})
        finally:
            process.kill()


def test_a_dead_component_of_a_shell_stands_still(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("")
    with subprocess.Popen([sys.executable, "-c", SHELL, sys.executable, str(tmp_path / "run.py")]) as process:
        try:
            until(lambda: [one for one in children(process.pid) if processes.state(one) == "Z"], 10)
            table = processes.table()
            (dead,) = children(process.pid)
            assert work.still({process.pid: work.family(process.pid, table)}, table) == {process.pid: (dead, "Z")}
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    return [one for one, process in processes.table().items() if process.parent == pid]
