"""Doctor on what stands between machines: filters, names and certificates, each broken for real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cluster
from .faults import TYPED, Fault, named_alone_and_mended

pytestmark = pytest.mark.e2e

NAME = "shop.example"
TRUSTED = f"/usr/local/share/ca-certificates/{NAME}.crt"
OPEN = "nft delete table inet test"


def blocked(hook: str, rule: str) -> str:
    """A filter on the host: what it drops is gone without an answer."""
    chain = f"nft add chain inet test {hook} '{{ type filter hook {hook} priority 0; }}'"
    return f"nft add table inet test; {chain}; nft add rule inet test {hook} {rule}"


FILTERS = [
    Fault(
        "firewall",
        "node1",
        blocked("input", "iif != lo tcp dport 5000 drop"),
        OPEN,
        "webui",
        (),
        ":5000: no answer",
        "before",
    ),
    Fault(
        "firewall",
        "node1",
        blocked("input", "iif != lo tcp dport 5000 reject with tcp reset"),
        OPEN,
        "webui-reset",
        (),
        ":5000: connection refused",
        "before",
    ),
    Fault("firewall", "node2", blocked("output", "tcp dport 3306 drop"), OPEN, "mysql", (), "MySQL at ", "before"),
    Fault("firewall", "node2", blocked("output", "tcp dport 6379 drop"), OPEN, "redis", (), "Redis at ", "before"),
    Fault(
        "firewall", "node2", blocked("output", "tcp dport 25555 drop"), OPEN, "phantomjs", (), "phantomjs at ", "before"
    ),
    Fault(
        "firewall",
        "node1",
        blocked("input", "tcp dport 23333 drop"),
        OPEN,
        "rpc",
        (),
        "the scheduler's RPC at ",
        "before",
    ),
]
SERVER = f"""
mkdir /tmp/shop; cd /tmp/shop
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj '/CN=Nobody knows this CA'
openssl req -newkey rsa:2048 -nodes -keyout shop.key -out shop.csr -subj /CN={NAME}
echo subjectAltName=DNS:{NAME} >names
openssl x509 -req -in shop.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out shop.crt
setsid openssl s_server -accept 4443 -cert shop.crt -key shop.key -www >log 2>&1 </dev/null &
echo $! >pid; until grep -q :115B /proc/net/tcp*; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Path]:
    """A site with a certificate of its own CA, known to both fetchers' hosts; the hosts.toml that names it."""
    cluster.on("node1", f"({SERVER}) >/dev/null 2>&1")
    authority = cluster.on("node1", "cat /tmp/shop/ca.crt")
    line = f"{cluster.sandbox.address('node1')} {NAME}"
    for host in ("node2", "node3"):
        cluster.on(host, f"echo '{line}' >>/etc/hosts; echo '{authority}' >{TRUSTED}; update-ca-certificates 2>&1")
    yield cluster.variant("shop.toml", (r"^#site = .*", f'site = "{NAME}:4443"'))
    cluster.on("node1", "kill $(cat /tmp/shop/pid); rm -r /tmp/shop")
    for host in ("node2", "node3"):
        cluster.on(host, f"sed -i /{NAME}/d /etc/hosts; rm {TRUSTED}; update-ca-certificates --fresh 2>&1")


SITES = [
    Fault(
        "resolver",
        "node2",
        f"cp /etc/hosts /tmp/hosts; sed -i /{NAME}/d /etc/hosts",
        "cp /tmp/hosts /etc/hosts",
        evidence=f"https://{NAME}:4443/ ends with 6: ",
    ),
    Fault(
        "ca-bundle",
        "node2",
        f"mv {TRUSTED} /tmp/kept.crt; update-ca-certificates --fresh 2>&1",
        f"mv /tmp/kept.crt {TRUSTED}",
        "unknown",
        evidence=f"https://{NAME}:4443/ ends with 60: ",
    ),
    Fault(
        "ca-bundle",
        "node2",
        "mv /etc/ssl/certs/ca-certificates.crt /tmp/kept.crt",
        TYPED,
        "missing",
        evidence=f"https://{NAME}:4443/ ends with 77: ",
    ),
    Fault(
        "site-unreachable",
        "node2",
        blocked("output", "tcp dport 4443 drop"),
        OPEN,
        evidence=f"https://{NAME}:4443/ ends with 28: ",
    ),
]


@pytest.mark.parametrize("fault", FILTERS, ids=lambda fault: fault.label)
def test_a_filter_is_told_from_a_port_where_nobody_listens(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)


@pytest.mark.parametrize("fault", SITES, ids=lambda fault: fault.label)
def test_the_way_to_a_site_is_looked_at_from_the_fetchers_host(cluster: Cluster, shop: Path, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault, shop)
