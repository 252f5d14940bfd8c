"""Which client makes a connection, where hosts.toml leaves it open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from fabfile.inventory import Host
from fabfile.ssh import config as ssh_config
from fabfile.ssh.choice import by_openssh
from fabfile.ssh.config import SSHConfig
from fabfile.ssh.keys import Keys
from fabfile.ssh.way import Flags, login

from .test_keyfile import sk_key

ADDRESS = "192.0.2.1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home directory with nothing in it, no agent, and no ticket of Kerberos; a test's own goes with it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    ssh_config._ticket.cache_clear()
    yield tmp_path
    ssh_config._ticket.cache_clear()


def chosen(host: Host, config: str = "") -> bool:
    path = Path.home() / "config"
    path.write_text(config)
    return by_openssh(login(host, Flags(SSHConfig(str(path)))), Keys())


def test_paramiko_is_the_first_choice() -> None:
    assert not chosen(Host("a", ADDRESS))
    assert not chosen(Host("a", ADDRESS), "Host *\n User ops\n Port 2200\n IdentityFile ~/.ssh/id\n")


def test_hosts_toml_goes_before_all_else() -> None:
    assert chosen(Host("a", ADDRESS, ssh="openssh"))
    assert not chosen(Host("a", ADDRESS, ssh="paramiko"), "Host *\n Ciphers aes256-ctr\n")


def test_an_old_host_is_ssh_s() -> None:
    assert chosen(Host("a", ADDRESS, legacy_ssh=True))


def test_a_host_whose_key_only_an_authority_vouches_for_is_ssh_s(home: Path) -> None:
    known = home / "known"
    known.write_text(f"@cert-authority 192.0.2.* ssh-ed25519 {'A' * 68} ca\n")
    assert chosen(Host("a", ADDRESS, known_hosts=known)) and not chosen(Host("b", "198.51.100.1", known_hosts=known))
    with known.open("a") as lines:
        lines.write(f"{ADDRESS} ssh-ed25519 {'A' * 68}\n")
    assert not chosen(Host("a", ADDRESS, known_hosts=known))


def test_keys_that_all_need_a_security_key_are_ssh_s(home: Path) -> None:
    key = home / ".ssh" / "id_ed25519_sk"
    key.write_bytes(sk_key())
    key.chmod(0o600)
    assert chosen(Host("a", ADDRESS)) and chosen(Host("a", ADDRESS, key=key))
    paramiko.ECDSAKey.generate().write_private_key_file(str(home / ".ssh" / "id_ecdsa"))
    assert not chosen(Host("a", ADDRESS)) and chosen(Host("a", ADDRESS, key=key))


@pytest.mark.parametrize("line", ["Ciphers aes256-ctr", "IdentityAgent /run/agent", "CertificateFile ~/c-cert.pub"])
def test_ssh_config_that_paramiko_cannot_follow_is_ssh_s_for_its_hosts_alone(line: str) -> None:
    text = f"Host {ADDRESS}\n {line}\n"
    assert chosen(Host("a", ADDRESS), text) and not chosen(Host("b", "192.0.2.2"), text)


@pytest.mark.parametrize("status", [0, 1])
def test_kerberos_is_ssh_s_where_it_is_asked_for_and_there_is_a_ticket(
    home: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    klist = home / "klist"
    klist.write_text(f"#!/bin/sh\n[ $1 = -s ] && exit {status}\n")
    klist.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    asked = "Host *\n GSSAPIAuthentication yes\n"
    assert chosen(Host("a", ADDRESS), asked) == (status == 0) and not chosen(Host("a", ADDRESS), "Host *\n User x\n")
