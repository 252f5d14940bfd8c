"""Every fault that doctor names, caused for real: named with its id and no other, mended, and then silence."""

from __future__ import annotations

import json
import re
import shlex
import socket
from contextlib import closing

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import BIN, CURRENT, LIB, LOGS, SHELL, Fault, found, healthy_again, named_alone_and_mended, silent

pytestmark = pytest.mark.e2e

RELOADED = """p=$(pid processor1); $CTL reload
settled '[ "$(pid processor1)" != "$p" ] && [ $($CTL status | grep -c RUNNING) = $($CTL status | wc -l) ]'"""
BUSY = """sql "SET @now = (SELECT variable_value FROM information_schema.global_status
  WHERE variable_name = 'Threads_connected'); SET @few = @now + 12; SET GLOBAL max_connections = @few"
config 'import mysql.connector, os
from urlparse import urlparse
url, held = urlparse(c["taskdb"]), []
try:
    while True:
        held.append(mysql.connector.connect(host=url.hostname, user=url.username, password=url.password))
except mysql.connector.Error:
    holder = os.fork()
    if holder:
        open("/tmp/holder", "w").write(str(holder))
        os._exit(0)
    import time
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open("/dev/null", os.O_RDWR), number)
    time.sleep(300)
    os._exit(0)'"""


