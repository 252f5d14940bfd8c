"""The faults of this project's own hosts: scripts that cause them, and the part of a person in mending them."""

from __future__ import annotations

from .faults import BIN, CURRENT, LIB, LOGS, TYPED, Fault

RELOADED = """p=$(pid processor1); $CTL reload
settled '[ "$(pid processor1)" != "$p" ] && [ $($CTL status | grep -c RUNNING) = $($CTL status | wc -l) ]'"""
BUSY = """config 'import mysql.connector, os
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

ADDRESS = "$(hostname -I | cut -d' ' -f1)"
# Its RPC server answers one call after the other, and this one not for long.
SILENT_PAGE = f"""setsid {BIN}/python -c 'import socket, time
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("127.0.0.1", 4999)); s.listen(9)
time.sleep(50)' >/dev/null 2>&1 </dev/null &
settled 'ss -ltn | grep -q :4999'
setsid {BIN}/python -c 'import sys, xmlrpclib
task = {{"taskid": "x", "project": "x", "url": "http://127.0.0.1:4999/", "fetch": {{"timeout": 90}}}}
xmlrpclib.ServerProxy("http://%s:24444/" % sys.argv[1]).fetch(task)' {ADDRESS} >/dev/null 2>&1 </dev/null &
sleep 2"""


def asleep(config: str) -> str:
    """A script of a project that sleeps while it is tried in the web UI, which answers nobody else until then."""
    return f"""set -- "$({BIN}/python - <<'EOF'
import json
login = json.load(open("{config}"))["webui"]
print(login.get("username", "") + ":" + login.get("password", ""))
EOF
)"
curl -s -m 40 -u "$1" --data-urlencode 'task={{"taskid":"x","project":"x","url":"data:,x"}}' \\
  --data-urlencode 'script=import time; time.sleep(35)' "http://{ADDRESS}:5000/debug/x/run" \\
  >/dev/null 2>&1 </dev/null &
