"""A release that fails goes back, the scheduler moves, a host leaves: and the crawl goes on."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import CURRENT, healthy_again

pytestmark = pytest.mark.e2e


def well(cluster: Cluster, hosts_toml: Path | None = None) -> None:
    until(lambda: cluster.fab("status", status=None, hosts_toml=hosts_toml).returncode == 0, 40)


def releases(cluster: Cluster) -> dict[str, str]:
    return {host: cluster.on(host, f"readlink {CURRENT}").strip() for host in ("node1", "node2", "node3")}


def test_one_half_of_a_role_runs_while_the_other_restarts(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        lines = cluster.fab("restart", "processor").stderr.splitlines()
        tried = next(number for number, line in enumerate(lines) if line == "node2 | trying its programs")
        ended = next(number for number, line in enumerate(lines) if line.startswith("node3 | stop processor"))
        assert tried < ended, lines
        after = cluster.pids()
        assert {name for name in before if before[name] != after[name]} == {
            name for name in before if "/processor" in name
        }


def test_a_release_whose_programs_do_not_come_up_goes_back_by_itself(cluster: Cluster) -> None:
    """No processor finds its class: node2 goes back, and with it node1; node3 has never had the new release."""
    changed = cluster.variant("broken.toml", (r"^#processor-cls = .*$", 'processor-cls = "pyspider.processor.Typo"'))
    with healthy_again(cluster):
        before, pids = releases(cluster), cluster.pids()
        failed = json.loads(cluster.fab("deploy", "--json", status=1, hosts_toml=changed).stdout)["hosts"]
        assert failed["node2"]["status"] == "failed"
        assert f"release {before['node2'].removeprefix('releases/')} runs there again" in failed["node2"]["cause"]
        assert "has no attribute 'Typo'" in failed["node2"]["output"]
        assert failed["node3"]["status"] == "not reached"
        assert releases(cluster) == before
        now = cluster.pids()
        assert {name for name in pids if now[name] != pids[name]} == {"node2/processor1", "node2/processor2"}
        well(cluster)
        # The way back from a later one leads to what ran, not to what has failed.
        later = cluster.variant("later.toml", (r"^process-time-limit = .*$", "process-time-limit = 28"))
        cluster.fab("deploy", hosts_toml=later)
        cluster.fab("rollback")
        assert releases(cluster) == before
        well(cluster)


def test_the_scheduler_moves_is_fenced_where_its_host_is_lost_and_comes_back(cluster: Cluster) -> None:
    moved = cluster.variant("moved.toml")
    with healthy_again(cluster):
        shown = cluster.fab("move-scheduler", "--to", "node3", "--dry-run", hosts_toml=moved)
        assert "phantomjs = 1, scheduler = 1 }" in shown.stdout
        cluster.fab("move-scheduler", "--to", "node3", hosts_toml=moved)
        well(cluster, hosts_toml=moved)
        assert not cluster.on("node1", "pgrep -f '[r]un.py scheduler' || true")
        refused = cluster.fab("-H", "node1,node3", "rollback", status=1, hosts_toml=moved).stdout
        assert refused.count("the scheduler was not on node3 as now; choose a later one") == 2
        assert "nothing changed" in cluster.fab("deploy", hosts_toml=moved).stdout
        again = cluster.fab("move-scheduler", "--to", "node3", status=2, hosts_toml=moved).stderr
        assert "has the scheduler on node3 already" in again
        cluster.sandbox.kill("node3")
        try:
            refused = cluster.fab("move-scheduler", "--to", "node2", status=3, hosts_toml=moved).stderr
            assert "fab move-scheduler --to node2 --old-host-is-gone node3" in refused
            words = ("move-scheduler", "--to", "node2", "--old-host-is-gone", "node3")
            cluster.fab(*words, hosts_toml=moved)
        finally:
            cluster.sandbox.start("node3")
        log = "/home/work/supervisor/scheduler.log"
        until(lambda: "the scheduler's place is node2, not node3" in cluster.on("node3", f"tail -n 50 {log}"), 60)
        cluster.fab("deploy", hosts_toml=moved)
        cluster.fab("move-scheduler", "--to", "node1", hosts_toml=moved)
        well(cluster, hosts_toml=moved)
        assert tomllib.loads(moved.read_text()) == tomllib.loads(cluster.hosts_toml.read_text())


def test_a_host_leaves_and_comes_back(cluster: Cluster) -> None:
    left = cluster.variant("left.toml")
    whole = left.read_text()
    foreign = "/home/work/notes /opt/somebody"
    with healthy_again(cluster):
        cluster.on("node3", f"touch {foreign}")
        refused = cluster.fab("-H", "node1", "decommission", "--yes", status=2, hosts_toml=left).stderr
        assert "node1 has the scheduler; move it first" in refused
        assert "say --yes" in cluster.fab("-H", "node3", "decommission", status=2, hosts_toml=left).stderr
        cluster.fab("-H", "node3", "decommission", "--yes", hosts_toml=left)
        assert "node3" not in left.read_text()
        rest = cluster.on("node3", "ls -d /opt/pyspider /etc/supervisord.conf /home/work/* 2>&-; pgrep -u work; true")
        assert rest.split() == ["/home/work/notes"]
        assert cluster.on("node3", f"ls {foreign}").split() == foreign.split()
        well(cluster, hosts_toml=left)
        rules = cluster.on("node1", "nft list ruleset 2>/dev/null || iptables-save")
        assert cluster.sandbox.address("node3") not in rules
        left.write_text(whole)
        cluster.fab("-H", "node3", "bootstrap", hosts_toml=left)
        cluster.fab("deploy", hosts_toml=left)
        well(cluster, hosts_toml=left)
        cluster.on("node3", f"rm {foreign}")
