"""Login as another user than root: sudo without a password, with one, and with a wrong one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import until
from .conftest import Cluster

pytestmark = pytest.mark.e2e
CLIENTS = ("paramiko", "openssh")

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
        # Where systemd runs, a login leaves a manager of that user's for a while.
        cluster.on(host, "rm -f /etc/sudoers.d/oper; loginctl terminate-user oper; userdel -rf oper || true")


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
    assert "Traceback (most recent" not in result.stdout + result.stderr


def test_without_the_password_the_sentence_names_the_flag(cluster: Cluster, operator: Path) -> None:
    result = cluster.fab("-H", "node2", "status", status=1, hosts_toml=operator)
    assert "--prompt-for-sudo-password" in result.stdout


def test_the_clusters_own_user_is_no_login_and_may_not_become_root(cluster: Cluster) -> None:
    own = cluster.variant("own.toml", ("^user = .*$", 'user = "work"'))
    cluster.on("node2", "echo 'work ALL=(root) NOPASSWD: /bin/sh' >/etc/sudoers.d/own")
    try:
        for words in (("run", "true"), ("status",), ("doctor",), ("bootstrap",), ("doctor", "--sudoers")):
            result = cluster.fab("-H", "node2", *words, status=2, hosts_toml=own)
            assert "node2: the login is work, the cluster's own user, by whose sudo" in result.stderr
            assert "log in as root or as another user with sudo" in result.stderr and not result.stdout
        said = cluster.fab("-H", "node2", "bootstrap", status=1).stdout
        assert "nothing was changed here: user work becomes root by sudo here: crawled pages' scripts could" in said
    finally:
        cluster.on("node2", "rm /etc/sudoers.d/own")
    assert "nothing changed" in cluster.fab("-H", "node2", "bootstrap").stdout


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


SSH_CONFIG = """\
Host {node2}
  ProxyJump hop@{node1}:22
Host {node3}
  ProxyJump {node2}
Host {node1} {node2}
  User root
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with nothing in it, for fab alone."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


def with_home(
    cluster: Cluster, home: Path, hosts_toml: Path, *words: str, **more: str
) -> subprocess.CompletedProcess[str]:
    command = cluster.command(*words, hosts_toml=hosts_toml)
    command["env"] |= {"HOME": str(home), **more}
    del command["stdin"]
    return subprocess.run(
        **command,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=120,
        check=False,
    )


def test_a_jump_of_ssh_config_is_taken_hop_by_hop_with_every_key_checked(cluster: Cluster, home: Path) -> None:
    addresses = {name: cluster.sandbox.address(name) for name in ("node1", "node2", "node3")}
    config = SSH_CONFIG.format(**addresses).replace("hop@", "root@")
    (home / ".ssh" / "config").write_text(f"{config}Host *\n  IdentityFile {cluster.sandbox.key}\n")
    words = ("-H", "node3", "run", "echo from ${SSH_CONNECTION%% *}")
    result = with_home(cluster, home, cluster.hosts_toml, *words)
    assert f"from {addresses['node2']}" in result.stdout, result.stdout + result.stderr

    known = cluster.sandbox.known_hosts.read_text().splitlines()
    first = [line for line in known if addresses["node1"] not in line.split()[0]]
    (home / "known_hosts").write_text("\n".join(first) + "\n")
    file = cluster.variant("jump.toml", (r"^known_hosts = .*$", f'known_hosts = "{home}/known_hosts"'))
    refused = with_home(cluster, home, file, *words)
    assert refused.returncode == 3
    assert addresses["node1"] in refused.stdout and "is not in" in refused.stdout


def test_a_locked_key_is_opened_by_its_passphrase_or_by_an_agent(cluster: Cluster, home: Path) -> None:
    locked = home / "locked"
    locked.write_bytes(cluster.sandbox.key.read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", PASSWORD, "-f", locked], check=True)
    file = cluster.variant("locked.toml", (r"^key = .*$", f'key = "{locked}"'))
    words = ("-H", "node1,node2", "run", "echo in")

    without = with_home(cluster, home, file, *words)
    assert without.returncode == 3
    assert "has a passphrase" in without.stdout and "node1, node2" not in without.stderr
    asked = with_home(cluster, home, file, "--prompt-for-passphrase", *words)
    assert asked.returncode == 0 and PASSWORD not in asked.stdout + asked.stderr, asked.stdout + asked.stderr

    socket = home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            until(socket.exists, 10)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["ssh-add", "-q", cluster.sandbox.key], env=environment, check=True)
            by_agent = with_home(cluster, home, file, *words, SSH_AUTH_SOCK=str(socket))
            anywhere = cluster.variant("agent.toml", (r"^key = .*$", ""))
            assert with_home(cluster, home, anywhere, *words, SSH_AUTH_SOCK=str(socket)).returncode == 0
        finally:
            agent.terminate()
    assert by_agent.returncode == 0, by_agent.stdout + by_agent.stderr


def test_a_key_as_openssl_writes_it_logs_in_with_and_without_a_passphrase(cluster: Cluster, home: Path) -> None:
    for name, lock in (("plain", ["-nocrypt"]), ("locked", ["-passout", f"pass:{PASSWORD}"])):
        key = home / name
        made = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
        subprocess.run(["openssl", "pkcs8", "-topk8", *lock, "-out", key], input=made, capture_output=True, check=True)
        key.chmod(0o600)
        public = subprocess.run(
            ["ssh-keygen", "-y", "-P", "" if name == "plain" else PASSWORD, "-f", key],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        cluster.on("node2", f"mkdir -p /root/.ssh && echo '{public.strip()}' >/root/.ssh/authorized_keys")
        file = cluster.variant("pkcs8.toml", (r"^key = .*$", f'key = "{key}"'))
        flags = ["--prompt-for-passphrase"] if name == "locked" else []
        result = with_home(cluster, home, file, *flags, "-H", "node2", "run", "echo in")
        assert result.returncode == 0 and "in" in result.stdout, result.stdout + result.stderr
    cluster.on("node2", "rm /root/.ssh/authorized_keys")


def test_a_key_that_cannot_be_used_is_told_before_a_host_is_touched(cluster: Cluster, home: Path) -> None:
    (home / "text").write_text("hello\n")
    (home / "text").chmod(0o600)
    file = cluster.variant(
        "nokey.toml",
        (r"^key = .*$", f'key = "{home}/none"'),
        (r"^\[hosts.node2\]$", f'[hosts.node2]\nkey = "{home}/text"'),
    )
    result = cluster.fab("run", "touch /run/was-touched", status=2, hosts_toml=file)
    assert result.stdout == ""
    assert [line.split(";")[0] for line in result.stderr.splitlines()] == [
        f"fab: {file}: defaults.key: {home}/none: there is no such file",
        f"{file}: hosts.node2.key: {home}/text: it is no private key",
    ]
    for name in ("node1", "node2", "node3"):
        assert "was-touched" not in cluster.on(name, "ls /run")


def test_a_key_of_the_flags_that_cannot_be_used_is_named_when_the_login_fails(cluster: Cluster, home: Path) -> None:
    file = cluster.variant("flag.toml", (r"^key = .*$", ""))
    (home / ".ssh" / "config").write_text(f"Host *\n  IdentityFile {home}/other\n")
    result = with_home(cluster, home, file, "-i", f"{home}/none", "-H", "node2", "run", "true", SSH_AUTH_SOCK="")
    assert result.returncode == 3
    for name in ("none", "other"):
        assert f"not tried: the key {home}/{name}: there is no such file" in result.stdout
    assert ".ssh/id_" not in result.stdout
