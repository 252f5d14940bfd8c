"""Login as another user than root: sudo without a password, with one, and with a wrong one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cluster

pytestmark = pytest.mark.e2e

PASSWORD = "correct-horse-3141"


@pytest.fixture
def operator(cluster: Cluster) -> Iterator[Path]:
    """A user `oper` on every host, who may use sudo with a password; and a hosts.toml that logs in so."""
    for host in ("node1", "node2", "node3"):
        cluster.on(
            host,
            f"useradd -m -s /bin/bash oper && echo oper:{PASSWORD} | chpasswd"
            " && echo 'oper ALL=(ALL) ALL' >/etc/sudoers.d/oper",
        )
    yield cluster.variant("operator.toml", ("^user = .*$", 'user = "oper"'))
    for host in ("node1", "node2", "node3"):
        cluster.on(host, "rm -f /etc/sudoers.d/oper; userdel -r oper 2>/dev/null || true")


def asked(cluster: Cluster, password: str, hosts_toml: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """fab, asked for its password; it gets it on stdin, since there is no terminal in its session."""
    command = cluster.command("--prompt-for-sudo-password", *words, hosts_toml=hosts_toml)
    del command["stdin"]
    return subprocess.run(
        **command,
        input=password + "\n",
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=120,
        check=False,
    )


def test_sudo_without_a_password(cluster: Cluster) -> None:
    file = cluster.variant("admin.toml", ("^user = .*$", 'user = "admin"'))
    assert "nothing changed" in cluster.fab("bootstrap", hosts_toml=file).stdout
    assert "nothing changed" in cluster.fab("deploy", hosts_toml=file).stdout
    cluster.fab("status", hosts_toml=file)


def test_sudo_with_a_password_that_is_asked_for_once(cluster: Cluster, operator: Path) -> None:
    result = asked(cluster, PASSWORD, operator, "deploy", "status")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "nothing changed" in result.stdout
    assert PASSWORD not in result.stdout + result.stderr


def test_a_wrong_sudo_password_is_one_sentence_for_all_hosts(cluster: Cluster, operator: Path) -> None:
    result = asked(cluster, "wrong", operator, "status")
    assert result.returncode == 1
    assert "sudo refuses oper" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_without_the_password_the_sentence_names_the_flag(cluster: Cluster, operator: Path) -> None:
    result = cluster.fab("-H", "node2", "status", status=1, hosts_toml=operator)
    assert "--prompt-for-sudo-password" in result.stdout


@pytest.mark.parametrize("gateway", ["node1", "root@{node1}"])
def test_through_a_gateway_every_host_is_reached_from_there_with_its_own_key_checked(
    cluster: Cluster, gateway: str
) -> None:
    address = cluster.sandbox.address("node1")
    line = f'gateway = "{gateway.format(node1=address)}"'
    file = cluster.variant("gateway.toml", (r"^\[defaults\]$", f"[defaults]\n{line}"))
    output = cluster.fab("-H", "node2,node3", "run", "echo from ${SSH_CONNECTION%% *}", hosts_toml=file).stdout
    assert output.count(f"from {address}") == 2
    cluster.fab("status", hosts_toml=file)
