"""An sshd that offers what OpenSSH 5.3 (CentOS 6) did, ways through it, and logins that ssh's ControlMaster spares."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fabric import Config

from fabfile.errors import Problem
from fabfile.inventory import load
from fabfile.sandbox.sandbox import Sandbox, free_network
from fabfile.ssh.pool import Links

from ..waiting import BUSY, until
from .conftest import Cluster

pytestmark = pytest.mark.e2e

PORT = 2222
OLD = "/etc/ssh/old"
# A newer sshd tells which signatures it takes, whatever it is configured to; that of 5.3 told nothing, and ssh gave it
# ssh-rsa. So rsa-sha2 stays on here, for the login alone.
SSHD = f"""\
Port {PORT}
HostKey /etc/ssh/old/rsa
HostKeyAlgorithms ssh-rsa
KexAlgorithms diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
Ciphers aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,3des-cbc,aes192-cbc,aes256-cbc
MACs hmac-md5,hmac-sha1,hmac-sha1-96,hmac-md5-96
PubkeyAcceptedAlgorithms ssh-rsa,rsa-sha2-256,rsa-sha2-512
AuthorizedKeysFile /etc/ssh/old/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile /run/sshd-old.pid
"""
HOSTS = """\
[cluster]
name = "old"
[defaults]
key = "id_rsa"
known_hosts = "known"
host_keys = "accept-new"
[hosts.node1]
address = "{node1}"
port = 2222
roles = {{ mysql = 1, redis = 1, scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }}
[hosts.node2]
address = "{node2}"
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """node1 has an old sshd beside its own; node2 is of today."""
    folder = tmp_path_factory.mktemp("old")
    sandbox = Sandbox(folder / ".sandbox", free_network())
    try:
        sandbox.up(2)
        one = Cluster(folder, sandbox)
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", folder / "id_rsa"], check=True)
        key = (folder / "id_rsa.pub").read_text().strip()
        for name in ("node1", "node2"):
            one.on(
                name,
                f"mkdir -p {OLD}; echo '{key}' | tee -a {OLD}/authorized_keys >>/etc/ssh/authorized_keys",
            )
        one.on("node1", "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/old/rsa")
        sandbox.exec("node1", "sh", "-c", "cat >/etc/ssh/old/sshd", input=SSHD.encode())
        one.on("node1", "/usr/sbin/sshd -f /etc/ssh/old/sshd -E /run/old.log")
        until(lambda: f":{PORT} " in one.on("node1", "ss -ltn"), 10)
        (folder / "hosts.toml").write_text(HOSTS.format(**{name: sandbox.address(name) for name in ("node1", "node2")}))
        yield one
    finally:
        sandbox.down()


LEGACY = (r"^port = 2222$", "port = 2222\nlegacy_ssh = true")


@pytest.mark.parametrize("ssh", ["", 'ssh = "openssh"\n'])
def test_weak_algorithms_are_refused_in_one_sentence_that_says_how_to_allow_them(old: Cluster, ssh: str) -> None:
    file = old.variant("refused.toml", (r"^\[defaults\]\n", f"[defaults]\n{ssh}"))
    said = old.fab("run", "true", status=3, hosts_toml=file).stdout
    assert "node1: root@" in said and "its sshd offers only weak algorithms, as that of CentOS 6 does" in said
    assert "set legacy_ssh = true in its table of hosts.toml" in said
    assert "1 ok, 1 unreachable" in said


def test_paramiko_alone_says_that_there_is_another_way(old: Cluster) -> None:
    file = old.variant("paramiko.toml", (r"^\[defaults\]\n", '[defaults]\nssh = "paramiko"\n'))
    said = old.fab("-H", "node1", "run", "true", status=3, hosts_toml=file).stdout
    assert "no common algorithm" in said and 'ssh = "openssh"' in said and "legacy_ssh = true" in said


