"""A cluster made by hand as the tutorial says, which crawls: bootstrap and deploy leave it crawling, or refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, one_at_a_time

pytestmark = pytest.mark.e2e

BIN = "/opt/pyspider/current/bin"
CONF = "/etc/supervisord.conf"
# supervisord by root, its socket and pidfile in /var/tmp, logs of root, no login on the web UI, names as people choose.
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


STORES = """
service mariadb stop
printf '[mysqld]\\nbind-address = 0.0.0.0\\n' >/etc/mysql/mariadb.conf.d/60-mine.cnf
service mariadb start
mariadb -e "CREATE USER crawl@'%' IDENTIFIED BY 'by-hand'; GRANT ALL ON *.* TO crawl@'%'"
service redis-server stop
sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
service redis-server start
"""


class Tutorial(Cluster):
    """The shipped hosts.toml's roles on one host where all of it was made by hand before."""

    def alive(self) -> dict[str, str]:
        """Every program of root's supervisord with its pid."""
        table = self.on("node1", f"{BIN}/supervisorctl -c {CONF} status || true")
        return {line.split()[0]: line.split()[3].rstrip(",") for line in table.splitlines() if " RUNNING " in line}


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    folder = tmp_path_factory.mktemp("tutorial")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(1, init="systemd")
        one = Tutorial(folder, sandbox)
        address = sandbox.address("node1")
        roles = "mysql = 1, redis = 1, scheduler = 1, webui = 1, fetcher = 1, processor = 1, result_worker = 1"
        login = f'[defaults]\nkey = "{sandbox.key}"\nknown_hosts = "{sandbox.known_hosts}"\n'
        one.hosts_toml.write_text(
            f'[cluster]\nname = "demo"\n{login}[hosts.node1]\naddress = "{address}"\nroles = {{ {roles} }}\n'
        )
        # Only the runtime is this project's: nobody builds pyspider by hand in a test's time.
        one.fab("-H", "node1", "step.packages")
        with one_at_a_time(tmp_path_factory):
            one.fab("-H", "node1", "step.python")
        sandbox.exec("node1", "sh", "-c", "useradd -m work; install -d -o work /home/work/supervisor; mkdir /srv/crawl")
        files = {"/srv/crawl/config.json": config(address), CONF: SUPERVISORD + sections(address)}
        for path, text in files.items():
            sandbox.exec("node1", "sh", "-c", f"cat >{path}", input=text.encode())
        one.on("node1", STORES)
        one.on("node1", f"cd /srv/crawl && {BIN}/supervisord -c {CONF}")
        # pyspider makes its databases when it starts.
        made = "mariadb -Ne 'SHOW DATABASES' | grep -c '^[a-z]*db$' || true"
        until(lambda: len(one.alive()) == len(PROGRAMS) and one.on("node1", made) == "3\n", 60)
        yield one
    finally:
        sandbox.down()


def snapshot(tutorial: Tutorial) -> str:
    """What must not change: files with owner, mode and content, accounts and settings of the stores."""
    return tutorial.on(
        "node1",
        "find /etc /srv/crawl /home/work -xdev -type f ! -name '*.log' ! -path '*/data/*' -printf '%p %u %m ' "
        "-exec sha256sum {} \\; | sort; stat -c '%n %U %a' /home/work /home/work/supervisor; "
        "mariadb -Ne 'SELECT user, host FROM mysql.user ORDER BY 1, 2; SHOW DATABASES'; "
        "redis-cli CONFIG GET requirepass",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("bootstrap", "--dry-run"),
        ("bootstrap",),
        ("step.stores",),
        ("deploy", "--dry-run"),
        ("deploy",),
        ("deploy", "--role", "processor"),
        ("deploy", "--reload"),
        ("reload",),
    ],
    ids=" ".join,
)
def test_a_cluster_made_by_hand_goes_on(tutorial: Tutorial, words: tuple[str, ...]) -> None:
    before, pids = snapshot(tutorial), tutorial.alive()
    assert "nothing was changed here: " in tutorial.fab(*words, status=1).stdout
    assert tutorial.alive() == pids
    assert snapshot(tutorial) == before


