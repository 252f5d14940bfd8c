"""What somebody else made on a host stays as it is: other supervisords, their programs and files, stores in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fabfile.steps.files import kept_suffix

from .conftest import Cluster
from .faults import BIN, SHELL, as_printed, found, healthy_again, the_one_before_runs_again

pytestmark = pytest.mark.e2e

CONF = "/etc/supervisord.conf"
# The layout of a distribution's package, started by root.
EPEL = f"""
p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'
mv {CONF} /tmp/kept.conf; mkdir -p /etc/supervisord.d /var/log/supervisor /run/supervisor
cat >{CONF} <<'EOF'
[unix_http_server]
file=/run/supervisor/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisord]
logfile=/var/log/supervisor/supervisord.log
pidfile=/run/supervisord.pid
[supervisorctl]
serverurl=unix:///run/supervisor/supervisor.sock
[include]
files = supervisord.d/*.ini
EOF
cat >/etc/supervisord.d/shop.ini <<'EOF'
[program:shop]
command=/bin/sleep 987654
user=nobody
EOF
{BIN}/supervisord -c {CONF}
settled 'pgrep -f "^/bin/sleep 987654"'
"""
SHOP = 'pgrep -f "^/bin/sleep 987654" || true'
UNDONE = f"""
p=$(cat /run/supervisord.pid); kill $p; settled '[ ! -d /proc/$p ]'
rm -rf /etc/supervisord.d /var/log/supervisor /run/supervisor {CONF}*; mv /tmp/kept.conf {CONF}
"""


@contextmanager
def foreign(cluster: Cluster, set_up: str, undo: str) -> Iterator[None]:
    with healthy_again(cluster):
        cluster.on("node2", SHELL + set_up)
        try:
            yield
        finally:
            cluster.on("node2", SHELL + undo)
    cluster.fab("deploy")


def test_a_supervisord_of_somebody_else_goes_on_with_its_programs_and_files(cluster: Cluster) -> None:
    with foreign(cluster, EPEL, UNDONE):
        pid, files = cluster.on("node2", SHOP), cluster.on("node2", f"ls -l --full-time {CONF}; cat {CONF}")
        assert pid
        for words in (
            ("deploy",),
            ("deploy", "--dry-run"),
            ("deploy", "--reload"),
            ("deploy", "--role", "processor"),
            ("reload",),
            ("step.supervisord-conf",),
            ("step.boot",),
            ("step.sockets",),
            ("step.leftovers",),
            ("step.supervisord",),
            ("step.programs",),
        ):
            refused = cluster.fab("-H", "node2", *words, status=1).stdout
            assert f"nothing was changed here: {CONF} is somebody else's (supervisord, pid " in refused, words
            assert "of root, runs shop);" in refused and "[cluster] supervisord_conf" in refused
        told = [one for one in found(cluster, "--fix") if one["host"] == "node2"]
        assert [(one["id"], one["fixable"]) for one in told] == [("foreign-conf", False)]
        assert cluster.on("node2", SHOP) == pid
        assert cluster.on("node2", f"ls -l --full-time {CONF}; cat {CONF}") == files


def test_beside_it_the_cluster_lives_with_a_file_of_its_own(cluster: Cluster) -> None:
    own = cluster.variant("own.toml", (r"^#supervisord_conf = .*$", 'supervisord_conf = "/etc/pyspider-demo.conf"'))
    with foreign(
        cluster, EPEL, UNDONE + "p=$(daemon); kill $p; settled '[ ! -d /proc/$p ]'; rm /etc/pyspider-demo.conf"
    ):
        pid = cluster.on("node2", SHOP)
        as_printed(cluster, [one for one in found(cluster) if one["id"] == "foreign-conf"], own)
        assert "foreign-conf" not in [one["id"] for one in found(cluster, hosts_toml=own)]
        assert "nothing changed" in cluster.fab("-H", "node2", "deploy", hosts_toml=own).stdout
        assert cluster.on("node2", SHOP) == pid


WITHOUT_OPTION = f"""
mkdir /srv/shop; cd /srv/shop
cat >supervisord.conf <<'EOF'
[unix_http_server]
file=/srv/shop/s.sock
[supervisord]
logfile=/srv/shop/s.log
pidfile=/srv/shop/s.pid
[program:shop]
command=/bin/sleep 987654
EOF
{BIN}/supervisord 2>/dev/null
settled 'pgrep -f "^/bin/sleep 987654"'
cd /srv; touch supervisord; setsid tail -f supervisord </dev/null >/dev/null 2>&1 &
"""


def test_a_supervisord_without_the_option_and_who_only_reads_of_one_go_on(cluster: Cluster) -> None:
    running = SHOP + '; pgrep -f "^tail -f supervisord"'
    undo = "kill $(cat /srv/shop/s.pid); pkill -f '^tail -f supervisord'; rm -rf /srv/shop /srv/supervisord"
    with foreign(cluster, WITHOUT_OPTION, undo):
        pids = cluster.on("node2", running).split()
        assert len(pids) == 2
        assert "nothing changed" in cluster.fab("-H", "node2", "deploy").stdout
        found(cluster, "--fix")
        assert cluster.on("node2", running).split() == pids


def test_pages_scripts_do_not_run_as_root_where_root_starts_supervisord(cluster: Cluster) -> None:
    by_root = f"p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'; {BIN}/supervisord -c {CONF}"
    with foreign(cluster, by_root, "true"):
        users = "settled 'pgrep -f [r]un.py >/dev/null'; ps -o user= -p $(pgrep -d, -f [r]un.py) | sort -u"
        assert cluster.on("node2", SHELL + users).split() == ["work"]


def test_a_configuration_without_programs_is_kept_beside(cluster: Cluster) -> None:
    empty = f"p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'; printf '[supervisord]\\n' >{CONF}"
    kept = CONF + kept_suffix()
    with foreign(cluster, empty, f"rm -f {kept}"):
        told = f"write {CONF} (somebody else's is kept as {kept})"
        assert told in cluster.fab("-H", "node2", "deploy", "--dry-run").stdout
        assert told in cluster.fab("-H", "node2", "deploy").stdout
        assert cluster.on("node2", f"cat {kept}") == "[supervisord]\n"


def test_a_socket_on_which_somebody_elses_supervisord_answers_is_refused(cluster: Cluster) -> None:
    shared = cluster.variant(
        "shared.toml",
        (r"^#supervisord_conf = .*$", 'supervisord_conf = "/etc/pyspider-demo.conf"'),
        (r"^#socket = .*$", 'socket = "/run/supervisor/supervisor.sock"'),
    )
    with foreign(cluster, EPEL, UNDONE):
        pid = cluster.on("node2", SHOP)
        refused = cluster.fab("-H", "node2", "deploy", status=1, hosts_toml=shared).stdout
        assert "on /run/supervisor/supervisor.sock answers a supervisord that this project did not start" in refused
        assert cluster.on("node2", SHOP) == pid
        assert cluster.on("node2", "ls /etc/pyspider-demo.conf 2>&1 || true").endswith("No such file or directory\n")


def test_a_supervisord_that_cannot_come_up_without_systemd_gives_way_to_the_one_before(cluster: Cluster) -> None:
    the_one_before_runs_again(cluster)
