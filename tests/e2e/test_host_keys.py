"""Host keys: an unknown one is refused or added as hosts.toml says, a changed one is always refused."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import until
from .conftest import Cluster

pytestmark = pytest.mark.e2e
CLIENTS = ("paramiko", "openssh")


def test_an_unknown_key_is_refused_and_the_sentence_says_how_to_add_it(cluster: Cluster) -> None:
    file = cluster.variant("strict.toml", (r"^known_hosts = .*$", 'known_hosts = "none"'))
    result = cluster.fab("-H", "node2", "deploy", status=3, hosts_toml=file)
    assert "is not in" in result.stdout and "ssh-keyscan -p 22" in result.stdout
    assert not (cluster.folder / "none").exists()


def test_a_new_key_is_added_once_and_a_changed_one_is_refused(cluster: Cluster) -> None:
    (cluster.folder / "added").unlink(missing_ok=True)
    lines = ('known_hosts = "added"', 'host_keys = "accept-new"')
    file = cluster.variant("new.toml", (r"^known_hosts = .*$", "\n".join(lines)))
    for _ in range(2):
        cluster.fab("status", hosts_toml=file)
    known = cluster.folder / "added"
    keys = known.read_text().splitlines()
    assert len(keys) == 3
    assert known.stat().st_mode & 0o77 == 0

    # The key of node3 under the name of node2: another machine has taken its address.
    key = {line.split()[0]: " ".join(line.split()[1:]) for line in keys}
    address = {name: cluster.sandbox.address(name) for name in ("node2", "node3")}
    known.write_text(
        re.sub(
            rf"^{address['node2']} .*$", f"{address['node2']} {key[address['node3']]}", known.read_text(), flags=re.M
        )
    )
    result = cluster.fab("deploy", status=3, hosts_toml=file)
    assert result.stdout.count("has CHANGED") == 1
    assert "1 unreachable" in result.stdout
    assert len(known.read_text().splitlines()) == 3


HUP = "systemctl reload ssh"


@pytest.fixture
def authority(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A known_hosts that trusts an authority, whose certificate node2 shows."""
    address, known = cluster.sandbox.address("node2"), tmp_path / "known_hosts"
    (tmp_path / "host.pub").write_text(cluster.on("node2", "cat /etc/ssh/ssh_host_ed25519_key.pub"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ca"], check=True)
    sign = ["ssh-keygen", "-q", "-s", "ca", "-I", "node2", "-h", "-n", address, "host.pub"]
    subprocess.run(sign, cwd=tmp_path, check=True)
    certificate = (tmp_path / "host-cert.pub").read_bytes()
    cluster.sandbox.exec("node2", "sh", "-c", "cat >/etc/ssh/host-cert.pub", input=certificate)
    cluster.on("node2", f"echo HostCertificate /etc/ssh/host-cert.pub >>/etc/ssh/sshd_config; {HUP}")
    known.write_text(f"@cert-authority {address} {(tmp_path / 'ca.pub').read_text()}")
    options = ["-F", "none", "-i", cluster.sandbox.key, "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
    try:
        # While sshd reads its configuration again, nobody listens.
        until(lambda: subprocess.run(["ssh", *options, f"root@{address}", "true"], check=False).returncode == 0, 20)
        yield known
    finally:
        cluster.on("node2", f"sed -i /^HostCertificate/d /etc/ssh/sshd_config; {HUP}")


def test_a_host_certificate_is_accepted_by_ssh_and_refused_with_the_reason_by_paramiko(
    cluster: Cluster, authority: Path
) -> None:
    trusting = (r"^known_hosts = .*$", f'known_hosts = "{authority}"')
    for ssh in ("", 'ssh = "openssh"'):
        file = cluster.variant("certified.toml", trusting, ("^ssh = .*$", ssh))
        cluster.fab("-H", "node2", "run", "true", hosts_toml=file)
    forced = cluster.variant("forced.toml", trusting, ("^ssh = .*$", 'ssh = "paramiko"'))
    refused = cluster.fab("-H", "node2", "run", "true", status=3, hosts_toml=forced).stdout
    assert f"line 1 of {authority} trusts an authority's certificates, which paramiko can't check" in refused
    with authority.open("a") as lines:
        lines.write(f"{cluster.sandbox.address('node2')} {(authority.parent / 'host.pub').read_text()}")
    cluster.fab("-H", "node2", "run", "true", hosts_toml=forced)
