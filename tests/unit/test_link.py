"""A link over channels that are not there: what it sends, and how long a line may take; the rest runs on real hosts."""

from __future__ import annotations

import threading

import pytest

from fabfile.errors import Problem, Unreachable
from fabfile.inventory import Host
from fabfile.ssh.config import SSHConfig
from fabfile.ssh.kept import KeptChannels
from fabfile.ssh.keys import Keys
from fabfile.ssh.link import CHANNEL_SECONDS, SSHLink
from fabfile.ssh.protocol import message
from fabfile.ssh.root import Root
from fabfile.ssh.way import Flags, login
from fabfile.steps.base import Action, Payload, Probe


class Channel:
    """Answers every message at once that all of it went well."""

    def __init__(self) -> None:
        self.limit = 0.0
        self.sent: list[tuple[bytes, float]] = []
        self.in_a_message = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    listening = connected = True

    def begin(self, command: str, terminal: bool = False) -> None:
        pass

    def await_login(self) -> None:
        pass

    def ask(self, mark: str) -> None:
        pass

    def end_input(self) -> None:
        pass

    def exit_status(self, _seconds: float) -> int:
        return 127

    def settimeout(self, seconds: float) -> None:
        self.limit = seconds

    def told(self, data: bytes) -> bool:
        self.sent.append((data, self.limit))
        if data.startswith(b"go "):
            self.in_a_message.set()
            self.go_on.wait(10)
        return True

    def recv(self, _size: int) -> bytes:
        mark = next(data for data, _ in reversed(self.sent) if data.startswith(b"go ")).split()[1].decode()
        return f"\n{mark} out 0\n\n{mark} end 0 0\n".encode()

    def close(self) -> None:
        pass


def link_with(channel: Channel) -> SSHLink:
    return SSHLink(login(Host("node1", "192.0.2.1"), Flags(SSHConfig("/dev/null"))), Keys(), kept=KeptChannels(channel))


UPLOAD = message([Action("x", "true", (Payload(b"x" * 300_000), Payload(b"y" * 300_000)))], ())


def test_an_upload_over_a_kept_channel_has_the_whole_limit_not_that_of_the_last_look() -> None:
    channel = Channel()
    link = link_with(channel)
    link.exchange(message((), [Probe("true")]).kept_open(), lambda _: None)
    assert channel.limit < CHANNEL_SECONDS
    before = len(channel.sent)
    link.exchange(UPLOAD, lambda _: None)
    assert {limit for _, limit in channel.sent[before:]} == {CHANNEL_SECONDS}


def test_a_beat_never_falls_into_a_message() -> None:
    channel = Channel()
    link = link_with(channel)
    link.beat()
    channel.go_on.clear()
    upload = threading.Thread(target=link.exchange, args=(UPLOAD, lambda _: None))
    upload.start()
    assert channel.in_a_message.wait(10)
    link.beat()
    channel.go_on.set()
    upload.join(10)
    assert [data for data, _ in channel.sent].count(b"\n") == 1


def test_a_host_that_is_late_on_a_kept_channel_is_not_waited_for_once_more() -> None:
    class Stuck(Channel):
        def told(self, data: bytes) -> bool:
            raise TimeoutError

    with pytest.raises(Unreachable, match="no answer within 20 s"):
        link_with(Stuck()).exchange(UPLOAD, lambda _: None)


def test_a_login_shell_that_ends_before_all_was_sent_is_heard_to_its_last_words() -> None:
    class Ended(Channel):
        words = iter((b"no such shell\n", b""))

        def told(self, data: bytes) -> bool:
            return False

        def recv(self, _size: int) -> bytes:
            return next(self.words)

    with pytest.raises(Problem, match=r"ended before it ran anything \(status 127\): no such shell"):
        Root(Host("node1", "192.0.2.1"), None).run(Ended(), "true")
