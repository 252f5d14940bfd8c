"""A cluster of Debian 13, whose MariaDB 11.8 offers TLS by itself; then with stores that insist on it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..unit.servers import DAY, Authority
from ..waiting import until
from .conftest import Cluster, made
from .faults import as_printed, found

pytestmark = pytest.mark.e2e

CNF = "/etc/mysql/mariadb.conf.d/99-tls.cnf"
MYSQL = """\
[mysqld]
ssl_cert = /etc/mysql/server.pem
ssl_key = /etc/mysql/server.pem
require_secure_transport = 1
"""
REDIS = """\
port 0
tls-port 6380
bind {address}
tls-cert-file /etc/redis/server.pem
tls-key-file /etc/redis/server.pem
tls-ca-cert-file /etc/redis/server.pem
tls-auth-clients no
requirepass {password}
daemonize yes
save ""
dir /var/lib/redis
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two hosts of Debian 13, one of them with systemd, bootstrapped and deployed."""

    def without_node3(text: str) -> str:
        return text.replace(text[text.index("[hosts.node3]") : text.index("# MySQL holds")], "")

    with made(tmp_path_factory, "tls", {"node1": "systemd"}, 2, "trixie", without_node3) as one:
        yield one


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def insisting(cluster: Cluster, authority: Authority) -> Path:
    """The hosts.toml of the cluster, after its stores have been made to take nobody without TLS."""
    password = tomllib.loads((cluster.folder / ".secrets" / "demo.toml").read_text())["redis"]
    (cluster.folder / "redis-password").touch(mode=0o600)
    (cluster.folder / "redis-password").write_text(password)
    (cluster.folder / "ca.pem").write_text(authority.pem)
    address = cluster.sandbox.address("node1")
    serve(cluster, authority.issued(address, "node1"))
    put(cluster, "/etc/redis/tls.conf", REDIS.format(address=address, password=password), "redis")
    cluster.on("node1", "service redis-server stop; su -s /bin/sh redis -c 'redis-server /etc/redis/tls.conf'")
    redis = f'[stores.redis]\nhost = "{address}"\nport = 6380\npassword = {{ file = "redis-password" }}\n'
    return cluster.variant(
        "tls.toml",
        (r"mysql = 1, redis = 1", "mysql = 1"),
        (r"^\[stores.mysql\]\n", '[stores.mysql]\ntls = true\nca = "ca.pem"\n'),
        (r"^\[stores.redis\]\n", f'{redis}tls = true\nca = "ca.pem"\n'),
    )


def put(cluster: Cluster, path: str, text: str, owner: str) -> None:
    script = f"umask 077; cat >{path}; chown {owner}: {path}"
    cluster.sandbox.exec("node1", "sh", "-c", script, input=text.encode())


def serve(cluster: Cluster, certificate: Path) -> None:
    """MySQL shows this certificate, and Redis will from its next start on."""
    put(cluster, "/etc/mysql/server.pem", certificate.read_text(), "mysql")
    put(cluster, "/etc/redis/server.pem", certificate.read_text(), "redis")
    put(cluster, CNF, MYSQL, "mysql")
    cluster.on("node1", "service mariadb restart")


def healthy(cluster: Cluster, hosts_toml: Path | None = None) -> bool:
    return cluster.fab("status", status=None, hosts_toml=hosts_toml).returncode == 0


def ids(cluster: Cluster, hosts_toml: Path) -> set[str]:
    """What doctor finds, but for queues that are full while a crawl goes on."""
    return {one["id"] for one in found(cluster, hosts_toml=hosts_toml)} - {"queue-stuck"}


def test_a_mariadb_that_offers_tls_is_well_and_crawled_into(cluster: Cluster) -> None:
    view = cluster.status()
    assert view["problems"] == []
    assert view["stores"]["mysql"]["version"].startswith("11.8")
    assert "results are in MySQL" in cluster.fab("demo.crawl", "--pages", "30").stdout


def test_stores_that_insist_on_tls_name_the_key_that_is_missing(cluster: Cluster, insisting: Path) -> None:
    plain = cluster.folder / "plain.toml"
    text = insisting.read_text().replace("tls = true\n", "").replace('ca = "ca.pem"\n', "")
    plain.write_text(text)
    view = cluster.fab("status", status=1, hosts_toml=plain).stdout
    for store in ("mysql", "redis"):
        (line,) = [line for line in view.splitlines() if line.startswith(f"! {store}: ")]
        assert f"set `tls = true` in [stores.{store}]" in line


def test_with_tls_the_cluster_is_well_and_crawls(cluster: Cluster, insisting: Path) -> None:
    before = cluster.pids()
    cluster.fab("deploy", hosts_toml=insisting)
    after = cluster.pids()
    assert all(before[name] != after[name] for name in before), "a program was not told"
    until(lambda: healthy(cluster, insisting), 30)
    assert ids(cluster, insisting) == set()
    assert "results are in MySQL" in cluster.fab("demo.crawl", "--pages", "30", hosts_toml=insisting).stdout
    for task in ("bootstrap", "deploy"):
        assert "nothing changed" in cluster.fab(task, hosts_toml=insisting).stdout


def test_another_ca_is_one_sentence_and_nothing_is_deployed(cluster: Cluster, insisting: Path, tmp_path: Path) -> None:
    (cluster.folder / "other.pem").write_text(Authority.made(tmp_path).pem)
    wrong = cluster.folder / "wrong.toml"
    wrong.write_text(insisting.read_text().replace('"ca.pem"', '"other.pem"'))
    before = cluster.pids()
    view = cluster.fab("status", status=1, hosts_toml=wrong).stdout
    for store, name in (("mysql", "MySQL"), ("redis", "Redis")):
        (line,) = [line for line in view.splitlines() if line.startswith(f"! {store}: ")]
        assert f"{name}'s certificate is not from the CA in stores.{store}.ca" in line
    assert "nothing was changed here: MySQL gives no TLS" in cluster.fab("deploy", status=1, hosts_toml=wrong).stdout
    assert cluster.pids() == before


def test_a_certificate_of_another_name_or_of_yesterday_is_told(
    cluster: Cluster, insisting: Path, authority: Authority
) -> None:
    address = cluster.sandbox.address("node1")
    cases = (
        (authority.issued("192.0.2.1"), f"certificate is not for {address}"),
        (authority.issued(address, ends=-DAY / 2), "certificate has expired"),
    )
    try:
        for certificate, sentence in cases:
            serve(cluster, certificate)
            assert sentence in cluster.fab("status", status=1, hosts_toml=insisting).stdout
            assert ids(cluster, insisting) == {"mysql-tls"}
        seen = found(cluster, hosts_toml=insisting)
    finally:
        serve(cluster, authority.issued(address))
    as_printed(cluster, seen, insisting)
    until(lambda: healthy(cluster, insisting), 90)
