"""A link to a host: one connection, over which messages are exchanged."""

from __future__ import annotations

import getpass
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..errors import INTERRUPTED, NotReached, Problem, Unreachable
from ..steps.base import Found
from ..steps.shell import cmd
from . import inside
from .connect import CONNECT_SECONDS, WayIn, connected
from .kept import KeptChannels
from .keys import Keys
from .protocol import BEAT_SECONDS, Event, Message, Reader, receiver

CHANNEL_SECONDS = 20.0
KEEPALIVE_SECONDS = 15
IDLE_SECONDS = 5.0
THROUGH_A_GATEWAY = 8
"""How many connections are set up through one gateway at a time; sshd begins to refuse at ten."""
CHUNK = 1 << 17
TOGETHER = 1 << 15
"""Bytes up to which a message is sent as one piece."""


class Stopped(NotReached):
    """The operator ended the run while this exchange was under way."""

    exit_status = INTERRUPTED


class Link(Protocol):
    """A way to run messages on one host."""

    @property
    def operator(self) -> str:
        """The person at work, for the host's own journal; empty where none is kept."""

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        """Run a message; the answer of each item that ran. Raises Unreachable or Stopped."""

    def rest(self) -> None:
        """No message follows in the channels that were kept open."""

    def resume(self) -> None:
        """Make it usable again after it was stopped."""

    def close(self) -> None:
        """End it, and with it all that still runs there on its behalf."""


class _NothingBegan(Exception):
    """A channel that was kept for this message had ended before it arrived."""