sleep 2"""


FAULTS = [
    Fault("socket-stale", "node2", "unwatched; p=$(daemon); kill -9 $p $(pgrep -P $p); settled '! pgrep -f [r]un.py'"),
    Fault("orphans", "node3", "unwatched; p=$(daemon); kill -9 $p; settled '[ ! -d /proc/$p ]'"),
    Fault("socket-missing", "node2", "p=$(daemon); $CTL shutdown; settled '[ ! -d /proc/$p ]'", note="stopped"),
    Fault("socket-missing", "node2", f"rm {LOGS}/supervisor.sock", note="deleted"),
    Fault("socket-denied", "node2", f"chown root:root {LOGS}/supervisor.sock", typed="instead"),
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
        TYPED,
    ),
    Fault("watcher-gone", "node3", "unwatched"),
    Fault("no-boot-unit", "node2", "update-rc.d -f pyspider-demo remove; rm /etc/init.d/pyspider-demo"),
    Fault("supervisord-hung", "node2", "kill -STOP $(daemon)", TYPED),
    Fault(
        "two-schedulers",
        "node2",
        f"""setsid su work -c '{BIN}/python {CURRENT}/run.py -c {CURRENT}/config.json scheduler --xmlrpc-port 23399
        :' >/dev/null 2>&1 </dev/null & settled 'pgrep -f [2]3399'""",
        TYPED,
    ),
    Fault("stopped", "node3", "$CTL stop processor1"),
    Fault("halted", "node1", "kill -STOP $(pid webui1)", TYPED),
    Fault(
        "port-closed",
        "node1",
        f"""sed -i 's/--port 5000/--port 5999/' {CURRENT}/programs.conf; $CTL update
        settled '$CTL status webui1 | grep -q RUNNING'; sleep 11""",
        typed="instead",
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
        TYPED,
    ),
    Fault(
        "backoff",
        "node3",
        f"""mv {LIB}/site-packages/pyspider/processor /tmp/gone; kill $(pid processor1)
        settled '$CTL status processor1 | grep -q BACKOFF'""",
        f"mv /tmp/gone {LIB}/site-packages/pyspider/processor",
    ),
    Fault(
        "backoff",
        "node3",
        """config 'c["result_worker"] = {"result-cls": "shop.Results"}'; kill $(pid result_worker1)
        settled '$CTL status result_worker1 | grep -q BACKOFF'""",
        TYPED,
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
        TYPED,
    ),
    Fault("mysql-packet", "node1", "sql 'SET GLOBAL max_allowed_packet = 65536'"),
    Fault("redis-refused", "node1", "service redis-server stop"),
    Fault("redis-noauth", "node1", "redis 'CONFIG SET requirepass another'"),
    Fault(
        "put-aside",
        "node1",
        # A result of nothing, which a result_worker takes and drops.
        "redis 'RPUSH processor2result:failed \"1406 (22001): Data too long\\n\\x92\\x80\\x80\"'",
        TYPED,
        evidence="processor2result:failed in Redis holds 1, the last with: 1406 (22001): Data too long",
    ),
    Fault("redis-evicting", "node1", "redis 'CONFIG SET maxmemory-policy allkeys-lru'"),
    Fault("rpc-wrong", "node1", 'config \'c["webui"]["scheduler-rpc"] = c["webui"]["fetcher-rpc"]\''),
    Fault("phantomjs-501", "node2", "config 'del c[\"phantomjs-proxy\"]'"),
    Fault(
        "root-owned",
        "node2",
        f"touch {LOGS}/made-by-root; chown root: {LOGS}/made-by-root {LOGS}/processor1.log",
        typed="instead",
    ),
    Fault("no-ssl", "node2", f"mv {LIB}/lib-dynload/_ssl.so /tmp", f"mv /tmp/_ssl.so {LIB}/lib-dynload", typed="no"),
    Fault(
        "no-hashlib",
        "node2",
        f"mv {LIB}/lib-dynload/_hashlib.so /tmp",
        f"mv /tmp/_hashlib.so {LIB}/lib-dynload",
        typed="no",
    ),
    Fault(
        "pycurl-ssl",
        "node2",
        f"mv {LIB}/site-packages/pycurl.so /tmp",
        f"mv /tmp/pycurl.so {LIB}/site-packages",
        typed="no",
    ),
    Fault(
        "no-pyspider",
        "node2",
        f"mv {LIB}/site-packages/pyspider /tmp/gone",
        f"mv /tmp/gone {LIB}/site-packages/pyspider",
        typed="no",
    ),
    Fault("bare", "node2", f"mv {BIN}/python2.7 /tmp", TYPED),
    Fault(
        "interpreter",
        "node2",
        f"""sed -i '0,/command=[^ ]*/s::command=/opt/python2.6/bin/python:' {CURRENT}/programs.conf""",
        TYPED,
    ),
    Fault(
        "pins",
        "node2",
        f"mv {LIB}/site-packages/click-6.7.dist-info {LIB}/site-packages/click-7.0.dist-info",
        f"mv {LIB}/site-packages/click-7.0.dist-info {LIB}/site-packages/click-6.7.dist-info",
        typed="no",
    ),
    Fault(
        "disk-full",
        "node2",
        "mount -t tmpfs -o size=1m tmpfs /var/tmp; head -c 2m /dev/zero >/var/tmp/full || true",
        "umount /var/tmp",
        typed="before",
    ),
    Fault(
        "inodes",
        "node2",
        "mount -t tmpfs -o size=9m,nr_inodes=50 tmpfs /var/tmp; touch $(seq -f /var/tmp/%g 60) 2>/dev/null || true",
        "umount /var/tmp",
        typed="before",
    ),
    Fault("log-size", "node3", f"truncate -s 1500M {LOGS}/phantomjs1.log", TYPED),
    Fault(
        "nofile",
        "node2",
        'su work -c "prlimit --pid $(pid fetcher1) --nofile=512:"',
        TYPED,
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
