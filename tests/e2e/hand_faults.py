"""The faults of a cluster that somebody made by hand, and the part of a person in mending them."""

from __future__ import annotations

from .by_hand import BIN, CONF
from .faults import LIB, SHELL, Fault
from .own_faults import SILENT_PAGE, asleep

CONFIG = "/srv/crawl/config.json"
HAND = f"""{SHELL}
crawl() {{ {BIN}/python - "$1" <<'EOF'
import json, sys
path = "{CONFIG}"
c = json.load(open(path))
exec(sys.argv[1])
json.dump(c, open(path, "w"))
EOF
}}
again() {{ $CTL restart "$@"; settled '[ $($CTL status | grep -c RUNNING) = 5 ]'; }}
"""
SOCK, PIDFILE = "/var/tmp/supervisor.sock", "/var/tmp/supervisord.pid"
CTL = f"{BIN}/supervisorctl -c {CONF}"
DAEMON = f"p=$(cat {PIDFILE})"
# systemd ends all that its unit began.
WITHOUT_UNIT = (
    f"{CTL} shutdown; settled '[ ! -d /proc/$p ]'; cd /srv/crawl; {BIN}/supervisord -c {CONF}; "
    f"settled '[ $({CTL} status | grep -c RUNNING) = 5 ]'"
)
EXTRA = f"""[program:again]
command={BIN}/pyspider -c /srv/crawl/config.json scheduler --xmlrpc-port 23399
directory=/srv/crawl
stdout_logfile=/home/work/supervisor/again.log
"""
SECOND = f"""[supervisord]
logfile=/root/second.log
pidfile=/root/second.pid
[program:processor9]
command={BIN}/pyspider -c /srv/crawl/config.json processor
directory=/srv/crawl
"""
ONE_BY_ONE = [
    Fault("socket-stale", "node1", f"{DAEMON}; kill -9 $p $(pgrep -P $p); settled '! pgrep -f [p]yspider.-c'"),
    Fault("socket-missing", "node1", f"{DAEMON}; {CTL} shutdown; settled '[ ! -d /proc/$p ]'", note="stopped"),
    Fault("socket-missing", "node1", f"rm {SOCK}", note="deleted"),
    Fault(
        "socket-missing",
        "node1",
        f"sed -i 's:^serverurl=.*:serverurl=unix\\:///tmp/supervisor.sock:' {CONF}",
        note="serverurl",
    ),
    Fault("orphans", "node1", f"{DAEMON}; {WITHOUT_UNIT}; {DAEMON}; kill -9 $p; settled '[ ! -d /proc/$p ]'"),
    Fault(
        "orphans",
        "node1",
        f"cd /srv/crawl; setsid {BIN}/pyspider -c config.json result_worker >/dev/null 2>&1 </dev/null &\n"
        "settled '[ $(ps -eo args= | grep -c ^/opt/pyspider/.*result_worker$) = 2 ]'",
        note="by-hand",
    ),
    Fault("conf-sections", "node1", rf"sed -i '/^\[supervisorctl\]/,/^serverurl/d' {CONF}", note="ctl"),
    Fault(
        "conf-sections",
        "node1",
        rf"sed -i '/^\[rpcinterface/,/^supervisor.rpc/d' {CONF}; {DAEMON}; kill -HUP $p; sleep 5",
        note="rpcinterface",
    ),
    Fault(
        "conf-refused",
        "node1",
        f"{DAEMON}; {CTL} shutdown; settled '[ ! -d /proc/$p ]'; mv /home/work/supervisor /home/work/gone",
        note="log-directory",
    ),
    Fault("socket-denied", "node1", f"chmod 0 {SOCK}"),
    Fault("supervisord-hung", "node1", f"{DAEMON}; kill -STOP $p"),
    Fault(
        "two-supervisords",
        "node1",
        f"printf '%s' '{SECOND}' >/root/second.conf; cd /root; {BIN}/supervisord -c second.conf\n"
        "settled 'pgrep -P $(cat /root/second.pid)'",
    ),
    Fault(
        "two-schedulers",
        "node1",
        f"printf '%s' '{EXTRA}' >>{CONF}; {CTL} update; settled 'ss -ltn | grep -q :23399'",
    ),
    Fault("stopped", "node1", f"{CTL} stop results"),
    Fault("stopped", "node1", f"{CTL} stop results; {CTL} remove results", note="unread"),
    Fault(
        "fatal-after-outage",
        "node1",
        f"""service mariadb stop; sed -i 's/^autorestart=true/autorestart=true\\nstartretries=0/' {CONF}
        {CTL} update results; settled '{CTL} status results | grep -q FATAL'; service mariadb start
        sed -i /^startretries/d {CONF}""",
    ),
    Fault("log-missing", "node1", "rm /home/work/supervisor/processor3.log"),
    Fault("halted", "node1", f"kill -STOP $({CTL} pid webui)"),
    Fault("nofile", "node1", f"prlimit --pid $({CTL} pid fetcher) --nofile=512:"),
    Fault("exposed", "node1", "chmod 644 /srv/crawl/config.json", note="config"),
    Fault("no-boot-unit", "node1", "systemctl disable pyspider-by-hand"),
]


