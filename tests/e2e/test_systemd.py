"""Where systemd runs, everything starts and stops through it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from fabfile.errors import Problem

from ..waiting import until
from .conftest import Cluster
from .faults import Fault, found, healthy_again, named_alone_and_mended, silent

pytestmark = pytest.mark.e2e

UNIT = "pyspider-demo.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
SCRIPT = "/opt/pyspider/boot/pyspider-demo"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
BIN = "/opt/pyspider/current/bin"
HOST = "node2"
LOG = "/home/work/supervisor/supervisord.log"
BY_HAND = f"systemctl stop {UNIT}; su -s /bin/sh work -c 'cd; exec {BIN}/supervisord -c /etc/supervisord.conf'"
MOVED = f"move supervisord into {UNIT}"


@pytest.fixture
def cluster(cluster: Cluster) -> Iterator[Cluster]:
    """Up before each test, and healthy after one that failed."""
    cluster.sandbox.up(3)
    with healthy_again(cluster):
        yield cluster


def well(cluster: Cluster) -> bool:
    return cluster.fab("status", status=None).returncode == 0


def main(cluster: Cluster, host: str = HOST) -> int:
    """The pid of the unit's main process; 0 without one."""
    return int(cluster.on(host, f"systemctl show --property MainPID --value {UNIT}"))


def work(cluster: Cluster, host: str = HOST) -> dict[int, str]:
    """The processes of the cluster: pid and cgroup."""
    each = 'pgrep -u work -f "bin/supervisord|run.py|phantomjs"'
    script = f'for p in $({each}); do echo "$p $(grep ^0:: /proc/$p/cgroup)"; done'
    lines = (line.split(" 0::") for line in cluster.on(host, script).splitlines() if " 0::" in line)
    return {int(pid): cgroup for pid, cgroup in lines}


def supervisords(cluster: Cluster, host: str = HOST) -> list[int]:
    return [int(pid) for pid in cluster.on(host, "pgrep -u work -f bin/supervisord || :").split()]


def in_its_unit(cluster: Cluster, host: str = HOST) -> None:
    """One supervisord, which is systemd's, and nothing of the cluster beside it."""
    assert supervisords(cluster, host) == [main(cluster, host)]
    assert set(work(cluster, host).values()) == {f"/system.slice/{UNIT}"}


def ssh(cluster: Cluster, words: str, user: str = "") -> None:
    """A login over SSH that runs one script."""
    argv = ["ssh", "-o", "BatchMode=yes", "-F", str(cluster.sandbox.ssh_config), f"{user}{HOST}", words]
    subprocess.run(argv, check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


def test_after_deploy_supervisord_is_the_main_process_of_its_unit(cluster: Cluster) -> None:
    for host in cluster.sandbox.names():
        in_its_unit(cluster, host)
    assert "nothing changed" in cluster.fab("deploy").stdout
    silent(cluster)


def test_the_unit_is_clean_and_hardened(cluster: Cluster) -> None:
    assert cluster.on(HOST, f"systemd-analyze verify {UNIT_FILE} 2>&1") == ""
    assert (
        cluster.sandbox.exec(HOST, "systemd-analyze", "security", "--threshold=25", UNIT, check=False).returncode == 0
    )
    # What the machine below refuses, systemd cuts to what it allows.
    assert cluster.on(HOST, f"systemctl show --property LimitNOFILE --value {UNIT}") == "65536\n"


def lines_logged(cluster: Cluster) -> int:
    return int(cluster.on(HOST, f"wc -l <{LOG}"))


def stopped(cluster: Cluster, since: int) -> list[str]:
    """What supervisord has told since then of programs that heeded their own signal."""
    said = cluster.on(HOST, f"tail -n +{since + 1} {LOG}").splitlines()
    return [line for line in said if "stopped: " in line and "exit status 0" in line]


def test_stop_drains_and_leaves_nothing(cluster: Cluster) -> None:
    before = lines_logged(cluster)
    cluster.on(HOST, f"timeout 60 systemctl stop {UNIT}")
    assert work(cluster) == {}
    assert len(stopped(cluster, before)) == 4
    assert cluster.on(HOST, f"systemctl is-active {UNIT} || :") == "inactive\n"
    cluster.on(HOST, f"systemctl start {UNIT}")
    until(lambda: well(cluster), 60)
    in_its_unit(cluster)
    assert "nothing changed" in cluster.fab("deploy").stdout


def test_restart_leaves_everything_running(cluster: Cluster) -> None:
    before = cluster.pids()
    cluster.on(HOST, f"timeout 60 systemctl restart {UNIT}")
    until(lambda: well(cluster), 60)
    after = cluster.pids()
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name]} == {name for name in before if HOST in name}
    in_its_unit(cluster)


def booted(cluster: Cluster, host: str) -> str:
    return cluster.on(host, "systemctl show --property UserspaceTimestampMonotonic")


