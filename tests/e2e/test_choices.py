"""Which hosts a run takes, in which batches, when it stops, what is retried: on four hosts with nothing but sshd."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, begun

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "choices"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
"""
ALL_ROLES = "roles = { mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }"


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("choices")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(4)
        roles = {"node1": ALL_ROLES}
        tables = [
            f'[hosts.{name}]\naddress = "{sandbox.address(name)}"\n{roles.get(name, "")}\n' for name in sandbox.names()
        ]
        (folder / "hosts.toml").write_text(HOSTS + "".join(tables))
        yield Cluster(folder, sandbox)
    finally:
        sandbox.down()


def run(cluster: Cluster, *words: str, status: int = 0) -> dict[str, Any]:
    """The hosts of `fab run … --json`."""
    answer: dict[str, Any] = json.loads(cluster.fab("run", *words, "--json", status=status).stdout)["hosts"]
    return answer


def statuses(hosts: dict[str, Any]) -> dict[str, str]:
    return {name: host["status"] for name, host in hosts.items()}


def test_a_batch_begins_when_the_one_before_has_ended(four: Cluster) -> None:
    hosts = run(four, "--batch", "50%", "date +%s.%N; sleep 1; date +%s.%N")
    times = {name: [float(word) for word in host["output"].split()] for name, host in hosts.items()}
    first_ended = max(times["node1"][1], times["node2"][1])
    assert min(times["node3"][0], times["node4"][0]) > first_ended
    assert abs(times["node1"][0] - times["node2"][0]) < 1


def test_batches_stop_at_a_failure_and_name_who_was_not_reached(four: Cluster) -> None:
    result = four.fab("run", "--batch", "1", '[ "$(hostname)" != node2 ]', status=1)
    assert "node3, node4: the run was stopped: 1 of 4 failed or unreachable, and --max-fail is 0" in result.stdout
    assert "4 hosts: 1 ok, 1 failed, 2 not reached" in result.stdout
    assert "batch 2 of 4: node2" in result.stderr
    assert "batch 3" not in result.stderr


def test_retry_takes_exactly_who_was_left_until_nobody_is(four: Cluster) -> None:
    run(four, "--batch", "1", '[ "$(hostname)" != node2 ]', status=1)
    assert statuses(run(four, "--retry-failed", '[ "$(hostname)" != node4 ]', status=1)) == {
        "node2": "ok",
        "node3": "ok",
        "node4": "failed",
    }
    # Who was left and is not chosen now stays left.
    nobody = four.fab("-H", "node1", "run", "--retry-failed", "true")
    assert "nothing to retry" in nobody.stderr
    assert statuses(run(four, "--retry-failed", "true")) == {"node4": "ok"}
    assert "nothing to retry: the last run left none undone" in four.fab("run", "--retry-failed", "true").stderr


def test_unreachable_hosts_count_against_the_budget(four: Cluster) -> None:
    four.sandbox.kill("node2")
    try:
        stopped = run(four, "--batch", "2", "--max-fail", "0", "true", status=3)
        assert statuses(stopped) == {
            "node1": "ok",
            "node2": "unreachable",
            "node3": "not reached",
            "node4": "not reached",
        }
        went_on = run(four, "--batch", "2", "--max-fail", "25%", "true", status=3)
        assert statuses(went_on) == {"node1": "ok", "node2": "unreachable", "node3": "ok", "node4": "ok"}
        # The look at all hosts has used the budget up before anything is changed.
        changed = json.loads(four.fab("bootstrap", "--max-fail", "0", "--json", status=3).stdout)["hosts"]
        assert {host["status"] for name, host in changed.items() if name != "node2"} == {"not reached"}
        assert four.on("node3", "id -u work 2>/dev/null || echo none").strip() == "none"
    finally:
        four.sandbox.start("node2")
    assert statuses(run(four, "--retry-failed", "true")) == {"node2": "ok"}


def test_what_ctrl_c_left_undone_is_retried(four: Cluster) -> None:
    command = four.command("run", "--batch", "2", "--max-fail", "0", "sleep 31416")
    process = begun(command)
    try:
        until(lambda: "sleep 31416" in four.on("node2", "ps -eo args="), 30)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "4 not reached" in output
    assert set(run(four, "--retry-failed", "true")) == {"node1", "node2", "node3", "node4"}


def test_what_makes_no_sense_is_refused_before_any_connection(four: Cluster) -> None:
    for flag, value in (("--batch", "0"), ("--batch", "150%"), ("--max-fail", "abc"), ("--lock-wait", "soon")):
        result = four.fab("deploy", flag, value, status=2)
        assert f"{flag} {value}: give a" in result.stderr
        assert result.stdout == ""
    assert "deploy has not run on choices from here yet" in four.fab("deploy", "--retry-failed", status=2).stderr


def test_the_lock_and_the_sandbox_tell_themselves_as_json(four: Cluster) -> None:
    assert json.loads(four.fab("lock.status", "--json").stdout) == {"cluster": "choices", "owner": None}
    assert json.loads(four.fab("sandbox.status", "--json").stdout)["node1"]["power"] == "up"
    # A hung host keeps its deployer busy for as long as it takes.
    four.sandbox.pause("node2")
    process = begun(four.command("-H", "node2", "step.account"))
    try:
        until(lambda: four.fab("lock.status", "--json", status=None).returncode == 4, 30)
        owner = json.loads(four.fab("lock.status", "--json", status=4).stdout)["owner"]
        assert owner["pid"] == process.pid
        assert json.loads(four.fab("lock.release", "--json").stdout)["owner"] == owner
    finally:
        four.sandbox.resume("node2")
        process.kill()
        process.communicate()


