"""paramiko's inside, as far as this project reaches into it: against paramiko's own server, over a pair of sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import paramiko
import pytest

from fabfile.ssh import inside

from ..waiting import eventually


class Server(paramiko.ServerInterface):
    """Lets everybody in; a command is kept, and answered only when the test says so."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.may_answer = threading.Event()
        self.refuses = False

    def check_auth_none(self, username: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command)
        self.may_answer.wait(10)
        return not self.refuses


@pytest.fixture(scope="module")
def key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def ends(key: paramiko.PKey) -> Iterator[tuple[Any, Any, Server]]:
    """A client's transport that has agreed on keys and logged in, the server's, and its behaviour."""
    ours, theirs = socket.socketpair()
    server, behaviour = paramiko.Transport(theirs), Server()
    server.add_server_key(key)
    server.start_server(event=threading.Event(), server=behaviour)
    client: Any = paramiko.Transport(ours)
    inside.handshake(client, 10)
    client.auth_none("work")
    yield client, server, behaviour
    behaviour.may_answer.set()
    client.close()
    server.close()


def timers() -> int:
    return sum(isinstance(one, threading.Timer) for one in threading.enumerate())


def test_a_handshake_costs_no_thread_beside_paramikos_own(key: paramiko.PKey) -> None:
    ours, _theirs = socket.socketpair()
    client: Any = paramiko.Transport(ours)
    before = timers()
    client.start_client(event=threading.Event())
    # This is paramiko's own limit, which begins with the peer's banner: without it there is none to be replaced.
    _theirs.sendall(b"SSH-2.0-test\r\n")
    assert eventually(lambda: timers() == before + 1)
    client.close()
    ours, _theirs = socket.socketpair()
    client = paramiko.Transport(ours)
    _theirs.sendall(b"SSH-2.0-test\r\n")
    with pytest.raises(TimeoutError):
        inside.handshake(client, 0.5)
    assert timers() <= before + 1
    client.close()


def test_a_peer_that_hangs_up_in_the_handshake_is_an_error_at_once() -> None:
    ours, theirs = socket.socketpair()
    client: Any = paramiko.Transport(ours)
    theirs.close()
    with pytest.raises(inside.NoGreeting) as error:
        inside.handshake(client, 10)
    assert (error.value.said, error.value.ended) == (b"", True)


def test_first_words_that_are_no_greeting_are_kept() -> None:
    ours, theirs = socket.socketpair()
    client: Any = paramiko.Transport(ours)
    client.banner_timeout = 0.2
    theirs.sendall(b"220 mail\r\n22")
    with pytest.raises(inside.NoGreeting) as error:
        inside.handshake(client, 10)
    assert (error.value.said, error.value.ended) == (b"220 mail\r\n22", False)
    client.close()


def test_a_command_begins_without_a_wait_for_the_reply(ends: tuple[Any, Any, Server]) -> None:
    client, _, behaviour = ends
    channel = client.open_session()
    inside.begin_command(channel, "uptime")
    assert not behaviour.may_answer.is_set()
    assert eventually(lambda: behaviour.commands == [b"uptime"])


def test_a_command_that_is_refused_leaves_the_channel_usable_by_its_end(ends: tuple[Any, Any, Server]) -> None:
    client, server, behaviour = ends
    behaviour.refuses = True
    behaviour.may_answer.set()
    channel = client.open_session()
    inside.begin_command(channel, "uptime")
    server.accept(10).close()
    assert channel.recv(1) == b""
    assert inside.exit_status(channel, 0.2) == -1


def test_the_exit_status_that_comes_after_the_output_is_waited_for(ends: tuple[Any, Any, Server]) -> None:
    client, server, behaviour = ends
    behaviour.may_answer.set()
    channel = client.open_session()
    inside.begin_command(channel, "false")
    theirs = server.accept(10)
    theirs.shutdown_write()
    assert channel.recv(1) == b""
    later = threading.Timer(0.2, theirs.send_exit_status, (3,))
    later.start()
    assert inside.exit_status(channel, 10) == 3


def test_an_end_is_not_waited_for_and_wakes_a_thread_that_looks_up_seldom(ends: tuple[Any, Any, Server]) -> None:
    client, server, _ = ends
    inside.look_up_every(client, 60)
    assert client.sock.gettimeout() == 60
    # After an answer, paramiko's thread waits for so long, unless it is woken.
    client.open_session()
    inside.end(client)
    assert not client.is_active()
    assert eventually(lambda: not client.is_alive(), 5)
    assert eventually(lambda: not server.is_active(), 5)


def test_an_answer_that_was_asked_for_counts_as_a_packet_and_disturbs_nobody(ends: tuple[Any, Any, Server]) -> None:
    client, _, behaviour = ends
    behaviour.may_answer.set()
    before = inside.packets(client)
    inside.ask(client)
    assert eventually(lambda: inside.packets(client) == before + 1)
    assert client.open_session() is not None


def test_a_channel_tells_whether_its_connection_lasts(ends: tuple[Any, Any, Server]) -> None:
    client, server, behaviour = ends
    behaviour.may_answer.set()
    channel = client.open_session()
    channel.close()
    assert inside.connected(channel)
    server.close()
    assert eventually(lambda: not inside.connected(channel))
