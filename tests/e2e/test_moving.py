"""A release that fails goes back, the scheduler moves, a host leaves: and the crawl goes on."""

from __future__ import annotations

import json

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import CURRENT, SHELL, healthy_again

pytestmark = pytest.mark.e2e


def well(cluster: Cluster, **more: object) -> None:
    until(lambda: cluster.fab("status", status=None, **more).returncode == 0, 40)


def releases(cluster: Cluster) -> dict[str, str]:
    return {host: cluster.on(host, f"readlink {CURRENT}").strip() for host in ("node1", "node2", "node3")}


def test_one_of_each_role_always_runs_while_a_deploy_restarts_all(cluster: Cluster) -> None:
    changed = cluster.variant("rolled.toml", (r"^process-time-limit = .*$", "process-time-limit = 27"))
    with healthy_again(cluster):
        before = cluster.pids()
        told = cluster.fab("deploy", hosts_toml=changed)
        after = cluster.pids()
        assert {name for name in before if "processor" in name and before[name] != after[name]} == {
            name for name in before if "processor" in name
        }
        lines = told.stderr.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("node2 | trying its programs"))
        second = next(number for number, line in enumerate(lines) if line.startswith("node3 | restart processor"))
        assert first < second, told.stderr
        well(cluster)


def test_a_release_whose_programs_do_not_come_up_goes_back_by_itself(cluster: Cluster) -> None:
    """The processors of node2 end at their start: node2 goes back, node3 has never had the new release."""
    changed = cluster.variant("broken.toml", (r"^process-time-limit = .*$", "process-time-limit = 26"))
    with healthy_again(cluster):
        before, pids = releases(cluster), cluster.pids()
        site = "/opt/pyspider/current/lib/python2.7/site-packages/sitecustomize.py"
        # Only a process of the new release ends.
        cluster.on("node2", f"""cat >{site} <<'END'
import os
if os.environ.get('SUPERVISOR_PROCESS_NAME', '').startswith('processor') and os.path.exists('/tmp/broken'):
    if os.environ.get('PYSPIDER_RELEASE') != open('/tmp/broken').read().strip():
        os.write(2, 'broken on purpose\\n')
        os._exit(1)
END
tr '\\0' '\\n' </proc/{pids["node2/processor1"]}/environ | sed -n 's/^PYSPIDER_RELEASE=//p' >/tmp/broken
chmod 644 /tmp/broken {site}""")  # fmt: skip
        try:
            failed = json.loads(cluster.fab("deploy", "--json", status=1, hosts_toml=changed).stdout)["hosts"]
        finally:
            cluster.on("node2", f"rm -f {site}* /tmp/broken")
        assert failed["node2"]["status"] == "failed"
        assert "runs there again" in failed["node2"]["cause"]
        assert "broken on purpose" in failed["node2"]["output"]
        assert failed["node3"]["status"] == "not reached"
        assert releases(cluster)["node2"] == before["node2"]
        assert releases(cluster)["node3"] == before["node3"]
        assert cluster.pids()["node3/processor1"] == pids["node3/processor1"]
        well(cluster)


def test_the_scheduler_moves_and_comes_back(cluster: Cluster) -> None:
    moved = cluster.variant("moved.toml")
    with healthy_again(cluster):
        shown = cluster.fab("move-scheduler", "--to", "node2", "--dry-run", hosts_toml=moved)
        assert "result_worker = 1, scheduler = 1 }" in shown.stderr
        cluster.fab("move-scheduler", "--to", "node2", hosts_toml=moved)
        well(cluster, hosts_toml=moved)
        assert "scheduler" not in {name.partition("/")[2] for name in cluster.pids() if name.startswith("node1/")}
        assert cluster.on("node1", f"{SHELL}redis 'GET pyspider:home'").strip().endswith("node2")
        assert "nothing changed" in cluster.fab("deploy", hosts_toml=moved).stdout
        again = cluster.fab("move-scheduler", "--to", "node2", status=2, hosts_toml=moved).stderr
        assert "has the scheduler on node2 already" in again
        cluster.fab("move-scheduler", "--to", "node1", hosts_toml=moved)
        well(cluster, hosts_toml=moved)


def test_a_scheduler_that_can_not_be_seen_is_not_moved_and_one_that_is_gone_is_fenced(cluster: Cluster) -> None:
    moved = cluster.variant("fenced.toml")
    with healthy_again(cluster):
        # The stores are on node1: so the scheduler goes elsewhere first.
        cluster.fab("move-scheduler", "--to", "node3", hosts_toml=moved)
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
        well(cluster, hosts_toml=moved)
        cluster.fab("move-scheduler", "--to", "node1", hosts_toml=moved)


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
        rest = cluster.on("node3", "ls -d /opt/pyspider /etc/supervisord.conf /home/work/*; pgrep -u work")
        assert rest.split() == ["/home/work/notes"]
        assert cluster.on("node3", f"ls {foreign}").split() == foreign.split()
        until(lambda: cluster.fab("status", status=None, hosts_toml=left).returncode == 0, 40)
        rules = cluster.on("node1", "nft list ruleset 2>/dev/null || iptables-save")
        assert cluster.sandbox.address("node3") not in rules
        left.write_text(whole)
        cluster.fab("-H", "node3", "bootstrap", hosts_toml=left)
        cluster.fab("deploy", hosts_toml=left)
        well(cluster, hosts_toml=left)
        cluster.on("node3", f"rm {foreign}")