FAULTS = [
    Fault("socket-stale", "node2", "unwatched; p=$(daemon); kill -9 $p $(pgrep -P $p); settled '! pgrep -f [r]un.py'"),
    Fault("orphans", "node3", "unwatched; p=$(daemon); kill -9 $p; settled '[ ! -d /proc/$p ]'"),
    Fault("socket-missing", "node2", "p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'", note="stopped"),
    Fault("socket-missing", "node2", f"rm {LOGS}/supervisor.sock", note="deleted"),
    Fault("socket-denied", "node2", f"chown root:root {LOGS}/supervisor.sock"),
    Fault("conf-sections", "node2", r"sed -i '/^\[supervisorctl\]/,/^$/d' /etc/supervisord.conf"),
    Fault(
        "two-supervisords",
        "node2",
        f"""cat >/tmp/second.conf <<EOF
[unix_http_server]
file=/tmp/second.sock
[supervisord]
logfile=/tmp/second.log
pidfile=/tmp/second.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///tmp/second.sock
[program:processor9]
command={BIN}/python {CURRENT}/run.py -c {CURRENT}/config.json processor
directory=/home/work/distri_pyspider
stdout_logfile=/tmp/processor9.log
EOF
su work -c '{BIN}/supervisord -c /tmp/second.conf'; settled 'pgrep -P $(cat /tmp/second.pid)'""",
        "kill $(cat /tmp/second.pid); settled '[ ! -e /tmp/second.pid ]'; rm /tmp/second.*",
    ),
    Fault("watcher-gone", "node3", "unwatched"),
    Fault("no-boot-unit", "node2", "update-rc.d -f pyspider-demo remove; rm /etc/init.d/pyspider-demo"),
    Fault("supervisord-hung", "node2", "kill -STOP $(daemon)", "kill -CONT $(daemon)"),
    Fault(
        "two-schedulers",
        "node2",
        f"""setsid su work -c '{BIN}/python {CURRENT}/run.py -c {CURRENT}/config.json scheduler --xmlrpc-port 23399
        :' >/dev/null 2>&1 </dev/null & settled 'pgrep -f [2]3399'""",
        "pkill -f '[2]3399'; settled '! pgrep -f [2]3399'",
    ),
    Fault("stopped", "node3", "$CTL stop processor1"),
    Fault("halted", "node1", "kill -STOP $(pid webui1)", "kill -CONT $(pid webui1)"),
    Fault(
        "port-closed",
        "node1",
        f"""sed -i 's/--port 5000/--port 5999/' {CURRENT}/programs.conf; $CTL update
        settled '$CTL status webui1 | grep -q RUNNING'; sleep 11""",
    ),
    Fault(
        "port-in-use",
        "node1",
        f"""$CTL stop webui1
        setsid {BIN}/python -c 'import socket, time
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("0.0.0.0", 5000)); s.listen(1)
time.sleep(600)' >/dev/null 2>&1 </dev/null &
        echo $! >/tmp/holder; settled 'grep -q :1388 /proc/net/tcp'
        $CTL start webui1; settled '$CTL status webui1 | grep -q BACKOFF'""",
        "kill $(cat /tmp/holder); settled '$CTL status webui1 | grep -q RUNNING'",
    ),
    Fault(
        "backoff",
        "node3",
        f"""mv {LIB}/site-packages/pyspider/processor /tmp/gone; kill $(pid processor1)
        settled '$CTL status processor1 | grep -q BACKOFF'""",
        f"mv /tmp/gone {LIB}/site-packages/pyspider/processor; settled '$CTL status processor1 | grep -q RUNNING'",
    ),
    Fault(
        "backoff",
        "node3",
        """config 'c["result_worker"] = {"result-cls": "shop.Results"}'; kill $(pid result_worker1)
        settled '$CTL status result_worker1 | grep -q BACKOFF'""",
        "config 'del c[\"result_worker\"]'; settled '$CTL status result_worker1 | grep -q RUNNING'",
        note="own-module",
        evidence="No module named shop",
    ),
    Fault("log-missing", "node3", f"rm {LOGS}/processor1.log"),
    Fault(
        "conf-refused",
        "node2",
        """$CTL shutdown; settled '! $CTL pid'; sed -i 's/^childlogdir=.*/&%/' /etc/supervisord.conf""",
        evidence="supervisord does not take /etc/supervisord.conf: Error: ",
    ),
    Fault("config-unreadable", "node2", f"echo oops >>{CURRENT}/config.json"),
    Fault("island", "node3", "config 'del c[\"message-queue\"]'", note="queue"),
    Fault(
        "island",
        "node3",
        """config 'c["resultdb"] = "sqlite+resultdb:////tmp/result.db"'; kill $(pid result_worker1)
        settled '$CTL status result_worker1 | grep -q RUNNING'""",
        note="sqlite",
    ),
    Fault("config-unknown-key", "node2", 'config \'c["fetcher"]["pool-size"] = 10\''),
    Fault("config-redis-db", "node2", 'config \'c["message-queue"] = c["message-queue"][:-1] + "db"\''),
    Fault("config-password", "node2", 'config \'c["taskdb"] = c["taskdb"].replace("@", "%40@")\''),
    Fault("mysql-denied", "node2", 'config \'c["taskdb"] = c["taskdb"].replace("@", "x@")\'', note="config"),
    Fault(
        "mysql-denied",
        "node1",
        "sql \"SET PASSWORD FOR pyspider@'%' = PASSWORD('another')\"",
        note="server",
    ),
    Fault("mysql-refused", "node1", "service mariadb stop"),
    Fault(
        "mysql-max-connections",
        "node1",
        BUSY,
        "kill $(cat /tmp/holder); settled \"sql 'SET GLOBAL max_connections = 500'\"",
    ),
    Fault("mysql-packet", "node1", "sql 'SET GLOBAL max_allowed_packet = 65536'"),
    Fault("redis-refused", "node1", "service redis-server stop"),
    Fault("redis-noauth", "node1", "redis 'CONFIG SET requirepass another'"),
    Fault(
        "put-aside",
        "node1",
        "redis 'RPUSH processor2result:failed \"1406 (22001): Data too long\"'",
        "redis 'DEL processor2result:failed'",
        evidence="processor2result:failed in Redis holds 1, the last with: 1406 (22001): Data too long",
    ),
    Fault("redis-evicting", "node1", "redis 'CONFIG SET maxmemory-policy allkeys-lru'"),
    Fault("rpc-wrong", "node1", 'config \'c["webui"]["scheduler-rpc"] = c["webui"]["fetcher-rpc"]\''),
    Fault("phantomjs-501", "node2", "config 'del c[\"phantomjs-proxy\"]'"),
    Fault("root-owned", "node2", f"touch {LOGS}/made-by-root; chown root: {LOGS}/processor1.log"),
    Fault("no-ssl", "node2", f"mv {LIB}/lib-dynload/_ssl.so /tmp", f"mv /tmp/_ssl.so {LIB}/lib-dynload"),
    Fault("no-hashlib", "node2", f"mv {LIB}/lib-dynload/_hashlib.so /tmp", f"mv /tmp/_hashlib.so {LIB}/lib-dynload"),
    Fault("pycurl-ssl", "node2", f"mv {LIB}/site-packages/pycurl.so /tmp", f"mv /tmp/pycurl.so {LIB}/site-packages"),
    Fault(
        "no-pyspider",
        "node2",
        f"mv {LIB}/site-packages/pyspider /tmp/gone",
        f"mv /tmp/gone {LIB}/site-packages/pyspider",
    ),
    Fault("bare", "node2", f"mv {BIN}/python2.7 /tmp", f"mv /tmp/python2.7 {BIN}"),
    Fault(
        "interpreter",
        "node2",
        f"""cp -p {CURRENT}/programs.conf /tmp
        sed -i '0,/command=[^ ]*/s::command=/opt/python2.6/bin/python:' {CURRENT}/programs.conf""",
        f"cp -p /tmp/programs.conf {CURRENT}",
    ),
    Fault(
        "pins",
        "node2",
        f"mv {LIB}/site-packages/click-6.7.dist-info {LIB}/site-packages/click-7.0.dist-info",
        f"mv {LIB}/site-packages/click-7.0.dist-info {LIB}/site-packages/click-6.7.dist-info",
    ),
    Fault(
        "disk-full",
        "node2",
        "mount -t tmpfs -o size=1m tmpfs /var/tmp; head -c 2m /dev/zero >/var/tmp/full || true",
        "umount /var/tmp",
    ),
    Fault(
        "inodes",
        "node2",
        "mount -t tmpfs -o size=9m,nr_inodes=50 tmpfs /var/tmp; touch $(seq -f /var/tmp/%g 60) 2>/dev/null || true",
        "umount /var/tmp",
    ),
    Fault("log-size", "node3", f"truncate -s 1500M {LOGS}/phantomjs1.log", f"truncate -s 0 {LOGS}/phantomjs1.log"),
    Fault(
        "nofile",
        "node2",
        'su work -c "prlimit --pid $(pid fetcher1) --nofile=512:"',
        'su work -c "prlimit --pid $(pid fetcher1) --nofile=4096:"',
    ),
    Fault("exposed", "node2", f"chmod 644 {CURRENT}/config.json", note="config"),
    Fault(
        "exposed",
        "node2",
        r"printf '\n[inet_http_server]\nport=0.0.0.0:9001\n' >>/etc/supervisord.conf",
        note="supervisor",
    ),
    Fault(
        "exposed",
        "node3",
        f"""cp -p /etc/supervisord.conf /tmp/kept.conf
        printf '\\n[inet_http_server]\\nport=0.0.0.0:9001\\n' >>/etc/supervisord.conf
        {RELOADED}; settled 'grep -q :2329 /proc/net/tcp'""",
        f"cp -p /tmp/kept.conf /etc/supervisord.conf; {RELOADED}",
        note="supervisor-live",
    ),
    Fault(
        "exposed",
        "node1",
        """config 'del c["webui"]["need-auth"]'; kill $(pid webui1); sleep 1
        settled '$CTL status webui1 | grep -q RUNNING'""",
        note="webui",
        evidence="asks for no password",
    ),
]


