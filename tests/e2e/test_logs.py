"""`fab logs` and `fab ui` on real hosts: in order, followed over lost connections, and nothing left behind."""

from __future__ import annotations

import base64
import json
import re
import signal
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..waiting import until
from .conftest import Cluster, begun

pytestmark = pytest.mark.e2e
CLIENTS = ("paramiko", "openssh")
LOG = "/home/work/supervisor/processor9.log"
"""Of no program; nobody else writes there."""
HOSTS = ("node1", "node2", "node3")


def write(cluster: Cluster, host: str, text: str, ago: int = 0, to: str = LOG) -> None:
    """A line of a log, by the host's own clock and zone, as the cluster's user writes it."""
    stamp = f"$(date -d @$(( $(date +%s) - {ago} )) '+%y%m%d %H:%M:%S')"
    cluster.on(host, f'su work -s /bin/sh -c "echo \\"[I {stamp} e2e:1] {text}\\" >>{to}"')


@pytest.fixture(autouse=True)
def no_log(cluster: Cluster) -> Iterator[None]:
    yield
    for host in HOSTS:
        cluster.on(host, f"rm -f {LOG} {LOG}.1")


def told(cluster: Cluster, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cluster.fab("logs", *words, "--json").stdout.splitlines()]


def tellers(cluster: Cluster) -> list[str]:
    """The processes on the hosts that tell logs."""
    return [
        line
        for host in HOSTS
        for line in cluster.on(host, "ps -eo args=").splitlines()
        if re.search(r" logs \S*/1$", line)
    ]


def test_the_logs_of_all_hosts_are_one_also_of_a_host_in_another_zone(cluster: Cluster) -> None:
    for number, host in enumerate(("node3", "node1", "node2")):
        write(cluster, host, f"number {number}", ago=30 - number)
    # In Shanghai, as a program there writes it.
    cluster.on("node2", f"TZ=CST-8 date '+[I %y%m%d %H:%M:%S e2e:1] now' | su work -s /bin/sh -c 'cat >{LOG}.1'")
    cluster.on("node2", f"su work -s /bin/sh -c 'mv {LOG}.1 {LOG.replace('9', '8')}'")
    try:
        found = told(cluster, "processor9", "processor8")
        assert [one["text"] for one in found] == ["number 0", "number 1", "number 2", "now"]
        assert [one["host"] for one in found] == ["node3", "node1", "node2", "node2"]
        shown = cluster.fab("logs", "processor9", "-n", "1").stdout
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d node2 processor9 I e2e:1 number 2\n", shown)
    finally:
        cluster.on("node2", f"rm -f {LOG.replace('9', '8')}")


def test_programs_write_what_is_found(cluster: Cluster) -> None:
    found = told(cluster, "-n", "2000")
    assert {one["host"] for one in found} == set(HOSTS)
    assert {"scheduler", "fetcher1", "processor1", "webui1", "supervisord"} <= {one["program"] for one in found}
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)
    assert {one["program"] for one in told(cluster, "--role", "fetcher")} == {"fetcher1"}


def test_a_host_that_can_not_be_reached_hides_no_other(cluster: Cluster) -> None:
    write(cluster, "node1", "here")
    elsewhere = cluster.variant("gone.toml", (r"(address = \"10\.77\.\d+\.)13", r"\g<1>99"))
    result = cluster.fab("logs", "processor9", "--json", status=3, hosts_toml=elsewhere)
    assert json.loads(result.stdout)["text"] == "here"
    assert "fab: node3: " in result.stderr


class Followed:
    """A `fab logs --follow`, and the lines that it has printed so far."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self.process = begun(cluster.command("logs", *words, "--follow", "--json"))
        self.lines: list[str] = []
        self.said: list[str] = []
        for stream, kept in ((self.process.stdout, self.lines), (self.process.stderr, self.said)):
            threading.Thread(target=self._read, args=(stream, kept), daemon=True).start()

    @staticmethod
    def _read(stream: Any, kept: list[str]) -> None:
        kept.extend(iter(stream.readline, ""))
        stream.close()

    @property
    def texts(self) -> list[str]:
        # More lines come meanwhile.
        return [json.loads(line)["text"] for line in list(self.lines)]

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@contextmanager
def followed(cluster: Cluster, *words: str) -> Iterator[Followed]:
    one = Followed(cluster, *words)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def cut_connections(cluster: Cluster, host: str) -> None:
    """End all logins of a host from the outside."""
    cluster.on(host, "for p in $(pgrep -f '[s]shd.*: root'); do kill $p; done; true")


def test_what_comes_is_told_once_over_a_rotation_and_a_lost_connection(cluster: Cluster) -> None:
    write(cluster, "node1", "before")
    with followed(cluster, "processor9") as one:
        until(lambda: one.texts == ["before"] and len(tellers(cluster)) == 3, 30)
        write(cluster, "node2", "a")
        until(lambda: one.texts[1:] == ["a"], 10)
        cut_connections(cluster, "node2")
        write(cluster, "node2", "b")
        cluster.on("node2", f"mv {LOG} {LOG}.1")
        write(cluster, "node2", "c")
        write(cluster, "node1", "d")
        until(lambda: sorted(one.texts[2:]) == ["b", "c", "d"], 30)
        assert any("node2" in line and "trying again" in line for line in one.said)
        until(lambda: "fab: node2: here again\n" in one.said, 10)
        assert one.end(signal.SIGINT) == 130
        until(lambda: not tellers(cluster), 15)
    assert sorted(one.texts) == ["a", "b", "before", "c", "d"]


def test_nothing_is_left_on_hosts_where_fab_is_killed(cluster: Cluster) -> None:
    with followed(cluster, "processor9") as one:
        until(lambda: len(tellers(cluster)) == 3, 30)
        one.end(signal.SIGKILL)
        until(lambda: not tellers(cluster), 15)


def test_a_web_ui_is_reached_from_here_also_after_a_lost_connection(cluster: Cluster) -> None:
    process = begun(cluster.command("ui", "--no-browser"))
    try:
        assert process.stdout
        first, user, password, *_ = (process.stdout.readline() for _ in range(4))
        address = first.rpartition(" ")[2].strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        assert user.strip() == "user name: admin"
        place = password.partition(" in ")[2].partition(" (key webui)")[0]
        secret = tomllib.loads(Path(place).read_text())["webui"]
        assert secret not in first + user + password
        assert asked(address) == 401
        assert asked(address, f"admin:{secret}") == 200
        cut_connections(cluster, "node1")
        until(lambda: asked(address, f"admin:{secret}") == 200, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()


def asked(address: str, login: str = "") -> int:
    """The status of a web UI's answer; 0 where there is none."""
    request = urllib.request.Request(address)
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_web_ui_that_is_not_there_is_told(cluster: Cluster) -> None:
    said = cluster.fab("ui", "webui7", status=2).stderr
    assert "has a web UI 'webui7' (did you mean 'webui1'?); there is webui1 on node1" in said
    nowhere = cluster.variant("noport.toml", (r"^\[pyspider.webui\]$", "[pyspider.webui]\nport = 5999"))
    said = cluster.fab("ui", "--no-browser", status=1, hosts_toml=nowhere).stderr
    assert "no connection from node1: does webui1 run (fab status)" in said