def test_hosts_that_a_step_does_not_concern_are_skipped_without_a_connection(four: Cluster) -> None:
    four.sandbox.kill("node2")
    try:
        hosts = json.loads(four.fab("-H", "node2,node3", "step.stores", "--json").stdout)["hosts"]
        named = json.loads(four.fab("-H", "node1,node2", "run", "--role", "webui", "true", "--json").stdout)["hosts"]
    finally:
        four.sandbox.start("node2")
    assert statuses(hosts) == {"node2": "skipped", "node3": "skipped"}
    assert statuses(named) == {"node1": "ok", "node2": "skipped"}
    assert named["node2"]["cause"] == "it has no webui"


def test_timings_tell_where_the_time_went(four: Cluster) -> None:
    answer = json.loads(four.fab("-H", "node2", "run", "sleep 1", "--timings", "--json").stdout)["timings"]
    assert 1 <= answer["hosts"]["node2"]["command"] < 5
    assert answer["slowest"][0]["action"] == "sleep 1"
    shown = four.fab("-H", "node1,node2", "status", "--timings", status=None).stdout
    assert "SECONDS" in shown
    assert "look" in shown


def test_a_command_behind_two_dashes_runs_everywhere_at_once(four: Cluster) -> None:
    command = four.command("-H", "node1,node2,node3", "--", "echo on $(hostname); sleep 5")
    command["args"] = [sys.executable, "-m", "fabfile", *command["args"][1:]]
    start = time.monotonic()
    result = subprocess.run(**command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert [line.strip() for line in result.stdout.splitlines() if " on " in line] == [
        "on node1",
        "on node2",
        "on node3",
    ]
    assert "3 hosts: 3 ok" in result.stdout
    assert time.monotonic() - start < 3 * 5
    command["args"][-1] = "exit 5"
    assert subprocess.run(**command, capture_output=True, timeout=60, check=False).returncode == 1


def test_a_deploy_goes_no_further_than_a_batch_that_is_not_well(cluster: Cluster) -> None:
    changed = cluster.variant(
        "batches.toml",
        ("^#loop-limit = 1000$", "loop-limit = 999"),
        ("^process-time-limit = 30$", "process-time-limit = 31"),
    )
    pids = cluster.pids()
    cluster.on("node1", f"kill -STOP {pids['node1/webui1']}")
    try:
        stopped = cluster.fab("deploy", "--batch", "1", "--json", status=1, hosts_toml=changed)
    finally:
        cluster.on("node1", f"kill -CONT {pids['node1/webui1']}")
    hosts = json.loads(stopped.stdout)["hosts"]
    assert statuses(hosts) == {"node1": "failed", "node2": "not reached", "node3": "not reached"}
    assert any("restart scheduler" in change for change in hosts["node1"]["changes"])
    assert "changed, but not well afterwards: the web UI" in hosts["node1"]["cause"]

    retried = cluster.fab("deploy", "--batch", "1", "--retry-failed", "--json", hosts_toml=changed)
    assert statuses(json.loads(retried.stdout)["hosts"]) == {"node1": "ok", "node2": "changed", "node3": "changed"}
    assert cluster.pids()["node1/webui1"] == pids["node1/webui1"]
    reloaded = cluster.fab("reload", "--batch", "50%", "--role", "processor", hosts_toml=changed)
    assert "2 hosts: 2 changed" in reloaded.stdout
    cluster.fab("deploy", "--batch", "2")
    assert cluster.status()["healthy"]
    assert "nothing changed" in cluster.fab("bootstrap", "--batch", "2").stdout


def test_a_host_outside_of_the_file_is_prepared_looked_at_and_examined(four: Cluster) -> None:
    without = four.variant("without.toml", (r"^\[hosts.node4\]\n.*\n", ""))
    address = four.sandbox.address("node4")
    stranger = f"root@{address}:22"

    def fab(*words: str, status: int = 0) -> str:
        return four.fab("-H", stranger, *words, status=status, hosts_toml=without).stdout

    assert "no programs" in fab("status", status=1)
    assert "choices: unknown: nothing could be seen" in fab("status", status=1)
    (bare,) = json.loads(fab("doctor", "--json", status=1))["findings"]
    assert bare["id"] == "bare" and bare["fix"].startswith(f"fab -H {stranger} bootstrap")
    assert stranger in fab("run", "uptime")
    prepared = json.loads(fab("bootstrap", "--json"))["hosts"]
    assert statuses(prepared) == {stranger: "changed"}
    assert any("make user work" in change for change in prepared[stranger]["changes"])
    assert "python2.7" in four.on("node4", "ls /opt/pyspider/current/bin")
    assert "nothing changed" in fab("bootstrap")
    print(fab("status", status=None), fab("doctor", status=None))
    assert json.loads(fab("doctor", "--json")) == {"findings": []}
    four.on("node4", "userdel -r work")
    timings = json.loads(fab("bootstrap", "--timings", "--json"))["timings"]
    assert {"look", "change"} <= timings["hosts"][stranger].keys()
    assert timings["slowest"][0]["host"] == stranger
    assert "make user work" in {one["action"] for one in timings["slowest"]}
    refused = four.fab("-H", stranger, "deploy", status=2, hosts_toml=without)
    assert f"says nothing of {stranger}; add a table [hosts.NAME] first" in refused.stderr
    assert "did you mean 'node3'" in four.fab("-H", "node33", "status", status=2).stderr