def test_a_healthy_cluster_has_no_finding(cluster: Cluster) -> None:
    assert "nothing found" in cluster.fab("doctor").stdout
    assert found(cluster) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_a_fault_is_named_alone_and_mended(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)


PRINTED = (
    "socket-stale",
    "socket-missing-deleted",
    "orphans",
    "no-boot-unit",
    "supervisord-hung",
    "two-schedulers",
    "stopped",
    "config-unreadable",
    "exposed-config",
    "root-owned",
)


@pytest.mark.parametrize("fault", [one for one in FAULTS if one.label in PRINTED], ids=lambda fault: fault.label)
def test_a_fix_works_as_it_is_printed(cluster: Cluster, fault: Fault) -> None:
    with healthy_again(cluster):
        cluster.on(fault.host, SHELL + fault.cause)
        for one in found(cluster):
            typed(cluster, one["fix"])
        silent(cluster)


def typed(cluster: Cluster, fix: str) -> None:
    """Type a fix as it stands: commands of fab here, those for root on the host that it names."""
    for part in fix.split(", then "):
        if match := re.fullmatch(r"on (\S+) as root[^:]*: (.*)", part):
            cluster.on(match[1], match[2])
        else:
            fab, *words = shlex.split(part)
            assert fab == "fab", fix
            cluster.fab(*words)


def test_programs_wait_while_mysql_is_away_and_go_on_by_themselves(cluster: Cluster) -> None:
    """pyspider's own give up, and are FATAL: see the cluster that was made by hand."""
    with healthy_again(cluster):
        cluster.on("node1", "service mariadb stop")
        try:
            cluster.on("node2", SHELL + "p=$(pid processor1); kill $p; settled '[ $(pid processor1) != $p ]'; sleep 5")
            assert cluster.on("node2", SHELL + "$CTL status processor1").split()[1] == "RUNNING"
            assert {one["id"] for one in found(cluster)} == {"mysql-refused"}
        finally:
            cluster.on("node1", "service mariadb start")
        until(lambda: found(cluster) == [], 30)


def test_another_clusters_program_on_the_same_queues_is_named(cluster: Cluster) -> None:
    password = cluster.on("node1", "sed -n 's/^requirepass //p' /etc/redis/pyspider.conf").strip()
    # Any other one would not get as far as that.
    guest = cluster.variant("guest.toml", (r"^#trusted = .*$", f'trusted = ["{cluster.sandbox.network.address(1)}"]'))
    cluster.fab("-H", "node1", "step.firewall", hosts_toml=guest)
    with closing(socket.create_connection((cluster.sandbox.address("node1"), 6379), 5)) as stranger:
        stranger.sendall(f"AUTH {password}\r\nLLEN status_queue\r\n".encode())
        stranger.recv(100)
        (seen,) = found(cluster, hosts_toml=guest)
        assert (seen["id"], seen["host"]) == ("other-cluster", "node1")
        assert stranger.getsockname()[0] in seen["evidence"]
    cluster.fab("-H", "node1", "step.firewall")
    silent(cluster)


def test_an_unreachable_host_is_a_finding_and_hides_no_other(cluster: Cluster) -> None:
    cluster.sandbox.cut("node3")
    try:
        (seen,) = json.loads(cluster.fab("doctor", "--json", status=3).stdout)["findings"]
        assert (seen["id"], seen["host"]) == ("unreachable", "node3")
    finally:
        cluster.sandbox.heal("node3")
    silent(cluster)
