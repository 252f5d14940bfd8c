"""Whatever way the control machine goes, nothing that it began goes on running on a host."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..waiting import until
from .conftest import FAB, PROJECT, Cluster, begun, receivers

pytestmark = pytest.mark.e2e
CLIENTS = ("paramiko", "openssh")

MARK = "31415"
"""The argument of the sleep that stands for long work; nothing else on a host has it."""


def running(cluster: Cluster, host: str) -> bool:
    return f"sleep {MARK}" in cluster.on(host, "ps -eo args=").splitlines()


def nothing_of_fab(cluster: Cluster, host: str) -> bool:
    """Neither the work nor the shell that received it."""
    return not running(cluster, host) and not receivers(cluster, host)


@contextmanager
def long_work(cluster: Cluster, *hosts: str) -> Iterator[subprocess.Popen[str]]:
    command = cluster.command("-H", ",".join(hosts), "run", f"sleep {MARK}; echo never")
    process = begun(command)
    try:
        until(lambda: all(running(cluster, host) for host in hosts), 30)
        assert all(receivers(cluster, host) for host in hosts)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_the_remote_commands_prints_the_recap_and_exits_130(cluster: Cluster) -> None:
    with long_work(cluster, "node2", "node3") as fab:
        fab.send_signal(signal.SIGINT)
        output, errors = fab.communicate(timeout=30)
        assert fab.returncode == 130
        assert "Traceback (most recent" not in output + errors
        assert "2 not reached" in output
        until(lambda: not running(cluster, "node2") and not running(cluster, "node3"), 10)


@pytest.mark.parametrize("words", [["--list"], ["status"]])
def test_a_ctrl_c_at_any_moment_is_one_line_and_never_a_traceback(tmp_path: Path, words: list[str]) -> None:
    text = (PROJECT / "hosts.toml").read_text().replace('address = "10.77.0.', 'port = 9\naddress = "127.0.77.')
    text = re.sub("^key = .*$", "", text, flags=re.MULTILINE)
    (tmp_path / "hosts.toml").write_text(text)
    environment = {**os.environ, "HOSTS_TOML": str(tmp_path / "hosts.toml")}
    statuses = []
    for milliseconds in range(5, 1000, 25):
        fab = begun({"args": [FAB, *words], "env": environment})
        # The moment is what is tested, wherever it falls.
        time.sleep(milliseconds / 1000)
        in_python = Path(f"/proc/{fab.pid}/cmdline").read_bytes().partition(b"\0")[0].endswith(b"/python")
        fab.send_signal(signal.SIGINT)
        output, errors = fab.communicate(timeout=30)
        assert "Traceback (most recent" not in output + errors and "Exception" not in output + errors, errors
        assert fab.returncode in (130, 0 if words == ["--list"] else 3, -signal.SIGINT), errors
        # Before the script has begun, nobody can say a word.
        assert fab.returncode != -signal.SIGINT or not in_python
        assert fab.returncode != 130 or "fab: interrupted" in errors
        statuses.append(fab.returncode)
    assert 130 in statuses


def test_ctrl_c_releases_the_lock(cluster: Cluster) -> None:
    # A hung host keeps the first deployer busy for as long as it takes.
    cluster.sandbox.pause("node3")
    first = begun(cluster.command("deploy"))
    try:
        until(lambda: cluster.fab("lock.status", status=None).returncode == 4, 30)
        assert "being changed by" in cluster.fab("deploy", status=4).stderr
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)
        assert first.returncode == 130
        cluster.fab("lock.status")
    finally:
        cluster.sandbox.resume("node3")
        first.kill()
        first.communicate()
    cluster.fab("deploy")
    assert cluster.status()["healthy"]


def test_a_killed_fab_leaves_nothing_running(cluster: Cluster) -> None:
    with long_work(cluster, "node2") as fab:
        fab.kill()
        until(lambda: nothing_of_fab(cluster, "node2"), 10)


def test_a_cut_cable_leaves_nothing_running(cluster: Cluster) -> None:
    with long_work(cluster, "node3"):
        cluster.sandbox.cut("node3")
        try:
            until(lambda: nothing_of_fab(cluster, "node3"), 10)
        finally:
            cluster.sandbox.heal("node3")
    until(lambda: cluster.on("node3", "ls -d /tmp/fab.* 2>/dev/null || true").split() == [], 10)


def test_ctrl_c_does_not_wait_for_a_hung_host_and_tells_what_became_of_each(cluster: Cluster) -> None:
    for host in ("node1", "node2"):
        cluster.on(host, "rm -f /run/was-here")
    cluster.sandbox.pause("node3")
    fab = begun(cluster.command("run", "touch /run/was-here"))
    try:
        until(lambda: all(cluster.on(host, "ls /run").count("was-here") for host in ("node1", "node2")), 30)
        fab.send_signal(signal.SIGINT)
        # Far less than the time that a host may take to answer.
        output, errors = fab.communicate(timeout=8)
    finally:
        fab.kill()
        cluster.sandbox.resume("node3")
    assert fab.returncode == 130, output + errors
    assert "Traceback (most recent" not in output + errors
    assert "2 ok, 1 not reached" in output


BINARY = "/opt/pyspider/bin/phantomjs"
"""Large enough to be still on its way when it is looked at."""


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL])
def test_fab_that_ends_in_the_middle_of_an_upload_leaves_no_half_of_it(cluster: Cluster, way: signal.Signals) -> None:
    whole = cluster.on("node3", f"sha256sum <{BINARY}")
    cluster.on("node3", f"rm {BINARY}")
    command = begun(cluster.command("-H", "node3", "step.phantomjs"))
    try:
        # The one who writes the upload down is stopped in the middle of it.
        stopped = cluster.on(
            "node3", "timeout 30 sh -c \"until pkill -STOP -f '^head -c [0-9]{7}'; do :; done\"; echo $?"
        )
        assert stopped.strip() == "0", command.communicate(timeout=30)
        assert cluster.on("node3", "ls -d /tmp/fab.*").strip()
        command.send_signal(way)
        output, errors = command.communicate(timeout=30)
    finally:
        command.kill()
    assert command.returncode == (130 if way == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback (most recent" not in output + errors
    until(lambda: nothing_of_fab(cluster, "node3") and not cluster.on("node3", "pgrep -x head || true").split(), 10)
    assert cluster.on("node3", f"ls -A {BINARY.rpartition('/')[0]}; ls -d /tmp/fab.* 2>/dev/null || true").split() == []
    assert "install" in cluster.fab("-H", "node3", "step.phantomjs").stdout
    assert cluster.on("node3", f"sha256sum <{BINARY}") == whole
    assert "nothing changed" in cluster.fab("-H", "node3", "step.phantomjs").stdout


def test_a_hung_host_costs_its_own_limit_and_delays_no_other(cluster: Cluster) -> None:
    cluster.sandbox.pause("node3")
    try:
        result = cluster.fab("deploy", "--json", status=3)
    finally:
        cluster.sandbox.resume("node3")
    hosts = json.loads(result.stdout)["hosts"]
    assert {name: one["status"] for name, one in hosts.items()} == {
        "node1": "ok",
        "node2": "ok",
        "node3": "unreachable",
    }
    assert hosts["node1"]["seconds"] < hosts["node3"]["seconds"]
    until(lambda: bool(cluster.status()["healthy"]), 60)


@pytest.mark.parametrize("way", ["cut", "pause"])
def test_silence_in_the_middle_of_an_upload_ends_the_run_soon_and_frees_the_lock(cluster: Cluster, way: str) -> None:
    cluster.on("node3", f"rm -f {BINARY}")
    command = begun(cluster.command("-H", "node3", "step.phantomjs"))
    try:
        stopped = cluster.on(
            "node3", "timeout 30 sh -c \"until pkill -STOP -f '^head -c [0-9]{7}'; do :; done\"; echo $?"
        )
        assert stopped.strip() == "0", command.communicate(timeout=30)
        getattr(cluster.sandbox, way)("node3")
        silent = time.monotonic()
        output, errors = command.communicate(timeout=60)
        took = time.monotonic() - silent
    finally:
        command.kill()
        {"cut": cluster.sandbox.heal, "pause": cluster.sandbox.resume}[way]("node3")
    assert command.returncode == 3 and "Traceback (most recent" not in output + errors, output + errors
    until(lambda: nothing_of_fab(cluster, "node3"), 20)
    cluster.on("node3", "pkill -KILL -x head || true")
    assert "install" in cluster.fab("-H", "node3", "step.phantomjs").stdout
    assert took < 30, output


def test_a_read_only_etc_leaves_the_release_before_current_with_its_programs(cluster: Cluster) -> None:
    before, pids = cluster.on("node3", "readlink /home/work/distri_pyspider/current"), cluster.pids()
    file = cluster.variant("pool.toml", (r"^\[pyspider\.fetcher\]$", "[pyspider.fetcher]\npoolsize = 33"))
    cluster.on(
        "node3", "echo '; changed' >>/etc/supervisord.conf; mount --bind /etc /etc; mount -o remount,bind,ro /etc"
    )
    try:
        said = cluster.fab("-H", "node3", "deploy", status=1, hosts_toml=file).stdout
    finally:
        cluster.on("node3", "umount /etc")
    assert "/etc/supervisord.conf" in said
    assert cluster.on("node3", "readlink /home/work/distri_pyspider/current") == before
    assert cluster.pids() == pids
    # What a run left that was killed on the way goes with the next release.
    cluster.on("node3", "cd /home/work/distri_pyspider && mkdir releases/.0123abcd && ln -s x .current.77")
    cluster.fab("-H", "node3", "deploy", hosts_toml=file)
    left = cluster.on("node3", "cd /home/work/distri_pyspider && ls -A . releases")
    assert ".0123abcd" not in left and ".current" not in left
    cluster.fab("-H", "node3", "deploy")
