"""A deploy that would fail or do harm is refused on that host, before anything is changed there."""

from __future__ import annotations

import pytest

from .conftest import Cluster
from .faults import SHELL, healthy_again, the_one_before_runs_again

pytestmark = pytest.mark.e2e


def held(port: int) -> str:
    """A script after which a stranger listens on the port; its pid is in /tmp/holder."""
    # What is left of connections to the program that had the port must not be in the way.
    return f"""setsid /opt/pyspider/current/bin/python -c 'import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", {port})); s.listen(1)
time.sleep(600)' >/dev/null 2>&1 </dev/null &
echo $! >/tmp/holder; settled 'grep -q "00000000:{port:04X} 00000000:0000 0A" /proc/net/tcp'"""


def test_a_healthy_deploy_says_nothing_of_it(cluster: Cluster) -> None:
    assert "warning" not in cluster.fab("deploy").stderr


def test_without_mysql_an_unchanged_cluster_is_warned_about_and_no_program_is_restarted(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.on("node1", "service mariadb stop")
        try:
            unchanged = cluster.fab("deploy")
            refused = cluster.fab("deploy", "--reload", status=1)
            assert cluster.pids() == before
        finally:
            cluster.on("node1", "service mariadb start")
    assert "warning: MySQL at " in unchanged.stderr
    assert "nothing changed" in unchanged.stdout
    assert "node1, node2, node3: nothing was changed here: MySQL at " in refused.stdout
    assert "(mysql-refused)" in refused.stdout
    cluster.fab("deploy")


def test_a_reload_stops_nothing_that_the_stores_would_not_let_in_again(cluster: Cluster) -> None:
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.on("node1", "mariadb -e \"SET PASSWORD FOR pyspider@'%' = PASSWORD('another')\"")
        try:
            refused = [cluster.fab(*words, status=1).stdout for words in (("reload",), ("deploy", "--reload"))]
            # It restarts the host's processors as well.
            one_role = cluster.fab("reload", "--role", "phantomjs", status=1).stdout
            assert cluster.pids() == before
        finally:
            cluster.fab("bootstrap")
    for said in refused:
        assert said.count("nothing was changed here: MySQL refuses the user or its password") == 3
    assert "node3: nothing was changed here: MySQL refuses" in one_role
    cluster.fab("reload")


def test_a_second_checkout_does_not_take_the_stores_from_the_programs(cluster: Cluster) -> None:
    """It makes passwords of its own: those of the first one are not with it."""
    (kept,) = (cluster.hosts_toml.parent / ".secrets").glob("*.toml")
    first = kept.read_bytes()
    before = cluster.pids()
    kept.unlink()
    try:
        deployed = cluster.fab("deploy", status=1)
        bootstrapped = cluster.fab("bootstrap", status=1)
        rotated = cluster.fab("passwords.rotate", status=1)
        cluster.fab("passwords.rotate", "webui", status=1)
        # What those have begun is no leave to do it.
        again = cluster.fab("bootstrap", status=1)
    finally:
        kept.touch(0o600)
        kept.write_bytes(first)
    assert cluster.pids() == before
    for said in (bootstrapped.stdout, rotated.stderr, again.stdout):
        assert "has another password for this cluster than hosts.toml and .secrets/ on this machine" in said
    assert "nothing was changed here: MySQL refuses the user or its password" in deployed.stdout
    cluster.fab("status")


def test_a_strangers_port_is_refused_on_its_host_and_the_others_are_served(cluster: Cluster) -> None:
    with healthy_again(cluster):
        cluster.on("node1", SHELL + "$CTL stop webui1\n" + held(5000))
        cluster.on("node2", SHELL + "$CTL stop processor1")
        try:
            refused = cluster.fab("deploy", status=1)
        finally:
            cluster.on("node1", "kill $(cat /tmp/holder)")
    assert "node1: nothing was changed here: webui1 wants port 5000, which python" in refused.stdout
    assert "start processor1" in refused.stdout
    assert "start webui1" in cluster.fab("deploy").stdout


def test_a_scheduler_is_not_ended_where_its_new_host_cannot_take_it(cluster: Cluster) -> None:
    text = cluster.hosts_toml.read_text()
    moved = cluster.folder / "moved.toml"
    moved.write_text(text.replace("scheduler = 1, ", "").replace("fetcher = 1", "scheduler = 1, fetcher = 1", 1))
    with healthy_again(cluster):
        before = cluster.pids()
        cluster.on("node2", SHELL + held(23333))
        try:
            refused = cluster.fab("deploy", status=1, hosts_toml=moved)
        finally:
            cluster.on("node2", "kill $(cat /tmp/holder)")
        assert cluster.pids()["node1/scheduler"] == before["node1/scheduler"]
    assert "node1: nothing was changed here: its scheduler goes on, since node2 can't take it" in refused.stdout
    assert "node2: nothing was changed here: scheduler wants port 23333, which python" in refused.stdout
    # node3 was served, and needs the RPC address that is true now.
    cluster.fab("deploy")
    assert "node1/scheduler" in cluster.pids()


def test_a_full_disk_is_refused_before_the_release_is_half_written(cluster: Cluster) -> None:
    changed = cluster.variant("loud.toml", (r"^#debug = false", "debug = true"))
    release = "readlink /home/work/distri_pyspider/current; ls /home/work/distri_pyspider/releases"
    with healthy_again(cluster):
        before = cluster.on("node2", release)
        cluster.on("node2", "mount -t tmpfs -o size=20m tmpfs /tmp; head -c 19900k /dev/zero >/tmp/full")
        try:
            refused = cluster.fab("-H", "node2", "deploy", status=1, hosts_toml=changed)
        finally:
            cluster.on("node2", "umount /tmp")
    assert (
        "node2: nothing was changed here: /tmp: 0 of 20 MB are free, and 5 are needed there (disk-full)"
        in refused.stdout
    )
    assert cluster.on("node2", release) == before


def test_a_supervisord_that_cannot_come_up_under_systemd_gives_way_to_the_one_before(cluster: Cluster) -> None:
    the_one_before_runs_again(cluster)


def test_an_old_python_is_refused_before_it_would_be_compiled_without_ssl(cluster: Cluster) -> None:
    text = cluster.hosts_toml.read_text()
    old = f'[python]\nversion = "2.7.11"\nsha256 = "{"0" * 64}"'
    assert text.count("[python]") == 1
    file = cluster.folder / "old.toml"
    file.write_text(text.replace("[python]", old))
    for words in (("bootstrap",), ("bootstrap", "--dry-run")):
        said = cluster.fab("-H", "node2,node3", *words, status=1, hosts_toml=file).stdout
        assert "nothing was changed here: Python 2.7.11 has no ssl with this host's OpenSSL 3." in said, said
        assert "name version 2.7.18 with its sha256, or take out both lines" in said
        assert cluster.on("node2", "ls -A /opt/pyspider/build 2>/dev/null; true") == ""
