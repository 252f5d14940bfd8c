"""MySQL and Redis on hosts of their own, as newer releases have them: nothing of pyspider's is put there."""

from __future__ import annotations

import re
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile.sandbox.sandbox import Sandbox, free_network

from ..waiting import until
from .conftest import Cluster, one_at_a_time
from .faults import silent

pytestmark = pytest.mark.e2e

HOSTS = """
[cluster]
name = "apart"
[defaults]
key = ".sandbox/id_ed25519"
known_hosts = ".sandbox/known_hosts"
[hosts.node1]
address = "{network}.11"
roles = {{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }}
[hosts.node2]
address = "{network}.12"
roles = {{ mysql = 1, redis = 1 }}
[pyspider.webui]
host = "address"
username = "admin"
need-auth = true
"""
EXISTING = """
[stores.mysql]
host = "{address}"
password = {{ file = "mysql" }}
[stores.redis]
host = "{address}"
password = {{ file = "redis" }}
"""
"""In the place of the second host."""
NOTHING = "ls -d /opt/pyspider/runtimes /home/work/distri_pyspider/current /etc/supervisord.conf 2>/dev/null || :"
"""A script that names what a deploy leaves on a host with programs."""


SHUT = """
nft -f - <<'END'
table ip shut {{
  chain input {{
    type filter hook input priority -300;
    ip saddr {control} tcp flags & (syn | ack) == syn drop
  }}
}}
END
"""
"""No connection from the control machine comes in any more: it hears nothing, as from a network without a route."""
OPENED = "nft delete table ip shut"
OTHERS = """
[hosts.node3]
address = "{network}.13"
roles = {{ redis = 1 }}
[hosts.node4]
address = "{network}.14"
roles = {{ mysql = 1 }}
"""
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends"


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("apart")
    network = free_network()
    sandbox = Sandbox(folder / ".sandbox", network)
    try:
        sandbox.up(2, init="systemd", release={"node2": "trixie"})
        (folder / "hosts.toml").write_text(HOSTS.format(network=network))
        yield Cluster(folder, sandbox)
    finally:
        sandbox.down()


def well(apart: Cluster) -> None:
    until(lambda: apart.status()["healthy"], 60)
    silent(apart)