def test_the_refusals_say_what_is_there(tutorial: Tutorial) -> None:
    assert (
        "somebody else's MySQL runs here and holds projectdb, resultdb, taskdb; "
        in tutorial.fab("bootstrap", status=1).stdout
    )
    told = tutorial.fab("deploy", status=1).stdout
    assert f"{CONF} is somebody else's (supervisord, pid " in told
    assert "of root, runs fetcher, processor3, results, scheduler, webui)" in told


def test_a_second_cluster_beside_it_is_refused_for_its_ports(tutorial: Tutorial) -> None:
    text = tutorial.hosts_toml.read_text()
    address = tutorial.sandbox.address("node1")
    beside = tutorial.folder / "beside.toml"
    (tutorial.folder / "password").write_text("by-hand")
    (tutorial.folder / "password").chmod(0o600)
    beside.write_text(
        text.replace('name = "demo"', 'name = "demo"\nsupervisord_conf = "/etc/pyspider-demo.conf"').replace(
            "mysql = 1, redis = 1, ", ""
        )
        + f'[stores.mysql]\nhost = "{address}"\nuser = "crawl"\npassword = {{ file = "password" }}\n'
        + f'[stores.redis]\nhost = "{address}"\npassword = false\n'
    )
    pids = tutorial.alive()
    tutorial.on("node1", "mkdir -p /home/work/distri_pyspider; chown work: /home/work/distri_pyspider")
    refused = tutorial.fab("deploy", status=1, hosts_toml=beside).stdout
    assert "scheduler wants port 23333, which" in refused
    assert tutorial.alive() == pids


def test_what_root_left_in_the_logs_is_taken_over_before_anything_starts(tutorial: Tutorial, tmp_path: Path) -> None:
    """The cluster made by hand was ended and its configuration moved away: now the host is this project's."""
    address = tutorial.sandbox.address("node1")
    tutorial.on("node1", f"{BIN}/supervisorctl -c {CONF} shutdown; mv {CONF} /root")
    until(lambda: tutorial.on("node1", "pgrep -f [s]upervisord || true") == "", 30)
    existing = tmp_path / "hosts.toml"
    (tmp_path / "password").write_text("by-hand")
    (tmp_path / "password").chmod(0o600)
    existing.write_text(
        tutorial.hosts_toml.read_text().replace("mysql = 1, redis = 1, ", "")
        + f'[stores.mysql]\nhost = "{address}"\nuser = "crawl"\npassword = {{ file = "password" }}\n'
        + f'[stores.redis]\nhost = "{address}"\npassword = false\n'
    )
    log = "/home/work/supervisor/processor1.log"
    tutorial.on("node1", f"echo root >{log}; chmod 600 {log}")
    # What its user can't mend is refused, with nothing changed.
    tutorial.fab("bootstrap", hosts_toml=existing)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(existing.read_text().replace('name = "demo"', 'name = "demo"\npidfile = "/run/gone/s.pid"'))
    refused = tutorial.fab("deploy", status=1, hosts_toml=elsewhere).stdout
    assert "work can't write /run/gone: there is no such directory (root-owned)" in refused
    assert tutorial.on("node1", f"ls {CONF} /home/work/distri_pyspider 2>&1 || true").count("No such file") == 1
    told = tutorial.fab("deploy", hosts_toml=existing).stdout
    assert "give /home/work/supervisor/processor1.log and 2 more to work" in told
    assert "nothing changed" in tutorial.fab("deploy", hosts_toml=existing).stdout
    # A password that the store does not take is one sentence, and every program goes on.
    programs = "pgrep -f '[r]un[.]py' | sort"
    before = tutorial.on("node1", programs)
    assert before.count("\n") == len(PROGRAMS)
    (tmp_path / "password").write_text("another")
    for words in (("deploy",), ("deploy", "--dry-run")):
        refused = tutorial.fab(*words, status=1, hosts_toml=existing).stdout
        assert "nothing was changed here: MySQL refuses the user or its password" in refused
    assert tutorial.on("node1", programs) == before
