"""`fab status --watch` on a terminal, over a cluster that changes meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from ..waiting import until
from .conftest import Cluster, receivers
from .faults import SHELL, healthy_again

pytestmark = pytest.mark.e2e

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-Zhln]")
"""Sequences that are no colours."""
HOME = "\x1b[H"
"""The beginning of each picture."""
COLUMNS, LINES = 120, 45


class Terminal:
    """A terminal, and what was drawn on it."""

    def __init__(self, cluster: Cluster, *words: str, colours: bool = False) -> None:
        self.main, self._side = os.openpty()
        command = cluster.command(*words)
        command["env"] |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
        if colours:
            del command["env"]["NO_COLOR"]
        argv = ["env", "--default-signal=INT", "setsid", "--ctty", "--wait", *command.pop("args")]
        command["stdin"] = self._side
        self.process = subprocess.Popen(argv, **command, stdout=self._side, stderr=self._side)
        self._drawn = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):
            while data := os.read(self.main, 65536):
                self._drawn += data.decode(errors="replace")

    @property
    def drawn(self) -> str:
        """The last whole picture, with its escape sequences."""
        pictures = self._drawn.split(HOME)
        return pictures[-2] if len(pictures) > 2 else ""

    @property
    def picture(self) -> str:
        """The text of the last whole picture."""
        return ESCAPE.sub("", self.drawn)

    def type(self, keys: str) -> None:
        os.write(self.main, keys.encode())

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as shells have it."""
        return bool(termios.tcgetattr(self._side)[3] & termios.ECHO)

    def close(self) -> None:
        os.close(self._side)
        os.close(self.main)


def stay(cluster: Cluster) -> list[str]:
    """The hosts on which a process waits for the next look."""
    return [name for name in ("node1", "node2", "node3") if " stay /" in cluster.on(name, "ps -eo args=")]


@contextmanager
def watching(cluster: Cluster, colours: bool = False) -> Iterator[Terminal]:
    terminal = Terminal(cluster, "status", "--watch", colours=colours)
    try:
        until(lambda: ": healthy" in terminal.picture, 60)
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait()
        terminal.close()


def test_the_live_view_shows_rates_and_changes_and_ends_by_q(cluster: Cluster) -> None:
    with healthy_again(cluster), watching(cluster) as terminal:
        assert not terminal.echoes()
        assert stay(cluster) == ["node1", "node2", "node3"]
        until(lambda: re.search(r"processor2 +RUNNING .* \d+ +\d+ M +\d", terminal.picture), 30)
        assert "messages a second: " in terminal.picture and "scheduler2fetcher" in terminal.picture
        cluster.on("node2", SHELL + "kill -9 $(pid result_worker1)")
        until(lambda: "result_worker1 was started again" in terminal.picture, 40)
        terminal.type("f")
        terminal.type("p")
        terminal.type("r")
        until(lambda: "filter: pr_" in terminal.picture, 10)
        terminal.type("\r")
        until(lambda: "webui1" not in terminal.picture and "processor1" in terminal.picture, 10)
        terminal.type("q")
        assert terminal.process.wait(10) == 0
        assert terminal.echoes()
    for host in ("node1", "node2", "node3"):
        until(lambda host=host: receivers(cluster, host) == [], 10)
    until(lambda: stay(cluster) == [], 10)


def test_ctrl_c_ends_it_and_without_a_terminal_it_says_what_to_do(cluster: Cluster) -> None:
    with watching(cluster) as terminal:
        terminal.type("\x03")
        assert terminal.process.wait(10) == 0
        assert terminal.echoes()
    told = cluster.fab("status", "--watch", status=2).stderr
    assert "needs a terminal" in told and "`fab watch`" in told


def test_one_that_is_killed_leaves_nothing_on_the_hosts(cluster: Cluster) -> None:
    with watching(cluster) as terminal:
        terminal.process.kill()
        until(lambda: stay(cluster) == [], 15)
        left = "ls -d /dev/shm/fab.* /run/fab.* /tmp/fab.* 2>/dev/null; :"
        until(lambda: all(cluster.on(name, left) == "" for name in ("node1", "node2", "node3")), 15)


def test_a_look_at_some_hosts_tells_what_it_did_not_ask(cluster: Cluster) -> None:
    said = cluster.fab("status", "--limit", "node2").stdout.splitlines()[-1]
    assert "what was asked is healthy; not asked: mysql, redis, the queues, node1, node3" in said
    whole = cluster.fab("status").stdout
    assert re.search(r"^web UI     http://\S+:5000/; user \S+, password in \S+ \(key webui\)$", whole, re.MULTILINE)
