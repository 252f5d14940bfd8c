"""A cluster made by hand as the tutorial says, which crawls: nothing of it is this project's but its Python.

supervisord by root, its socket and pidfile in /var/tmp, logs of root, no login on the web UI, names as people choose.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, one_at_a_time

BIN = "/opt/pyspider/current/bin"
CONF = "/etc/supervisord.conf"
SUPERVISORD = """\
[unix_http_server]
file=/var/tmp/supervisor.sock
[supervisord]
logfile=/home/work/supervisor/supervisord.log
pidfile=/var/tmp/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///var/tmp/supervisor.sock
"""
PROGRAMS = {
    "scheduler": "scheduler",
    "fetcher": "fetcher",
    "processor3": "processor",
    "results": "result_worker",
    "webui": "webui",
}
STORES = """
service mariadb stop
printf '[mysqld]\\nbind-address = 0.0.0.0\\n' >/etc/mysql/mariadb.conf.d/60-mine.cnf
service mariadb start
mariadb -e "CREATE USER crawl@'%' IDENTIFIED BY 'by-hand'; GRANT ALL ON *.* TO crawl@'%'"
service redis-server stop
sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
service redis-server start
"""


class ByHand(Cluster):
    """The shipped hosts.toml's roles on one host where all of it was made by hand before."""

    def alive(self) -> dict[str, str]:
        """Every program of root's supervisord with its pid."""
        table = self.on("node1", f"{BIN}/supervisorctl -c {CONF} status || true")
        return {line.split()[0]: line.split()[3].rstrip(",") for line in table.splitlines() if " RUNNING " in line}

    def running(self) -> bool:
        """Whether every program has been RUNNING for a moment, its port open."""
        ports = self.on("node1", "ss -ltn").count
        return len(self.alive()) == len(PROGRAMS) and all(ports(f":{port} ") for port in (5000, 23333, 24444))


def sections(address: str) -> str:
    """The tutorial's program sections; every program listens, as it does by itself, on all addresses."""
    return "".join(
        f"[program:{name}]\ncommand={BIN}/pyspider -c /srv/crawl/config.json {role}\ndirectory=/srv/crawl\n"
        f"autorestart=true\nredirect_stderr=true\nstdout_logfile=/home/work/supervisor/{name}.log\n"
        for name, role in PROGRAMS.items()
    ).replace(" webui\n", f" webui --host {address} --port 5000\n")


def config(address: str) -> str:
    databases = {
        one: f"mysql+{one}://crawl:by-hand@{address}:3306/{one}" for one in ("taskdb", "projectdb", "resultdb")
    }
    rpc = {"scheduler-rpc": f"http://{address}:23333/", "fetcher-rpc": f"http://{address}:24444/"}
    return json.dumps(
        databases | {"message_queue": f"redis://{address}:6379/0", "webui": rpc, "fetcher": {"xmlrpc": True}}
    )


@contextmanager
def by_hand(factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """One host of that kind, with systemd."""
    folder = factory.mktemp("by-hand")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(1, init="systemd")
        one = ByHand(folder, sandbox)
        describe(one)
        # Only the runtime is this project's: nobody builds pyspider by hand in a test's time.
        one.fab("-H", "node1", "step.packages")
        with one_at_a_time(factory):
            one.fab("-H", "node1", "step.python")
        set_up(one)
        yield one
    finally:
        sandbox.down()


def describe(one: ByHand) -> None:
    """hosts.toml, as somebody writes it who wants that cluster managed."""
    sandbox, address = one.sandbox, one.sandbox.address("node1")
    roles = "mysql = 1, redis = 1, scheduler = 1, webui = 1, fetcher = 1, processor = 1, result_worker = 1"
    login = f'[defaults]\nkey = "{sandbox.key}"\nknown_hosts = "{sandbox.known_hosts}"\n'
    one.hosts_toml.write_text(
        f'[cluster]\nname = "demo"\n{login}[hosts.node1]\naddress = "{address}"\nroles = {{ {roles} }}\n'
    )


def set_up(one: ByHand) -> None:
    """All that a person would do there by hand, until it crawls."""
    one.on("node1", "useradd -m work; install -d -o work /home/work/supervisor; mkdir /srv/crawl")
    address = one.sandbox.address("node1")
    files = {"/srv/crawl/config.json": config(address), CONF: SUPERVISORD + sections(address)}
    for path, text in files.items():
        one.sandbox.exec("node1", "sh", "-c", f"cat >{path}", input=text.encode())
    one.on("node1", STORES)
    one.on("node1", f"cd /srv/crawl && {BIN}/supervisord -c {CONF}")
    # pyspider makes its databases when it starts.
    made = "mariadb -Ne 'SHOW DATABASES' | grep -c '^[a-z]*db$' || true"
    until(lambda: len(one.alive()) == len(PROGRAMS) and one.on("node1", made) == "3\n", 60)


def start_again(one: ByHand) -> None:
    """Whatever became of one case, the next one begins with a cluster that crawls."""
    kept = "[ ! -e /root/kept.conf ] || cp -p /root/kept.conf " + CONF
    ended = "pkill -KILL supervisord; pkill -KILL -f '[p]yspider -c'; service mariadb start"
    one.on("node1", f"{kept}; {ended}; rm -f /var/tmp/supervisor*; cd /srv/crawl; {BIN}/supervisord -c {CONF}")
    until(one.running, 60)
