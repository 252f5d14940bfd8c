"""What doctor promises as a command: its exit status, its JSON, that it only looks, and how long it takes."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import FILES, Cluster
from .faults import CURRENT, SHELL, found, healthy_again, silent

pytestmark = pytest.mark.e2e

HOSTS = ("node1", "node2", "node3")
MUCH = f"""unwatched; p=$(daemon); kill -9 $p $(pgrep -P $p); settled '! pgrep -f [r]un.py'
config 'c["fetcher"]["pool-size"] = 10'; chmod 644 {CURRENT}/config.json
touch /home/work/supervisor/of-root; chown root: /home/work/supervisor/of-root"""


def test_doctor_without_fix_changes_no_file_and_no_process(cluster: Cluster) -> None:
    with healthy_again(cluster):
        cluster.on("node2", SHELL + MUCH)
        # Once before: what a first look leaves behind would be a change as well, but the cluster must have settled.
        files = f"{FILES}; find /home/work/supervisor -name '*.log' -prune -o -printf '%p %T@ %m %U\\n'"
        before, processes = {host: cluster.on(host, files) for host in HOSTS}, cluster.pids()
        assert {one["id"] for one in found(cluster)} >= {"socket-stale", "config-unknown-key", "exposed", "root-owned"}
        cluster.fab("doctor", status=1)
        for host, seen in before.items():
            assert set(cluster.on(host, files).splitlines()) ^ set(seen.splitlines()) == set()
        assert cluster.pids() == processes
        cluster.fab("doctor", "--fix")
        silent(cluster)


def test_the_exit_status_tells_and_json_is_one_object(cluster: Cluster) -> None:
    with healthy_again(cluster):
        assert json.loads(cluster.fab("doctor", "--json", status=0).stdout) == {"findings": []}
        cluster.on("node2", SHELL + "$CTL stop processor1")
        result = cluster.fab("-H", "node2", "doctor", "--json", status=1)
        (one,) = json.loads(result.stdout)["findings"]
        assert list(one) == ["id", "host", "evidence", "cause", "fix", "fixable", "warning"]
        assert (one["id"], one["fixable"]) == ("stopped", True)
        assert cluster.fab("-H", "node1", "doctor", status=0).returncode == 0
        assert "nod2" in cluster.fab("-H", "nod2", "doctor", status=2).stderr
        cluster.fab("doctor", "--fix", "--json", status=0)
        cluster.sandbox.cut("node3")
        try:
            cluster.fab("doctor", status=3)
        finally:
            cluster.sandbox.heal("node3")
        silent(cluster)


def test_no_password_is_in_what_doctor_says(cluster: Cluster) -> None:
    secrets = (cluster.folder / ".secrets" / "demo.toml").read_text()
    passwords = [line.split('"')[1] for line in secrets.splitlines() if '"' in line]
    assert len(passwords) == 3
    with healthy_again(cluster):
        cluster.on("node2", SHELL + 'config \'c["taskdb"] = c["taskdb"].replace("@", "x@")\'')
        said = [cluster.fab("doctor", *words, status=1) for words in ((), ("--json",))]
        cluster.fab("doctor", "--fix")
    assert not any(password in one.stdout + one.stderr for password in passwords for one in said)


def test_doctor_takes_no_more_than_twice_the_time_of_status(cluster: Cluster) -> None:
    took: dict[str, list[float]] = {"status": [], "doctor": []}
    # Beside other tests the machine is busy now and then: the least of each counts, when there is a quiet moment.
    for _ in range(15):
        for name, times in took.items():
            start = time.monotonic()
            cluster.fab(name)
            times.append(time.monotonic() - start)
        if min(took["doctor"]) <= 2 * min(took["status"]):
            return
    raise AssertionError(took)
