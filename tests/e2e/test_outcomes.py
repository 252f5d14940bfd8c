"""One run over hosts that are each broken in their own way: the others are served, and each has its own outcome."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from .conftest import Cluster

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "broken"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = "known_hosts"
"""
WELL = "roles = { mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }"
BROKEN = {"dead": "node3", "hung": "node4", "changed key": "node5", "full disk": "node6", "wrong password": "node7"}


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("broken")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(7)
        tables = []
        for name in sandbox.names():
            more = {"node1": WELL, BROKEN["wrong password"]: 'user = "oper"'}.get(name, "")
            tables.append(f'[hosts.{name}]\naddress = "{sandbox.address(name)}"\n{more}\n')
        (folder / "hosts.toml").write_text(HOSTS + "".join(tables))
        cluster = Cluster(folder, sandbox)
        break_them(cluster)
        yield cluster
    finally:
        sandbox.down()


def break_them(cluster: Cluster) -> None:
    sandbox = cluster.sandbox
    known = dict(line.split(maxsplit=1) for line in sandbox.known_hosts.read_text().splitlines())
    by_name = {name: names for names in known for name in names.split(",")}
    known[by_name[BROKEN["changed key"]]] = known[by_name["node1"]]
    (cluster.folder / "known_hosts").write_text("".join(f"{names} {key}\n" for names, key in known.items()))
    sandbox.kill(BROKEN["dead"])
    sandbox.pause(BROKEN["hung"])
    cluster.on(
        BROKEN["full disk"], "mount -t tmpfs -o size=16k tmpfs /tmp; cat /dev/zero >/tmp/all 2>/dev/null || true"
    )
    cluster.on(
        BROKEN["wrong password"],
        "useradd -m oper && echo oper:right-one | chpasswd && echo 'oper ALL=(ALL) ALL' >/etc/sudoers.d/oper",
    )


def test_each_host_has_its_own_right_outcome_and_the_well_ones_are_done(seven: Cluster) -> None:
    command = seven.command("--prompt-for-sudo-password", "step.supervisord-conf", "--json")
    del command["stdin"]
    result = subprocess.run(
        **command, input="wrong-one\n", capture_output=True, text=True, start_new_session=True, timeout=120, check=False
    )
    assert "Traceback (most recent" not in result.stdout + result.stderr
    assert result.returncode == 1, result.stdout + result.stderr
    hosts = json.loads(result.stdout)["hosts"]
    assert {name: one["status"] for name, one in hosts.items()} == {
        "node1": "changed",
        "node2": "changed",
        BROKEN["dead"]: "unreachable",
        BROKEN["hung"]: "unreachable",
        BROKEN["changed key"]: "unreachable",
        BROKEN["full disk"]: "failed",
        BROKEN["wrong password"]: "failed",
    }
    causes = {name: hosts[host]["cause"] for name, host in BROKEN.items()}
    assert "no answer within" in causes["dead"]
    assert "it accepts the connection, and no word of sshd comes within" in causes["hung"]
    assert "has CHANGED" in causes["changed key"]
    assert "can't be written" in causes["full disk"]
    assert "sudo refuses oper" in causes["wrong password"]
    assert "[supervisord]" in seven.on("node2", "cat /etc/supervisord.conf")
    # Each limit runs by itself: the slowest broken host costs the run its own time and no more.
    assert max(one["seconds"] for one in hosts.values()) < 30
    assert hosts["node2"]["seconds"] < 10


def test_equal_causes_are_told_once(seven: Cluster) -> None:
    output = seven.fab("-H", "node1,node2", "run", "exit 7", status=1).stdout
    assert output.count("exit status 7") == 1
    assert "node1, node2: exit status 7" in output