@pytest.mark.platform("Debian 12", "boot: systemd")
def test_a_host_that_was_rebooted_comes_back_with_its_stores_and_programs(cluster: Cluster) -> None:
    before = booted(cluster, "node1")
    cluster.on("node1", "systemctl reboot")

    def again() -> bool:
        try:
            return booted(cluster, "node1") != before
        except Problem:
            return False

    until(again, 60)
    until(lambda: well(cluster), 90)
    in_its_unit(cluster, "node1")
    assert "nothing changed" in cluster.fab("deploy").stdout
    silent(cluster)


def test_a_host_that_was_switched_off_in_good_order_comes_back_with_its_programs(cluster: Cluster) -> None:
    before = lines_logged(cluster)
    cluster.on(HOST, "systemctl poweroff")
    until(lambda: cluster.sandbox.status()[1].power == "off", 60)
    assert not well(cluster)
    cluster.sandbox.start(HOST)
    until(lambda: well(cluster), 60)
    # Every program was stopped by its own signal, none was killed with the rest.
    assert len(stopped(cluster, before)) == 4
    assert "nothing changed" in cluster.fab("deploy").stdout
    silent(cluster)


def test_a_supervisord_that_was_killed_is_back_within_seconds_and_nothing_of_the_old_one_is(cluster: Cluster) -> None:
    cluster.fab("-H", HOST, "stop", "processor1")
    for _ in range(2):
        before = work(cluster)
        cluster.on(HOST, f"kill -9 {main(cluster)}")
        until(lambda: well(cluster), 20)
        in_its_unit(cluster)
        assert not before.keys() & work(cluster).keys()
    assert cluster.status()["stopped_on_purpose"] == [f"{HOST}/processor1"]
    cluster.fab("-H", HOST, "start", "processor1")
    assert "nothing changed" in cluster.fab("deploy").stdout


def test_reload_keeps_supervisord_in_its_unit(cluster: Cluster) -> None:
    cluster.fab("-H", HOST, "reload")
    until(lambda: well(cluster), 30)
    in_its_unit(cluster)


def test_a_logout_ends_nothing_where_logind_kills_the_users_processes(cluster: Cluster) -> None:
    """It spares root's, whatever it is told: so the login is a user with sudo."""
    conf = "/etc/systemd/logind.conf.d/kill.conf"
    cluster.on(HOST, f"mkdir -p {conf[:-10]}; printf '[Login]\\nKillUserProcesses=yes\\n' >{conf}")
    cluster.on(HOST, f"systemctl restart systemd-logind; systemctl stop {UNIT}")
    try:
        ssh(cluster, "setsid sleep 34567 >/dev/null 2>&1 &", "admin@")
        toml = cluster.variant("admin.toml", ("^user = .*", 'user = "admin"'))
        assert f"start supervisord ({UNIT})" in cluster.fab("deploy", hosts_toml=toml).stdout
        # Nothing of a login is left, what was to outlive it neither: so this logind does what is said of it.
        sessions = "/sys/fs/cgroup/user.slice/user-*.slice/session-*.scope/cgroup.procs"
        until(lambda: cluster.on(HOST, f"cat {sessions} 2>/dev/null || :") == "", 30)
        assert cluster.on(HOST, "pgrep -x sleep || :") == ""
        in_its_unit(cluster)
        assert well(cluster)
    finally:
        cluster.on(HOST, f"rm {conf}; systemctl restart systemd-logind")


OLD_SCRIPT = f"""\
#!/bin/sh
case "$1" in
  start)
    PYSPIDER_SUPERVISORD=$(sha256sum /etc/supervisord.conf | cut -c1-12)
    export PYSPIDER_SUPERVISORD
    exec su -s /bin/sh work -c 'cd /home/work/distri_pyspider && exec {BIN}/supervisord -c /etc/supervisord.conf'
    ;;
  stop) exec su -s /bin/sh work -c '{BIN}/supervisorctl -c /etc/supervisord.conf shutdown' ;;
esac
"""
OLD_UNIT = f"""\
# Made by fab deploy, which puts it back when it is changed here.
[Unit]
Description=supervisord -c /etc/supervisord.conf of the pyspider cluster demo
Wants=network-online.target
After=network-online.target mariadb.service mysql.service mysqld.service redis.service redis-server.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT} start
ExecStop={SCRIPT} stop
TimeoutStopSec=90

[Install]
WantedBy=multi-user.target
"""


@pytest.mark.parametrize("started", ["by the old unit", "by a login"])
def test_a_cluster_of_an_older_version_is_moved_into_the_unit(cluster: Cluster, started: str) -> None:
    """Then deploy started supervisord by `su` out of its own login, and the unit did so at boot."""
    cluster.on(HOST, f"systemctl stop {UNIT}")
    for path, text in ((SCRIPT, OLD_SCRIPT), (UNIT_FILE, OLD_UNIT)):
        cluster.sandbox.exec(HOST, "sh", "-c", f"cat >{path}", input=text.encode())
    cluster.on(HOST, "systemctl daemon-reload")
    if started == "by a login":
        ssh(cluster, f"{SCRIPT} start")
    else:
        cluster.on(HOST, f"systemctl start {UNIT}")
    until(lambda: well(cluster), 30)
    (daemon,) = supervisords(cluster)
    assert main(cluster) == 0
    seen = found(cluster)
    assert {one["id"] for one in seen} == {"supervisord-outside", "unit-changed"}
    assert {one["fix"] for one in seen} == {f"fab -H {HOST} deploy"}

    some = cluster.fab("deploy", "--role", "processor")
    assert MOVED not in some.stdout
    assert supervisords(cluster) == [daemon]

    assert MOVED in cluster.fab("-H", HOST, "deploy").stdout
    assert well(cluster)
    in_its_unit(cluster)
    assert "nothing changed" in cluster.fab("deploy").stdout
    silent(cluster)


