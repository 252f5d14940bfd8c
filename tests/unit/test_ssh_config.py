"""ssh_config as OpenSSH reads it, with a process for hosts that it can tell apart and no other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import Host, load
from fabfile.ssh import config as module
from fabfile.ssh.config import Settings, SSHConfig
from fabfile.ssh.way import Flags, login

OPEN = frozenset({"user", "port"})
CRAWLERS = """\
Host crawl-*
    HostName %h.crawl.example
    User ops
    Port 2200
    IdentitiesOnly yes
    IdentityFile ~/.ssh/crawl_ed25519
    HostKeyAlias crawlers
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ssh"


def host(address: str, unsaid: frozenset[str] = OPEN, **more: object) -> Host:
    return Host("a", address, unsaid=unsaid, **more)  # type: ignore[arg-type]


def settings(home: Path, text: str | bytes, address: str = "a", **more: object) -> Settings:
    (home / "config").write_bytes(text if isinstance(text, bytes) else text.encode())
    return SSHConfig().of(host(address, **more))  # type: ignore[arg-type]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Counts the calls of ssh: a line for each."""
    real = subprocess.run(["sh", "-c", "command -v ssh"], capture_output=True, text=True, check=True).stdout.strip()
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexec {real} "$@"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


def counted(calls: Path) -> int:
    return len(calls.read_text().splitlines())


def test_everything_of_an_included_file_counts_as_for_ssh(home: Path) -> None:
    (home / "conf.d").mkdir()
    (home / "conf.d" / "crawlers").write_text(CRAWLERS)
    found = settings(home, "Include conf.d/*\n", "crawl-1")
    assert found == Settings(
        "crawl-1.crawl.example", "ops", 2200, ("~/.ssh/crawl_ed25519",), True, "crawlers", None, ()
    )
    way = login(host("crawl-1"), Flags(SSHConfig()))
    assert (way.host.user, way.host.port, way.address, way.known_as) == ("ops", 2200, found.address, "crawlers")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Match exec true host a\n User ops\n", "ops"),
        ("Match exec false\n User ops\n", None),
        ("Host * !a\n User ops\n", None),
        ("host=a\n user=ops\n", "ops"),
        (b"# caf\xe9\nHost a\n    User ops\n", "ops"),
        (b"Host b\xe9\n    User other\nHost a\n    User ops\n", "ops"),
        ("\ufeff".encode() + b"Host z\n User other\n", None),
        ("Match originalhost a user nobody\n User ops\n", None),
        ("Match all\n User ops\n", "ops"),
    ],
)
def test_the_user_is_the_one_of_ssh(home: Path, text: str | bytes, expected: str | None) -> None:
    try:
        assert settings(home, text).user == expected
    except WrongInput as error:
        # OpenSSH takes no byte order mark.
        assert text[:1] == b"\xef" and str(home / "config") in str(error)


def test_hosts_toml_wins_only_where_it_says_something(home: Path, tmp_path: Path) -> None:
    (home / "config").write_text("Host *\n User ops\n Port 2200\nMatch user root\n HostKeyAlias of-root\n")
    text = (Path(__file__).parent.parent.parent / "hosts.toml").read_text()
    for said, expected in (
        ("", ("ops", 2200, "ops")),
        ('user = "root"\n', ("root", 2200, "root")),
        ('port = 22\nuser = "x"\n', ("x", 22, "x")),
    ):
        lines = [line for line in text.splitlines() if not line.startswith(("user =", "port ="))]
        (tmp_path / "hosts.toml").write_text("\n".join(lines).replace("[defaults]\n", f"[defaults]\n{said}"))
        fleet = load(tmp_path / "hosts.toml")
        way = login(fleet.hosts[0], Flags(SSHConfig()))
        assert (way.host.user, way.host.port) == expected[:2]
        assert (way.settings.host_key_alias == "of-root") == (expected[2] == "root")
        stranger = login(fleet.named("me@192.0.2.200"), Flags(SSHConfig()))
        assert stranger.host.user == "me"


def test_300_hosts_that_are_alike_cost_one_call(home: Path, calls: Path) -> None:
    (home / "config").write_text(CRAWLERS + "Host db\n User dba\n")
    config = SSHConfig()
    found = [config.of(host(f"crawl-{number}")) for number in range(300)]
    assert [one.address for one in found] == [f"crawl-{number}.crawl.example" for number in range(300)]
    assert {one.user for one in found} == {"ops"} and counted(calls) == 1
    assert [config.of(host(name)).user for name in ("db", "x", "y")] == ["dba", None, None]
    assert counted(calls) == 3


def test_without_an_entry_that_matters_nothing_is_asked(home: Path, calls: Path) -> None:
    assert settings(home, "Host *\n ForwardAgent yes\n SendEnv LANG\n") == Settings("a")
    assert counted(calls) == 0


def test_a_match_that_asks_for_the_name_is_asked_for_each_host(home: Path, calls: Path) -> None:
    (home / "config").write_text('Match exec "test %h = b"\n User ops\n')
    config = SSHConfig()
    assert [config.of(host(name)).user for name in ("a", "b", "c")] == [None, "ops", None]
    assert counted(calls) == 3


def test_tokens_are_filled_in(home: Path) -> None:
    text = "Host *\n HostName %h.example\n User ops\n IdentityFile %d/%r_%h\n ProxyCommand nc %h %p %n %%\n"
    found = settings(home, text, "a")
    assert found.key_files == (f"{home.parent}/ops_a.example",)
    assert found.proxy_command == "nc a.example 22 a %"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Match exec "test -e /etc/hosts" host a\n    User ops\nHost "b c\n    User ops\n', "line 3: invalid quotes"),
        ("Host a\n Prot 22\n", "line 2: Bad configuration option: prot"),
        ("Host a\n Port x\n", "line 2"),
        ("Host a\n User\n", "line 2"),
        ("Host *\n HashKnownHosts yes\nProt\n", "line 3"),
    ],
)
def test_a_bad_line_is_one_sentence_with_file_and_line(home: Path, text: str, words: str) -> None:
    with pytest.raises(WrongInput) as error:
        settings(home, text)
    assert str(home / "config") in str(error.value) and words in str(error.value)
    assert "\n" not in str(error.value) and "mend it" in str(error.value)


def test_a_bad_line_of_an_included_file_has_that_files_name(home: Path) -> None:
    (home / "more").write_text("\nHost a\n Prot 22\n")
    with pytest.raises(WrongInput, match=f"{home}/more.* line 3"):
        settings(home, "# user\nInclude more\n User x\n")


def test_a_file_that_is_not_there_is_one_sentence(home: Path) -> None:
    for name, words in ((home / "none", "there is no such file"), (home, "it is a directory")):
        with pytest.raises(WrongInput, match=f"^-S {name}: {words}$"):
            SSHConfig(str(name)).of(host("a"))


def test_without_ssh_paramiko_reads_and_says_what_it_cannot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    (home / "more").write_text("Host *\n Port 22\n")
    (home / "config").write_bytes(b"Include more\n# caf\xe9\nHost a\n User ops\n IdentitiesOnly yes\n")
    config = SSHConfig()
    assert [config.of(host(name)).user for name in ("a", "b")] == ["ops", None]
    assert capsys.readouterr().err.count("are not read") == 1
    with pytest.raises(WrongInput, match="mend it"):
        settings(home, 'Host "b c\n User x\n')