def test_a_host_of_stores_alone_gets_no_program_and_no_python(
    apart: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with one_at_a_time(tmp_path_factory):
        apart.fab("bootstrap")
    assert "nothing changed" in apart.fab("bootstrap").stdout
    apart.fab("deploy")
    assert "nothing changed" in apart.fab("deploy").stdout
    well(apart)
    stores = apart.status()["stores"]
    assert stores["mysql"]["version"].startswith("11.8.") and stores["redis"]["version"].startswith("8.0.")
    for task in ("restart", "reload", "stop", "start", "releases"):
        apart.fab(task)
    apart.fab("-H", "node2", "rollback")
    apart.fab("deploy", "--batch", "1", "--reload")
    assert apart.on("node2", NOTHING) == ""


def test_it_crawls(apart: Cluster) -> None:
    apart.fab("demo.crawl", "--pages", "60")
    well(apart)


@pytest.fixture
def behind(apart: Cluster) -> Iterator[Cluster]:
    """Stores that exist and that SSH does not reach; the cluster's one host is reached through a gateway alone."""
    kept = tomllib.loads((apart.folder / ".secrets" / "apart.toml").read_text())
    for name in ("mysql", "redis"):
        (apart.folder / name).write_text(kept[name])
        (apart.folder / name).chmod(0o600)
    before, sandbox = apart.hosts_toml.read_text(), apart.sandbox
    sandbox.up(3, {"node3": "bare"}, release={"node3": "trixie"})
    own = EXISTING.format(address=sandbox.address("node2"))
    text = re.sub(r"\[hosts\.node2\]\n.*\n.*\n", own, before)
    gateway = f'gateway = "root@{sandbox.address("node3")}"'
    apart.hosts_toml.write_text(text.replace("[defaults]\n", f"[defaults]\n{gateway}\n"))
    apart.on("node2", "systemctl stop ssh.socket ssh")
    for name in ("node1", "node2"):
        apart.on(name, SHUT.format(control=f"{sandbox.network.prefix}.1"))
    yield apart
    for name in ("node1", "node2"):
        apart.on(name, OPENED)
    sandbox.heal("node2")
    apart.on("node2", "systemctl start ssh")
    apart.hosts_toml.write_text(before)
    apart.fab("deploy")
    well(apart)


def test_stores_that_exist_behind_a_gateway_are_judged_as_the_hosts_see_them(behind: Cluster) -> None:
    address, sandbox = behind.sandbox.address("node2"), behind.sandbox
    for name, port in (("node1", 22), ("node2", 3306), ("node2", 6379)):
        with pytest.raises(TimeoutError), socket.create_connection((sandbox.address(name), port), 0.5):
            pass
    behind.on("node1", "rm -rf /opt/pyspider/current /opt/pyspider/runtimes")
    assert "unpack Python" in behind.fab("bootstrap").stdout
    behind.fab("deploy")
    for task in ("bootstrap", "deploy"):
        assert "nothing changed" in behind.fab(task).stdout
    well(behind)
    stores = behind.status()["stores"]
    assert stores["mysql"]["version"].startswith("11.8.") and stores["redis"]["version"].startswith("8.0.")
    assert "nothing found" in behind.fab("doctor").stdout
    behind.fab("demo.crawl", "--pages", "20")
    sandbox.cut("node2")
    status = behind.status()
    told = [line for line in status["problems"] if line.startswith(("mysql: ", "redis: "))]
    assert len(told) >= 2 and not any("bootstrap" in line for line in told), status["problems"]
    said = behind.fab("doctor", status=1).stdout
    assert "mysql-refused" in said and "redis-refused" in said and "bootstrap" not in said, said
    refused = behind.fab("deploy", "--reload", status=1).stdout
    # A connection that stands is proof enough for deploy, also while its cable is cut.
    mysql = f"MySQL at {address}:3306: no answer from here (mysql-refused); start MySQL"
    redis = f"Redis at {address}:6379: no answer from here (redis-refused); start Redis"
    assert mysql in refused or redis in refused


@pytest.mark.long
@pytest.mark.platform("Debian 13", "redis: Valkey 8.1")
@pytest.mark.platform("Debian unstable (GCC 16)", "mysql: MySQL 9.7")
def test_it_moves_to_a_valkey_and_a_mysql_9_that_are_called_by_their_names(apart: Cluster) -> None:
    network, sandbox = apart.sandbox.network.prefix, apart.sandbox
    # Debian has MySQL in its unstable release only, and there without a SysV script.
    sandbox.up(
        4,
        {name: "bare" if name in ("node3", "node4") else "full" for name in ("node1", "node2", "node3", "node4")},
        init={"node4": "systemd"},
        release={"node3": "trixie", "node4": "unstable"},
    )
    for host, package in (("node3", "valkey-server"), ("node4", "mysql-server")):
        sandbox.exec(host, "sh", "-c", f"apt-get -q update && {INSTALL} {package}", limit=400)
    text = apart.hosts_toml.read_text()
    others = text.replace("roles = { mysql = 1, redis = 1 }", "") + OTHERS.format(network=network)
    apart.hosts_toml.write_text(others)
    said = apart.fab("bootstrap").stdout
    assert "write zz-pyspider.cnf for MySQL" in said and "make MySQL user pyspider" in said
    assert "write pyspider.conf for Valkey" in said and "start valkey-server: " in said
    assert "nothing changed" in apart.fab("bootstrap").stdout
    apart.fab("deploy")
    apart.fab("passwords.rotate")
    well(apart)
    stores = apart.status()["stores"]
    assert stores["mysql"]["version"].startswith("9.") and stores["redis"]["version"].startswith("Valkey 8.")
    apart.fab("demo.crawl", "--pages", "60")
    well(apart)
