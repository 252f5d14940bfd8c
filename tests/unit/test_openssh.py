"""The command lines for the OpenSSH client, and a password's way to it; the connections run on real hosts."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabfile.errors import Unreachable, WrongInput
from fabfile.inventory import Host, load
from fabfile.ssh.client import ssh
from fabfile.ssh.config import SSHConfig
from fabfile.ssh.told import environment
from fabfile.ssh.way import Flags, WayIn, login

Way = Callable[..., WayIn]
SECRET = "correct-horse-1618"


@pytest.fixture
def way() -> Iterator[Way]:
    """Ways in to hosts, whose files stay until the end of the test."""
    kept = []

    def made(host: Host, config: str = "/dev/null", **flags: object) -> WayIn:
        kept.append(login(host, Flags(SSHConfig(config), **flags)))  # type: ignore[arg-type]
        return kept[-1]

    yield made
    kept.clear()


def understood(words: list[str]) -> dict[str, str]:
    """What ssh itself takes from a command line."""
    done = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_ssh_is_as_strict_as_paramiko_and_asks_nobody(tmp_path: Path, way: Way) -> None:
    known = tmp_path / "100% known"
    found = understood(ssh([way(Host("a", "192.0.2.1", 2200, "ops", known_hosts=known))]))
    assert (found["hostname"], found["port"], found["user"]) == ("192.0.2.1", "2200", "ops")
    # Versions differ in whether -G fills in what % begins.
    assert found["userknownhostsfile"].strip('"') in (str(known), str(known).replace("%", "%%"))
    assert found["globalknownhostsfile"] == "/dev/null" and found["batchmode"] == "yes"
    assert found["stricthostkeychecking"] in ("true", "yes") and found["updatehostkeys"] in ("false", "no")
    assert found["clearallforwardings"] == "yes" and found["escapechar"] == "none"


def test_the_users_own_configuration_counts_where_hosts_toml_and_strictness_say_nothing(
    tmp_path: Path, way: Way
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "Host 192.0.2.*\n ControlMaster auto\n ControlPath ~/.ssh/cm-%C\n ControlPersist 60\n RemoteCommand top\n"
        " StrictHostKeyChecking no\n Ciphers aes256-ctr\n LocalForward 9999 localhost:9\n"
    )
    found = understood(ssh([way(Host("a", "192.0.2.1"), str(config))]))
    assert found["controlmaster"] == "auto" and found["controlpersist"] == "60" and found["ciphers"] == "aes256-ctr"
    assert found["stricthostkeychecking"] in ("true", "yes") and "top" not in found.values()


def test_hosts_toml_s_key_is_the_only_one(tmp_path: Path, way: Way) -> None:
    key = tmp_path / "my id"
    key.touch()
    words = ssh([way(Host("a", "192.0.2.1", key=key))])
    found = understood(words)
    assert found["identitiesonly"] == "yes" and f'IdentityFile="{key}"' in words


@pytest.mark.parametrize("legacy", [False, True])
def test_weak_algorithms_are_for_hosts_that_say_so(legacy: bool, way: Way) -> None:
    found = understood(ssh([way(Host("a", "192.0.2.1", legacy_ssh=legacy))]))
    weak = {"kexalgorithms": "diffie-hellman-group-exchange-sha1", "hostkeyalgorithms": "ssh-rsa"}
    for option, name in weak.items():
        assert (name in found[option].split(",")) == legacy
    # Its gateway is another host.
    through = ssh([way(Host("a", "192.0.2.1", legacy_ssh=legacy)), way(Host("g", "192.0.2.2"))])
    proxy = understood(through)["proxycommand"]
    assert "ssh-rsa" not in understood(shlex.split(proxy))["hostkeyalgorithms"].split(",")


def test_gateways_are_gone_through_one_by_one_each_with_its_own_known_hosts(tmp_path: Path, way: Way) -> None:
    first = way(Host("g1", "192.0.2.1", 2201, "one", known_hosts=tmp_path / "100% one"))
    second = way(Host("g2", "192.0.2.2", 22, "two"))
    words = shlex.split(understood(ssh([way(Host("a", "192.0.2.3", 2203)), second, first]))["proxycommand"])
    assert words[words.index("-W") + 1] == "[192.0.2.3]:2203" and words[-1] == "192.0.2.2"
    inner = next(word for word in words if word.startswith("ProxyCommand=")).removeprefix("ProxyCommand=")
    last = shlex.split(inner.replace("%%", "%"))
    assert last[last.index("-W") + 1] == "[192.0.2.2]:22" and last[-1] == "192.0.2.1" and "one" in last


@pytest.mark.parametrize("flag", ["password", "passphrase"])
def test_a_secret_is_in_no_argument_no_environment_and_no_file(tmp_path: Path, flag: str, way: Way) -> None:
    one = way(Host("a", "192.0.2.1"), **{flag: SECRET})
    told = environment(one, tmp_path)
    assert SECRET not in " ".join([*ssh([one]), *told.values()])
    assert all(SECRET not in file.read_text() for file in tmp_path.iterdir())
    assert subprocess.run([told["SSH_ASKPASS"], "password: "], capture_output=True, text=True).stdout == f"{SECRET}\n"  # noqa: PLW1510
    asked = understood(ssh([one]))
    assert asked["batchmode"] == "no" and asked["passwordauthentication"] == ("yes" if flag == "password" else "no")


def test_two_secrets_are_one_sentence(tmp_path: Path, way: Way) -> None:
    with pytest.raises(Unreachable, match="a password or a passphrase, not both; put the key into an agent"):
        environment(way(Host("a", "192.0.2.1"), password=SECRET, passphrase=SECRET), tmp_path)


def test_without_ssh_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: Way
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreachable, match="by ssh, which is not installed here; install OpenSSH's client"):
        ssh([way(Host("a", "192.0.2.1"))])


HOSTS = """\
[cluster]
name = "ssh"
[defaults]
ssh = "openssh"
[hosts.a]
address = "192.0.2.1"
legacy_ssh = true
roles = { scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1, mysql = 1, redis = 1 }
[hosts.b]
address = "192.0.2.2"
ssh = "paramiko"
gateway = "ops@192.0.2.9"
"""


def test_a_host_inherits_its_client_and_says_itself_that_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "hosts.toml").write_text(HOSTS)
    fleet = load(tmp_path / "hosts.toml")
    a, b = fleet.hosts
    assert (a.ssh, a.legacy_ssh, b.ssh, b.legacy_ssh) == ("openssh", True, "paramiko", False)
    gateway = fleet.gateway(b)
    assert gateway and (gateway.ssh, gateway.legacy_ssh) == ("paramiko", False)
    (tmp_path / "hosts.toml").write_text(f"{HOSTS}legacy_ssh = true\n")
    with pytest.raises(WrongInput, match=r"hosts\.b\.legacy_ssh: paramiko has none of the algorithms"):
        load(tmp_path / "hosts.toml")