def test_the_step_brings_the_unit_that_it_starts_supervisord_by(cluster: Cluster) -> None:
    cluster.on(HOST, f"systemctl disable --now {UNIT}; rm {UNIT_FILE} {SCRIPT}; systemctl daemon-reload")
    told = cluster.fab("-H", HOST, "step.supervisord").stdout
    assert "start supervisord at boot (systemd)" in told
    assert f"start supervisord ({UNIT})" in told
    until(lambda: well(cluster), 30)
    in_its_unit(cluster)
    assert "nothing changed" in cluster.fab("deploy").stdout


def test_a_changed_supervisord_conf_restarts_the_unit(cluster: Cluster) -> None:
    toml = cluster.variant("pidfile.toml", ("^#pidfile = .*", 'pidfile = "/home/work/supervisor/other.pid"'))
    for path in (toml, cluster.hosts_toml):
        told = cluster.fab("-H", HOST, "deploy", hosts_toml=path).stdout
        assert f"restart supervisord ({UNIT}): its own configuration changed" in told
        in_its_unit(cluster)
        assert well(cluster)


def test_a_unit_that_does_not_start_is_told_with_what_it_said(cluster: Cluster) -> None:
    cluster.on(HOST, f"mkdir -p {DROP_IN}; systemctl stop {UNIT}")
    refuse = "[Service]\nExecStartPre=/bin/sh -c 'echo there is no room; exit 1'\n"
    cluster.sandbox.exec(HOST, "sh", "-c", f"cat >{DROP_IN}/refuse.conf", input=refuse.encode())
    cluster.on(HOST, "systemctl daemon-reload")
    try:
        failed = cluster.fab("-H", HOST, "deploy", status=1)
        assert "there is no room" in failed.stdout + failed.stderr
    finally:
        cluster.on(HOST, f"rm -r {DROP_IN}; systemctl daemon-reload")
    cluster.fab("-H", HOST, "deploy")
    in_its_unit(cluster)
    until(lambda: well(cluster), 30)


def test_somebody_elses_unit_of_that_name_is_kept_beside(cluster: Cluster) -> None:
    theirs = "[Service]\nExecStart=/bin/true\n"
    cluster.sandbox.exec(HOST, "sh", "-c", f"cat >{UNIT_FILE}", input=theirs.encode())
    told = cluster.fab("-H", HOST, "step.boot").stdout
    kept = cluster.on(HOST, f"ls {UNIT_FILE}.before-pyspider-fabfile-*").strip()
    assert kept in told
    assert cluster.on(HOST, f"cat {kept}; rm {kept}") == theirs
    assert "nothing changed" in cluster.fab("deploy").stdout
    silent(cluster)


FAULTS = [
    Fault("no-boot-unit", HOST, f"systemctl disable {UNIT}", note="disabled"),
    Fault("no-boot-unit", HOST, f"rm {UNIT_FILE}; systemctl mask {UNIT}", note="masked"),
    Fault("unit-changed", HOST, f"sed -i s/=mixed/=process/ {UNIT_FILE}; systemctl daemon-reload", note="by hand"),
    Fault("unit-changed", HOST, f"echo '# changed' >>{SCRIPT}", note="its script"),
    Fault("unit-changed", HOST, f"mkdir -p {DROP_IN}; echo '[Service]' >{DROP_IN}/own.conf", note="unread"),
    Fault("supervisord-outside", HOST, BY_HAND, evidence="the main process of pyspider-demo.service is nothing"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_doctor_finds_and_mends(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)
    until(lambda: well(cluster), 30)
    in_its_unit(cluster)
    # What an administrator adds beside the unit stays.
    assert fault.note != "unread" or cluster.on(HOST, f"cat {DROP_IN}/own.conf; rm -r {DROP_IN}") == "[Service]\n"
    cluster.on(HOST, "systemctl daemon-reload")


@pytest.mark.parametrize("way", ["deploy", "doctor --fix", "by hand"])
def test_every_way_to_start_a_stopped_supervisord_is_the_units(cluster: Cluster, way: str) -> None:
    cluster.on(HOST, f"systemctl stop {UNIT}")
    if way == "by hand":
        cluster.on(HOST, f"{SCRIPT} start")
    else:
        cluster.fab("-H", HOST, *way.split(), status=None)
    until(lambda: well(cluster), 30)
    in_its_unit(cluster)
