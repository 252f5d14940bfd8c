"""known_hosts as OpenSSH writes it: what is trusted, what is refused, and in which words."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import paramiko
import pytest

from fabfile.errors import Unreachable
from fabfile.inventory import Host
from fabfile.ssh.config import SSHConfig
from fabfile.ssh.known_hosts import KnownHosts, ShownKey, algorithms, check, entry
from fabfile.ssh.way import Flags, login

KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()
NAME = "[192.0.2.1]:2222"


def host(file: Path, host_keys: str = "strict") -> Host:
    return Host("node1", "192.0.2.1", 2222, known_hosts=file, host_keys=host_keys)


def shown(key: paramiko.PKey) -> ShownKey:
    return ShownKey(key.get_name(), key.get_base64())


def line(names: str, key: paramiko.PKey = KEY, marker: str = "") -> str:
    return f"{marker}{names} {key.get_name()} {key.get_base64()} a comment\n"


def known(tmp_path: Path, text: str) -> KnownHosts:
    (tmp_path / "known_hosts").write_text(text)
    return KnownHosts(tmp_path / "known_hosts")


@pytest.mark.parametrize(
    "names",
    [
        NAME,
        f"node1,{NAME}",
        "192.0.2.*,[192.0.2.?]:2222",
        paramiko.HostKeys.hash_host(NAME),
        f"*,!{NAME[:-1]}9",
    ],
    # A hash is salted: every process would call its test otherwise.
    ids=["plain", "one of two", "pattern", "hashed", "all but another"],
)
def test_a_known_key_is_accepted(tmp_path: Path, names: str) -> None:
    file = known(tmp_path, f"# a comment\n\nnot a line\n{line('other', OTHER)}{line(names)}")
    check(host(file.file), NAME, file, shown(KEY))


@pytest.mark.parametrize(
    "names",
    ["192.0.2.1", "[192.0.2.1]:22", f"*,!{NAME}", paramiko.HostKeys.hash_host("node1")],
    ids=["no port", "another port", "all but it", "hashed"],
)
def test_a_key_of_another_name_does_not_count(tmp_path: Path, names: str) -> None:
    file = known(tmp_path, line(names))
    with pytest.raises(Unreachable, match=r"is not in .*known_hosts.*ssh-keyscan -p 2222 192\.0\.2\.1"):
        check(host(file.file), NAME, file, shown(KEY), "192.0.2.1")


@pytest.mark.parametrize("host_keys", ["strict", "accept-new"])
def test_a_changed_key_is_refused_with_both_fingerprints_and_the_line_to_remove(tmp_path: Path, host_keys: str) -> None:
    file = known(tmp_path, line("other") + line(NAME, OTHER))
    before = file.file.read_text()
    with pytest.raises(Unreachable) as error:
        check(host(file.file, host_keys), NAME, file, shown(KEY))
    assert KEY.fingerprint in str(error.value) and OTHER.fingerprint in str(error.value)
    assert f"line 2 of {file.file} holds {OTHER.fingerprint}" in str(error.value)
    assert f"ssh-keygen -f {file.file} -R '{NAME}'" in str(error.value)
    assert file.file.read_text() == before


def test_a_revoked_key_is_refused_though_it_is_known(tmp_path: Path) -> None:
    file = known(tmp_path, line(NAME) + line("*", KEY, "@revoked "))
    with pytest.raises(Unreachable, match="revoked"):
        check(host(file.file), NAME, file, shown(KEY))


def test_an_authority_for_certificates_is_no_key_of_a_host(tmp_path: Path) -> None:
    file = known(tmp_path, line("*", KEY, "@cert-authority "))
    with pytest.raises(Unreachable, match="is not in"):
        check(host(file.file), NAME, file, shown(KEY))


def test_new_keys_are_added_once_each_from_many_threads(tmp_path: Path) -> None:
    file = KnownHosts(tmp_path / "new" / "known_hosts")
    names = [entry(f"192.0.2.{number}", 22) for number in range(30)]
    threads = [
        threading.Thread(target=check, args=(host(file.file, "accept-new"), name, file, shown(KEY)))
        for name in names * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = file.file.read_text().splitlines()
    assert sorted(text.split()[0] for text in lines) == sorted(names)
    assert file.file.stat().st_mode & 0o777 == 0o600
    again = KnownHosts(file.file)
    assert all(again.keys(name) == {KEY.get_name(): KEY.get_base64()} for name in names)


def test_a_key_is_added_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = known(tmp_path, line("other").rstrip("\n"))
    check(host(file.file, "accept-new"), NAME, file, shown(KEY))
    assert len(file.file.read_text().splitlines()) == 2


def test_a_file_that_can_not_be_read_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    with pytest.raises(Unreachable, match="can't be read"):
        KnownHosts(tmp_path / "known_hosts")


def test_keys_of_a_known_type_are_asked_for_first() -> None:
    supported = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert algorithms({"ssh-rsa": "x"}, supported)[:2] == ("rsa-sha2-512", "rsa-sha2-256")
    assert algorithms({}, supported) == supported


def test_an_authority_of_certificates_is_named_as_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("# first\n@cert-authority *.example,192.0.2.* ssh-ed25519 AAAA ca\n")
    known = KnownHosts(file)
    assert known.authority("a.example") == f"line 2 of {file}" and known.authority("a.other") == ""
    with pytest.raises(Unreachable, match=r"line 2 of .* an authority's certificates, which paramiko can't check"):
        check(host(file), "192.0.2.1", known, shown(paramiko.ECDSAKey.generate()))


def test_a_host_with_an_alias_is_added_by_a_command_that_writes_the_alias(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    with pytest.raises(Unreachable) as error:
        check(host(file), "crawlers", KnownHosts(file), shown(paramiko.ECDSAKey.generate()), "192.0.2.1")
    assert f"ssh-keyscan -p 2222 192.0.2.1 | sed 's/^[^ #]*/crawlers/' >>{file}" in str(error.value)


def test_the_key_of_a_host_behind_another_machine_is_added_without_a_scan_from_here(tmp_path: Path) -> None:
    file = tmp_path / "my keys" / "known_hosts"
    with pytest.raises(Unreachable) as error:
        check(host(file), NAME, KnownHosts(file), shown(KEY))
    assert "keyscan" not in str(error.value)
    # As it is typed.
    subprocess.run(["sh", "-c", str(error.value).rpartition("then add it: ")[2]], check=True)
    check(host(file), NAME, KnownHosts(file), shown(KEY))
    with pytest.raises(Unreachable) as error:
        check(host(file), NAME, KnownHosts(file), shown(OTHER))
    subprocess.run(["sh", "-c", str(error.value).rpartition("remove the old key with ")[2]], check=True)
    assert KnownHosts(file).keys(NAME) == {}


@pytest.mark.parametrize(
    ("ssh_config", "gateway", "straight"),
    [
        ("HostName 192.0.2.7\n", None, "192.0.2.7"),
        ("", "root@192.0.2.9", ""),
        ("ProxyJump 192.0.2.9\n", None, ""),
        ("ProxyCommand nc 192.0.2.9 22\n", None, ""),
    ],
)
def test_a_host_is_scanned_from_here_where_this_machine_reaches_it_itself(
    tmp_path: Path, ssh_config: str, gateway: str | None, straight: str
) -> None:
    path = tmp_path / "ssh_config"
    path.write_text(f"Host *\n{ssh_config}")
    way = login(Host("node1", "192.0.2.1", gateway=gateway), Flags(SSHConfig(str(path))))
    assert way.straight == straight


def test_a_known_hosts_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "known_hosts")
    with pytest.raises(Unreachable, match="no regular file"):
        KnownHosts(tmp_path / "known_hosts")
