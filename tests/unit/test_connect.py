"""From hosts.toml, ssh_config and flags to the way in; and how hosts that let nobody in are told, on real sockets."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import paramiko
import pytest
from fabric import Config

from fabfile.errors import Problem, Unreachable, WrongInput
from fabfile.inventory import Host, load
from fabfile.ssh.config import SSHConfig
from fabfile.ssh.connect import connected
from fabfile.ssh.keyfile import UnusableKey
from fabfile.ssh.keys import Keys, _signed, public_halves
from fabfile.ssh.link import SSHLink
from fabfile.ssh.pool import Links
from fabfile.ssh.way import Flags, hop, login

from ..waiting import eventually

PROJECT = Path(__file__).parent.parent.parent
CONFIG = """
Host 192.0.2.7
  HostName 192.0.2.70
  IdentityFile /keys/seven
  ProxyJump me@192.0.2.1:2200,192.0.2.2
Host 192.0.2.2
  User two
  Port 2022
Host 192.0.2.8
  ProxyJump none
Host 192.0.2.8 192.0.2.9
  ProxyCommand nc %h %p
"""


def flags(text: str = "", **more: object) -> Flags:
    return Flags(SSHConfig(written(text)), **more)  # type: ignore[arg-type]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fab-ssh-configs-")


def written(text: str) -> str:
    """A file that stays as long as the process."""
    with tempfile.NamedTemporaryFile("w", dir=_folder().name, delete=False) as file:
        file.write(text)
    return file.name


def fabric_config(text: str) -> Config:
    return Config(runtime_ssh_path=written(text))


def test_ssh_config_gives_what_hosts_toml_does_not_say() -> None:
    way = login(Host("a", "192.0.2.7", user="root"), flags(CONFIG, key_files=("/keys/flag",)))
    assert way.address == "192.0.2.70"
    assert way.key_files == ("/keys/flag", "/keys/seven")
    assert way.settings.proxy_jump == ("me@192.0.2.1:2200", "192.0.2.2")


def test_a_hop_takes_user_and_port_from_its_name_else_from_ssh_config(tmp_path: Path) -> None:
    like = Host("a", "192.0.2.7", known_hosts=tmp_path / "k", host_keys="accept-new")
    first = hop("me@192.0.2.1:2200", flags(CONFIG), like)
    second = hop("192.0.2.2", flags(CONFIG), like)
    assert (first.address, first.port, first.user) == ("192.0.2.1", 2200, "me")
    assert (second.address, second.port, second.user) == ("192.0.2.2", 2022, "two")
    assert second.known_hosts == like.known_hosts and second.host_keys == "accept-new"


@pytest.mark.parametrize(
    ("text", "where"),
    [("me@[2001:db8::1]:2200", ("2001:db8::1", 2200)), ("[2001:db8::1]", ("2001:db8::1", 22)), ("a:7", ("a", 7))],
)
def test_a_hop_may_be_an_ipv6_address(text: str, where: tuple[str, int]) -> None:
    found = hop(text, flags(), Host("a", "192.0.2.7"))
    assert (found.address, found.port) == where


def test_a_hop_without_a_proper_port_is_wrong_input() -> None:
    with pytest.raises(WrongInput, match="no port number"):
        hop("192.0.2.2:x", flags(), Host("a", "192.0.2.7"))


def test_a_command_is_kept_and_as_for_openssh_proxy_jump_none_is_neither_jump_nor_command() -> None:
    way = login(Host("a", "192.0.2.9"), flags(CONFIG))
    assert (way.settings.proxy_jump, way.settings.proxy_command) == ((), "nc 192.0.2.9 22")
    direct = login(Host("a", "192.0.2.8"), flags(CONFIG))
    # Versions of OpenSSH differ in it; without one, of the two the first counts.
    said = subprocess.run(["ssh", "-G", "-F", written(CONFIG), "192.0.2.8"], capture_output=True, text=True, check=True)
    kept = "nc 192.0.2.8 22" if "\nproxycommand " in said.stdout else None
    assert (direct.settings.proxy_jump, direct.settings.proxy_command) == ((), kept)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nc-that-is-not-installed %h %p", "(nc-that-is-not-installed 127.0.0.1 9) ended with status 127: "),
        ("sh -c 'echo >&2 no way to %h; exit 3'", "ended with status 3: no way to 127.0.0.1"),
        ("true", "ended with status 0: it said nothing"),
    ],
)
def test_a_proxy_command_that_fails_is_named_with_its_own_words_at_once(
    command: str, words: str, tmp_path: Path
) -> None:
    host = Host("node1", "127.0.0.1", 9, known_hosts=tmp_path / "known_hosts")
    begun = time.monotonic()
    with pytest.raises(Unreachable) as error:
        connected(login(host, flags(f"Host *\n ProxyCommand {command}\n")), Keys())
    assert "the ProxyCommand of ssh_config (" in str(error.value) and words in str(error.value)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sleep 1{unique}", "; it says nothing"),
        ("sh -c 'sleep 1{unique} & wait'", "; it says nothing"),
        ("sh -c 'echo >&2 no way yet; sleep 1{unique}'", "; it says 'no way yet'"),
        ("sh -c 'echo 220 mail.example; exec sleep 1{unique}'", "; it says '220 mail.example'"),
    ],
)
def test_a_proxy_command_without_a_word_of_sshd_is_named_and_ended(command: str, words: str, tmp_path: Path) -> None:
    unique = f"{time.time_ns() % 10**8:08}"
    said = f"Host *\n ProxyCommand {command.format(unique=unique)}\n"
    host = Host("node1", "127.0.0.1", 9, known_hosts=tmp_path / "known_hosts")
    with pytest.raises(Unreachable) as error:
        connected(login(host, flags(said, connect_seconds=0.5)), Keys())
    assert "the ProxyCommand of ssh_config (" in str(error.value)
    assert str(error.value).endswith(f"was started, and no word of sshd comes within 0.5 s{words}")
    assert eventually(lambda: not alive(f"sleep 1{unique}")), "it outlives its connection"


def test_a_proxy_command_ends_with_its_link_also_in_the_middle_of_a_login(tmp_path: Path) -> None:
    unique = f"sleep 1{time.time_ns() % 10**8:08}"
    host = Host("node1", "127.0.0.1", 9, known_hosts=tmp_path / "known_hosts")
    link = SSHLink(login(host, flags(f"Host *\n ProxyCommand {unique}\n", connect_seconds=30.0)), Keys())
    logins = threading.Thread(target=pytest.raises, args=(Problem, link.open), daemon=True)
    logins.start()
    assert eventually(lambda: alive(unique))
    link.stop()
    logins.join(10)
    assert not logins.is_alive() and eventually(lambda: not alive(unique))


def alive(command: str) -> bool:
    """Whether a process of this command line runs; one that has ended and was not waited for has none."""
    wanted = command.replace(" ", "\0").encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return wanted in found


def test_a_signature_that_the_agent_does_not_give_is_void_and_ends_nothing() -> None:
    def refuses(_data: bytes, _algorithm: str | None) -> bytes:
        raise paramiko.SSHException("key cannot be used for signing")

    void = paramiko.Message(_signed(refuses, "ssh-ed25519", b"data"))
    assert void.get_text() == "ssh-ed25519"
    assert _signed(lambda data, _: data, "ssh-ed25519", b"data") == b"data"


def test_the_public_half_of_a_key_is_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text("ssh-ed25519 YWJj me@here\n")
    (tmp_path / "text").write_text("hello\n")
    assert public_halves([f"{tmp_path}/id", f"{tmp_path}/none", f"{tmp_path}/text"]) == {b"abc"}
    assert public_halves([f"{tmp_path}/id.pub"]) == {b"abc"}


def test_jumps_that_go_round_in_a_circle_are_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "hosts.toml").write_text((PROJECT / "hosts.toml").read_text())
    circle = "Host 192.0.2.1\n  ProxyJump 192.0.2.2\nHost 192.0.2.2\n  ProxyJump 192.0.2.1\n"
    fleet = load(tmp_path / "hosts.toml")
    with closing(Links()) as links, pytest.raises(WrongInput, match="round in a circle"):
        links.prepare(fabric_config(circle), fleet, [Host("a", "192.0.2.1")])


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine at which every connection is served by `behave`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                behave(connection)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


Refusal = Callable[[int, float], str]


@pytest.fixture(params=["paramiko", "openssh"])
def refusal(request: pytest.FixtureRequest, tmp_path: Path) -> Refusal:
    """The words of a link to a port, by each of the two clients."""

    def told(port: int, seconds: float = 1.0) -> str:
        host = Host("node1", "127.0.0.1", port, known_hosts=tmp_path / "known_hosts", ssh=request.param)
        link = SSHLink(login(host, flags(connect_seconds=seconds)), Keys())
        with closing(link), pytest.raises(Unreachable) as error:
            link.open()
        assert str(error.value).startswith(f"node1: root@127.0.0.1:{port}: ")
        return str(error.value)

    return told


def test_a_port_at_which_nobody_listens_is_one_sentence(refusal: Refusal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert refusal(port, 1.0).endswith("connection refused")


def test_one_that_talks_something_else_is_no_sshd(refusal: Refusal) -> None:
    def web(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 110)

    with server(web) as port:
        told = refusal(port, 1.0)
        assert told.endswith("it does not answer as sshd does: it says 'HTTP/1.0 400 Bad Request'")


def test_one_that_says_nothing_costs_its_limit_and_no_more(refusal: Refusal) -> None:
    done = threading.Event()
    with server(lambda _: bool(done.wait(30)) and None) as port:  # type: ignore[arg-type,return-value]
        told = refusal(port, 0.3)
        done.set()
    assert told.endswith(
        "it accepts the connection, and no word of sshd comes within 0.3 s; the host is frozen or overloaded, or "
        "another service listens there"
    )


@pytest.mark.parametrize("words", [b"220 mail.example ESMTP\r\n", b"J\0\0\0\n8.0.36"])
def test_another_service_that_greets_and_waits_is_told_with_its_words(words: bytes, refusal: Refusal) -> None:
    done = threading.Event()

    def greet(connection: socket.socket) -> None:
        connection.sendall(words)
        done.wait(30)

    with server(greet) as port:
        told = refusal(port, 0.3)
        done.set()
    assert "it does not answer as sshd does: it says " in told and told.isprintable()


def test_one_that_hangs_in_the_middle_of_the_handshake_costs_its_limit_and_no_more(refusal: Refusal) -> None:
    done = threading.Event()

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        done.wait(30)

    with server(greet) as port:
        assert "no answer within" in refusal(port, 0.3)
        done.set()


def test_one_that_hangs_up_is_one_sentence(refusal: Refusal) -> None:
    with server(lambda connection: connection.close()) as port:
        assert "it ends the connection before a word of sshd; it takes no more logins" in refusal(port, 1.0)


def private_key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return path


def test_a_key_is_read_once_for_all_hosts(tmp_path: Path) -> None:
    keys, path = Keys(), private_key(tmp_path)
    assert keys.private(path, None) is keys.private(path, None)


def test_a_key_that_cannot_be_used_is_not_read_again_and_not_forgotten(tmp_path: Path) -> None:
    keys = Keys()
    for _ in range(2):
        with pytest.raises(UnusableKey, match="no such file"):
            keys.private(tmp_path / "none", None)


KEYS_TOML = """\
[cluster]
name = "keys"
[defaults]
key = "{all}"
[hosts.a]
address = "192.0.2.1"
key = "{own}"
gateway = "b"
roles = {{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1, mysql = 1, redis = 1 }}
[hosts.b]
address = "192.0.2.2"
[hosts.c]
address = "192.0.2.3"
"""


def faults(tmp_path: Path, own: str, all: str, *names: str, ssh_config: str = "") -> list[str]:
    """What is said of the logins and keys of these hosts before any is connected to."""
    (tmp_path / "hosts.toml").write_text(KEYS_TOML.format(own=own, all=all))
    fleet = load(tmp_path / "hosts.toml")
    hosts = [fleet.host(name) for name in names]
    with closing(Links()) as links:
        links.prepare(fabric_config(ssh_config), fleet, hosts)
        try:
            links.refuse_logins(fleet, hosts)
        except WrongInput as error:
            return str(error).splitlines()
    return []


def test_keys_that_cannot_be_used_are_told_together_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "own").touch(mode=0o600)
    # c shares the default with b, which leads to a.
    assert [line.split(";")[0] for line in faults(tmp_path, "own", "none", "a", "c")] == [
        f"{tmp_path}/hosts.toml: hosts.a.key: {tmp_path}/own: it is empty",
        f"{tmp_path}/hosts.toml: defaults.key: {tmp_path}/none: there is no such file",
    ]


def test_the_clusters_own_user_is_no_login_whoever_names_it(tmp_path: Path) -> None:
    config = "Host 192.0.2.3\n User work\nHost 192.0.2.1\n User oper\n"
    good = str(private_key(tmp_path))
    (said,) = faults(tmp_path, good, good, "a", "b", "c", ssh_config=config)
    assert said.startswith("c: the login is work, the cluster's own user, by whose sudo crawled pages' scripts could")
    assert faults(tmp_path, good, good, "a", "b", ssh_config=config) == []


def test_only_the_keys_of_the_chosen_hosts_and_their_gateways_are_looked_at(tmp_path: Path) -> None:
    good = private_key(tmp_path)
    assert faults(tmp_path, "none", str(good), "b", "c") == []
    assert len(faults(tmp_path, "none", str(good), "a")) == 1
    assert len(faults(tmp_path, str(good), "none", "a")) == 1