class SSHLink:
    """One connection to one host, opened at its first use and kept for the whole run."""

    def __init__(
        self, login: WayIn, keys: Keys, gateway: SSHLink | None = None, kept: KeptChannels | None = None
    ) -> None:
        self.host = login.host
        self.connect_seconds = 0.0
        """How long it took to connect and log in."""
        self._login, self._keys, self._gateway = login, keys, gateway
        self._sudo_password = login.flags.sudo_password if login.host.user != "root" else None
        self._through_me = threading.BoundedSemaphore(THROUGH_A_GATEWAY)
        self._transport: Any = None
        self._kept = kept or KeptChannels()
        self._stopped = threading.Event()
        self._opening = threading.Lock()

    @property
    def operator(self) -> str:
        return f"{getpass.getuser()}@{socket.gethostname()}"

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        """Everything in, everything out, over one exec channel, within the items' own limits."""
        if (kept := self._kept.take()) is not None:
            with suppress(_NothingBegan):
                return self._exchange(kept, message, on_event, on_kept_channel=True)
        channel = self._channel()
        self._begin(channel, receiver(self._sudo()))
        return self._exchange(channel, message, on_event)

    def _exchange(
        self, channel: Any, message: Message, on_event: Callable[[Event], None], on_kept_channel: bool = False
    ) -> dict[int, Found]:
        reader, keep = Reader(message, on_event), False
        try:
            self._send(channel, message)
            self._receive(channel, reader)
            keep = message.keep_open
            return reader.found
        except TimeoutError as error:
            late = str(error) or f"{CHANNEL_SECONDS:.0f} s"
            raise Unreachable(f"{self.host.name}: no answer within {late}; is the host hung?") from error
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        except Problem as error:
            if on_kept_channel and not reader.heard and not self._stopped.is_set():
                raise _NothingBegan from error
            raise
        finally:
            if keep:
                self._kept.put(channel)
            else:
                channel.close()

    def beat(self) -> None:
        """Show the waiting receivers that somebody is still there."""
        self._kept.beat()

    def rest(self) -> None:
        while (kept := self._kept.take()) is not None:
            kept.close()

    def fetch(self, path: str, target: BinaryIO) -> None:
        """Copy a file of the host into `target`, byte by byte."""
        channel = self._channel()
        try:
            self._begin(channel, str(cmd(*self._sudo(), "cat", path)))
            for chunk in iter(lambda: channel.recv(CHUNK), b""):
                target.write(chunk)
            if (status := channel.recv_exit_status()) != 0:
                raise Problem(f"{self.host.name}: {path} can't be read (exit status {status})")
        except OSError as error:
            raise self._lost(error) from error
        finally:
            channel.close()

    def tunnel(self, address: str, port: int) -> Any:
        """A socket-like channel to address:port as seen from the host. Raises Problem when nothing answers."""
        from paramiko import SSHException

        transport = self._open()
        try:
            return transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS)
        except (SSHException, OSError) as error:
            raise Problem(f"{address}:{port}: no connection from {self.host.name}") from error

    def stop(self) -> None:
        """End the connection from another thread; an exchange under way raises Stopped."""
        self._stopped.set()
        self.close()

    def resume(self) -> None:
        self._stopped.clear()

    def close(self) -> None:
        self._kept.forget()
        if self._transport is None:
            return
        inside.end(self._transport)

    def _open(self) -> Any:
        with self._opening:
            if self._transport is None or not self._transport.is_active():
                start = time.monotonic()
                self._transport = self._connected()
                self.connect_seconds = time.monotonic() - start
                self._transport.set_keepalive(KEEPALIVE_SECONDS)
                inside.look_up_every(self._transport, IDLE_SECONDS)
                self._check_sudo(self._transport)
            if self._stopped.is_set():
                self.close()
                raise Stopped(f"{self.host.name}: stopped")
            return self._transport

    def _connected(self) -> Any:
        if not self._gateway:
            return connected(self._login, self._keys)
        # Its own link opens it: once, with its host key checked.
        self._gateway._open()
        with self._gateway._through_me:
            return connected(self._login, self._keys, self._gateway.tunnel)

    def _channel(self) -> Any:
        from paramiko import SSHException

        try:
            channel = self._open().open_session(timeout=CHANNEL_SECONDS)
        except (SSHException, OSError, EOFError) as error:
            raise self._lost(error) from error
        channel.set_combine_stderr(True)
        channel.settimeout(CHANNEL_SECONDS)
        return channel

    def _sudo(self) -> tuple[str, ...]:
        if self.host.user == "root":
            return ()
        # -k: whether the password is read must not depend on what was typed there before.
        return ("sudo", "-S", "-k", "-p", "") if self._sudo_password else ("sudo", "-n")

    def _begin(self, channel: Any, command: str) -> None:
        try:
            inside.begin_command(channel, command)
            if self._sudo_password:
                channel.sendall(self._sudo_password.encode() + b"\n")
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def _check_sudo(self, transport: Any) -> None:
        """A wrong password is found out here: sudo would take what follows it for further tries."""
        if not self._sudo_password:
            return
        with closing(transport.open_session(timeout=CHANNEL_SECONDS)) as channel:
            channel.settimeout(CHANNEL_SECONDS)
            self._begin(channel, str(cmd(*self._sudo(), "true")))
            channel.shutdown_write()
            if channel.recv_exit_status() != 0:
                raise Problem(f"{self.host.name}: sudo refuses {self.host.user}: the password is wrong, or it may not")

    def _send(self, channel: Any, message: Message) -> None:
        # A channel that was kept has the short limit of its last look; a slow line takes its time for an upload.
        channel.settimeout(CHANNEL_SECONDS)
        try:
            for piece in _pieces(message):
                channel.sendall(piece)
        except TimeoutError:
            raise
        except OSError:
            # The far side has ended already: its last words are still to be read.
            return

    def _receive(self, channel: Any, reader: Reader) -> None:
        before, limit, deadline = -1, 0.0, 0.0
        beat = time.monotonic() + BEAT_SECONDS
        while not reader.done:
            now = time.monotonic()
            if reader.current != before:
                before = reader.current
                # The first item begins when the login shell is there.
                limit = reader.message.limits[before] + (0 if reader.heard else CHANNEL_SECONDS)
                deadline = now + limit
            if now > deadline:
                raise TimeoutError(f"{limit:.0f} s")
            if now > beat:
                channel.sendall(b"\n")
                beat = now + BEAT_SECONDS
            channel.settimeout(max(0.01, min(deadline, beat) - now))
            with suppress(TimeoutError):
                self._feed(channel, reader)

    def _feed(self, channel: Any, reader: Reader) -> None:
        data = channel.recv(CHUNK)
        if not data:
            raise self._ended(channel, reader)
        reader.feed(data)

    def _ended(self, channel: Any, reader: Reader) -> Problem:
        if self._stopped.is_set():
            return Stopped(f"{self.host.name}: stopped")
        # The end of the output may come before the status; on a lost connection none comes (-1).
        status = inside.exit_status(channel, CHANNEL_SECONDS)
        said = reader.said
        if status == 73:
            return Problem(f"{self.host.name}: its temporary directory can't be written: {said or 'is the disk full?'}")
        if status > 0:
            hint = "" if self.host.user == "root" else "; if sudo wants a password: --prompt-for-sudo-password"
            said = said or "it said nothing"
            return Problem(f"{self.host.name}: the login shell ended with status {status}: {said}{hint}")
        return Unreachable(f"{self.host.name}: the connection was lost in the middle of a command")

    def _lost(self, error: Exception) -> Problem:
        if self._stopped.is_set():
            return Stopped(f"{self.host.name}: stopped")
        return Unreachable(f"{self.host.name}: the connection was lost: {error or type(error).__name__}")


def _pieces(message: Message) -> Iterator[bytes]:
    """The bytes of a message; small ones together, since every piece is a packet."""
    together = message.head()
    for payload in message.payloads:
        for chunk in _chunks(payload.content):
            together += chunk
            if len(together) > TOGETHER:
                yield together
                together = b""
    yield together + message.tail()


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        yield from iter(lambda: stream.read(CHUNK), b"")
