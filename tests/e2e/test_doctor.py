"""Every fault that doctor names, caused for real: named with its id and no other, mended, and then silence."""

from __future__ import annotations

import json
import socket
from contextlib import closing

import pytest

from ..waiting import until
from .conftest import Cluster
from .faults import SHELL, Fault, found, healthy_again, named_alone_and_mended, silent
from .own_faults import FAULTS

pytestmark = pytest.mark.e2e


def test_a_healthy_cluster_has_no_finding(cluster: Cluster) -> None:
    assert "nothing found" in cluster.fab("doctor").stdout
    assert found(cluster) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.label)
def test_a_fault_is_named_alone_and_mended(cluster: Cluster, fault: Fault) -> None:
    named_alone_and_mended(cluster, fault)


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