RESTORED = f"cp -p /root/kept.json {CONFIG}"
KEPT = f"cp -p /root/kept.conf {CONF}"
HELD = f"""$CTL stop webui
setsid {BIN}/python -c 'import socket, time
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("0.0.0.0", 5000)); s.listen(1)
time.sleep(600)' >/dev/null 2>&1 </dev/null &
settled 'ss -ltn | grep -q :5000'; $CTL start webui; settled '$CTL status webui | grep -q -e BACKOFF -e FATAL'"""
LISTENING = f"""sed -i '/ webui /s/--port 5000/--port 5999/; s/ fetcher$/& --xmlrpc-host 127.0.0.1/' {CONF}
$CTL update; settled '[ $($CTL status | grep -c RUNNING) = 5 ]'; sleep 11"""
PACKAGES = f"{LIB}/site-packages"
UNKNOWN = """crawl 'c["fetcher"]["pool-size"] = 10'"""
NUMBERLESS = """crawl 'c["message_queue"] = c["message_queue"][:-1] + "db"'"""
MISLED = """crawl 'c["webui"]["scheduler-rpc"] = c["webui"]["fetcher-rpc"]'"""
ALONE = """crawl 'del c["resultdb"]'; sleep 1; again webui results"""
PERCENT = f"""{DAEMON}; $CTL shutdown; settled '[ ! -d /proc/$p ]'; echo 'environment=A="50%"' >>{CONF}"""
OPEN = f"printf '\\n[inet_http_server]\\nport=0.0.0.0:9001\\n' >>{CONF}"
FAILS = """settled '$CTL status {0} | grep -q "BACKOFF\\|FATAL"'"""
BROKEN = f"mv {PACKAGES}/pyspider/processor /tmp/gone; kill $(pid processor3); " + FAILS.format("processor3")
LACKING = """crawl 'c["result_worker"] = {"result-cls": "shop.Results"}'; $CTL restart results
""" + FAILS.format("results")
MODULE = f"echo 'from pyspider.result import ResultWorker as Results' >{PACKAGES}/shop.py"
NO_PYTHON = f"sed -i 's:^command=.* fetcher$:command=/opt/none/bin/python {BIN}/pyspider -c {CONFIG} fetcher:' {CONF}"

TOGETHER: dict[str, tuple[Fault, ...]] = {
    **{fault.label: (fault,) for fault in ONE_BY_ONE},
    "settings": (
        Fault("config-unknown-key", "node1", UNKNOWN, RESTORED),
        Fault("config-redis-db", "node1", NUMBERLESS),
        Fault("rpc-wrong", "node1", MISLED),
        Fault("island", "node1", ALONE),
    ),
    "conf-refused-percent": (Fault("conf-refused", "node1", PERCENT, KEPT),),
    "exposed-supervisor": (Fault("exposed", "node1", OPEN, f"sed -i s/0.0.0.0:9001/127.0.0.1:9001/ {CONF}"),),
    "port-in-use": (Fault("port-in-use", "node1", HELD),),
    "listening": (
        Fault("port-closed", "node1", LISTENING, KEPT),
        Fault("rpc-down", "node1", ":"),
        Fault("log-size", "node1", "truncate -s 1500M /home/work/supervisor/results.log"),
    ),
    "backoff": (Fault("backoff", "node1", BROKEN, f"mv /tmp/gone {PACKAGES}/pyspider/processor"),),
    "backoff-own-module": (Fault("backoff", "node1", LACKING, MODULE),),
    "interpreter": (Fault("interpreter", "node1", NO_PYTHON, KEPT),),
    "stores": (
        Fault("mysql-packet", "node1", "sql 'SET GLOBAL max_allowed_packet = 65536'"),
        Fault("redis-evicting", "node1", "redis 'CONFIG SET maxmemory-policy allkeys-lru'"),
    ),
    "webui-empty-reply": (Fault("webui-empty-reply", "node1", asleep(CONFIG)),),
    "rpc-mute": (Fault("rpc-mute", "node1", SILENT_PAGE),),
    "no-ssl": (
        Fault(
            "no-ssl",
            "node1",
            f"mv {LIB}/lib-dynload/_ssl.so {LIB}/lib-dynload/_hashlib.so /tmp",
            f"mv /tmp/_ssl.so /tmp/_hashlib.so {LIB}/lib-dynload",
        ),
        Fault("no-hashlib", "node1", ":"),
    ),
    "pins": (Fault("pins", "node1", f"mv {PACKAGES}/click-6.7.dist-info {PACKAGES}/click-7.0.dist-info"),),
    "pycurl-ssl": (Fault("pycurl-ssl", "node1", f"rm {PACKAGES}/pycurl.so"),),
    "no-pyspider": (Fault("no-pyspider", "node1", f"rm -r {PACKAGES}/pyspider"),),
}
"""Faults that are caused at once, of which none is in the way of another's finding."""