def test_an_ssh_that_does_not_get_as_far_as_a_login_is_not_called_refused(old: Cluster, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host *\n ControlMaster auto\n ControlPath /tmp/{'long' * 30}\n")
    file = old.variant("openssh.toml", (r"^\[defaults\]\n", '[defaults]\nssh = "openssh"\n'))
    said = old.fab("-S", str(config), "-H", "node2", "run", "true", status=3, hosts_toml=file).stdout
    assert "ssh does not get there: ControlPath" in said and "login refused" not in said


def test_a_host_that_says_so_is_reached_and_its_changed_key_is_not(old: Cluster) -> None:
    file = old.variant("legacy.toml", LEGACY)
    assert "in here" in old.fab("-H", "node1", "run", "echo in here", hosts_toml=file).stdout
    known = old.folder / "known"
    lines = known.read_text().splitlines()
    key = next(line.split()[2] for line in lines if "ssh-rsa" in line)
    other = (old.folder / "id_rsa.pub").read_text().split()[1]
    known.write_text("\n".join(lines).replace(key, other) + "\n")
    try:
        assert "has CHANGED" in old.fab("-H", "node1", "run", "true", status=3, hosts_toml=file).stdout
    finally:
        known.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("ssh", ["paramiko", "openssh"])
def test_an_old_host_is_a_gateway_and_is_behind_one(old: Cluster, ssh: str) -> None:
    address = {name: old.sandbox.address(name) for name in ("node1", "node2")}
    behind = old.variant("behind.toml", LEGACY, (r"^legacy_ssh = true$", 'legacy_ssh = true\ngateway = "node2"'))
    said = old.fab("-H", "node1", "run", "echo from ${SSH_CONNECTION%% *}", hosts_toml=behind).stdout
    assert f"from {address['node2']}" in said
    second = rf'\1\nssh = "{ssh}"\ngateway = "node1"'
    through = old.variant("through.toml", LEGACY, (rf'^(address = "{address["node2"]}")$', second))
    said = old.fab("-H", "node2", "run", "echo from ${SSH_CONNECTION%% *}", hosts_toml=through).stdout
    assert f"from {address['node1']}" in said


def test_a_python_2_6_of_the_host_s_own_runs_nothing_of_ours(old: Cluster) -> None:
    python = "#!/bin/sh\n[ $1 != -c ] || exit 1  # the version is asked for\ntouch /run/was-run\n"
    old.sandbox.exec("node2", "sh", "-c", "cat >/usr/bin/python; chmod 755 /usr/bin/python", input=python.encode())
    try:
        said = old.fab("-H", "node2", "status").stdout
        assert "node2" in said and "Traceback" not in said
        old.fab("-H", "node2", "doctor", status=None)
        assert "was-run" not in old.on("node2", "ls /run")
    finally:
        old.on("node2", "rm /usr/bin/python")


def logins(old: Cluster) -> int:
    return old.on("node1", "cat /run/old.log").count("Accepted publickey")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a name that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="fab-") as folder:
        yield Path(folder)


@pytest.fixture
def persisting(short: Path) -> Iterator[Path]:
    """A ssh_config by which connections stay for the next command."""
    config = short / "config"
    config.write_text(f"Host *\n ControlMaster auto\n ControlPath {short}/%C\n ControlPersist 30\n")
    yield config
    for socket in short.glob("[0-9a-f]*[0-9a-f]"):
        end = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"]
        subprocess.run(end, capture_output=True, check=True)


def test_with_control_persist_a_second_command_costs_no_login(old: Cluster, persisting: Path) -> None:
    file, config = old.variant("legacy.toml", LEGACY), persisting
    before = logins(old)
    for _ in range(3):
        said = old.fab("-S", str(config), "-H", "node1", "run", "echo in; exit 7", status=1, hosts_toml=file).stdout
        assert "exit status 7" in said and "in" in said
    assert logins(old) == before + 1
    for _ in range(2):
        old.fab("-H", "node1", "run", "true", hosts_toml=file)
    assert logins(old) == before + 3


def test_over_a_control_master_who_waits_to_be_asked_is_reached_at_once(old: Cluster, persisting: Path) -> None:
    file = old.variant("legacy.toml", LEGACY)
    old.fab("-S", str(persisting), "-H", "node1", "run", "true", hosts_toml=file)
    old.on("node1", "redis-server --port 6399 --daemonize yes --save '' >/dev/null")
    fleet = load(file)
    try:
        with closing(Links().prepare(Config(runtime_ssh_path=str(persisting)), fleet, fleet.hosts)) as links:
            link, begun = links[fleet.host("node1")], time.monotonic()
            with closing(link.tunnel("127.0.0.1", 6399)) as redis:
                redis.sendall(b"PING\r\n")
                assert redis.recv(7) == b"+PONG\r\n"
            with pytest.raises(Problem, match="no connection from node1"):
                link.tunnel("127.0.0.1", 6398)
            assert time.monotonic() - begun < BUSY * 5
    finally:
        old.on("node1", "redis-cli -p 6399 shutdown nosave")
