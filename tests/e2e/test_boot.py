"""A host that was switched off, or whose supervisord was killed, comes back with its programs."""

from __future__ import annotations

import json

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import SHELL, healthy_again, silent

pytestmark = pytest.mark.e2e

SCRIPT = "/opt/pyspider/boot/pyspider-demo"


@pytest.mark.platform("Debian 12", "boot: SysV scripts")
def test_a_host_that_was_switched_off_comes_back_with_its_programs(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.sandbox.kill("node2")
        cluster.sandbox.start("node2")
        until(lambda: cluster.fab("status", status=None).returncode == 0, 60)
        after = cluster.pids()
        assert after.keys() == before.keys()
        assert all(after[name] == pid for name, pid in before.items() if not name.startswith("node2/"))
        # What boots is what deploy would have started: it has nothing left to do.
        assert "nothing changed" in cluster.fab("deploy").stdout
        silent(cluster)


def test_a_host_without_an_init_gets_a_line_for_cron(cluster: Cluster) -> None:
    with healthy_again(cluster):
        cluster.on("node2", "update-rc.d -f pyspider-demo remove; rm /etc/init.d/pyspider-demo")
        cluster.on("node2", "mkdir -p /etc/cron.d; mv /usr/sbin/update-rc.d /tmp")
        try:
            assert "start supervisord at boot (cron)" in cluster.fab("-H", "node2", "step.boot").stdout
            assert "@reboot root" in cluster.on("node2", "cat /etc/cron.d/pyspider-demo")
            cluster.fab("-H", "node2", "step.firewall")
            assert "nothing changed" in cluster.fab("deploy").stdout
            silent(cluster)
            pid = cluster.on("node2", "cat /home/work/supervisor/supervisord.pid").strip()
            cluster.on("node2", f"{SCRIPT} stop; while [ -d /proc/{pid} ]; do sleep 0.2; done; {SCRIPT} start")
            until(lambda: cluster.fab("status", status=None).returncode == 0, 60)
            assert "nothing changed" in cluster.fab("deploy").stdout
        finally:
            cluster.on("node2", f"mv /tmp/update-rc.d /usr/sbin; rm -f /etc/cron.d/pyspider-demo {SCRIPT}")
        cluster.fab("deploy")
        silent(cluster)


WATCHER = "pgrep -f '[p]yspider-demo.zip watch'"


def test_a_supervisord_that_was_killed_is_back_by_itself_as_often_as_it_dies(cluster: Cluster) -> None:
    with healthy_again(cluster):
        for number in (1, 2):
            before = cluster.pids()
            # Half of the watcher dies as well: the other half starts it again.
            cluster.on("node2", f"kill -9 $({WATCHER} | sed -n {number}p); sleep 3; {SHELL}kill -9 $(daemon)")
            until(lambda: cluster.fab("-H", "node2", "status", status=None).returncode == 0, 20)
            after = cluster.pids()
            assert {name for name, pid in before.items() if after[name] != pid} == {
                name for name in before if name.startswith("node2/")
            }
            assert all(cluster.on("node2", f"[ ! -d /proc/{pid} ] || echo {pid}") == "" for pid in ended(before, after))
            assert cluster.on("node2", "ps -eo args= | grep -c '[s]upervisord -c'").strip() == "1"
            assert len(cluster.on("node2", WATCHER).split()) == 2
        assert "nothing changed" in cluster.fab("deploy").stdout
        silent(cluster)


def ended(before: dict[str, int], after: dict[str, int]) -> set[int]:
    return {pid for name, pid in before.items() if after[name] != pid}


def test_a_supervisord_that_was_stopped_on_purpose_stays_so(cluster: Cluster) -> None:
    with healthy_again(cluster):
        cluster.on("node2", f"{SHELL}p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'; sleep 4")
        assert cluster.on("node2", "pgrep -f '[s]upervisord -c' || true") == ""
        cluster.fab("deploy")
        silent(cluster)


def test_after_a_kill_of_supervisord_status_tells_and_deploy_mends(cluster: Cluster) -> None:
    for host in ("node1", "node2"):
        cluster.on(host, f"{SHELL}unwatched; kill -9 $(daemon)")
    view = json.loads(cluster.fab("status", "--json", status=1).stdout)
    assert any("node1: supervisord does not answer" in problem for problem in view["problems"])
    assert any("run without a supervisord" in problem for problem in view["problems"])
    cluster.fab("deploy")
    view = cluster.status()
    assert view["problems"] == []
    for host in ("node1", "node2", "node3"):
        # A process of ours whose parent is 1 and that is no supervisord has been orphaned.
        orphans = cluster.on(host, "ps -eo ppid=,args= | grep -E 'run[.]py|phantomjs' | awk '$1 == 1' || true")
        assert orphans == ""
        running = cluster.on(host, "ps -eo args= | grep -c '[s]upervisord -c' || true")
        assert int(running) == 1
    schedulers = sum(
        int(cluster.on(host, "ps -eo args= | grep -c 'run[.]py.* scheduler' || true"))
        for host in ("node1", "node2", "node3")
    )
    assert schedulers == 1
