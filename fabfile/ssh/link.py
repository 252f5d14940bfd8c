"""A link to a host: one connection, over which messages are exchanged."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO, Protocol

from ..errors import INTERRUPTED, NotReached, Problem, Unreachable
from ..local import user_name
from ..steps.base import Found
from .ending import WantsTerminal, ended, late, patience
from .gate import SHELL, Gate, Nonsense
from .kept import KeptChannels
from .keys import Keys
from .opener import Opener
from .pieces import TOGETHER, pieces
from .protocol import BEAT_SECONDS, CHANNEL_SECONDS, Event, Message, Reader
from .root import CHUNK, Root
from .silence import SILENCE_SECONDS, Silence
from .way import CONNECT_SECONDS, WayIn
from .wire import Channel, Wire

THROUGH_A_GATEWAY = 8
"""How many connections are set up through one gateway at a time; sshd begins to refuse at ten."""


class Stopped(NotReached):
    """The operator ended the run while this exchange was under way."""

    exit_status = INTERRUPTED


class Link(Protocol):
    """A way to run messages on one host."""

    @property
    def operator(self) -> str:
        """The person at work, and the task, for the host's own journal; empty where none is kept."""

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
        self,
        login: WayIn,
        keys: Keys,
        gateway: SSHLink | None = None,
        kept: KeptChannels | None = None,
        task: str = "",
    ) -> None:
        self.host = login.host
        self._task = task
        self._seconds = 0.0
        self._opener = Opener(login, keys, gateway)
        self._root = Root(login.host, login.flags.sudo_password)
        self.room = threading.BoundedSemaphore(THROUGH_A_GATEWAY)
        self._wire: Wire | None = None
        self._kept = kept or KeptChannels()
        self._stopped = threading.Event()
        self._silence = Silence()
        self._opening = threading.Lock()

    @property
    def connect_seconds(self) -> float:
        """How long it took to connect and log in."""
        return self._seconds + (self._wire.seconds if self._wire else 0.0)

    @property
    def operator(self) -> str:
        return f"{user_name()}@{socket.gethostname()} {self._task}".strip()

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        """Everything in, everything out, over one exec channel, within the items' own limits."""
        if (kept := self._kept.take()) is not None:
            with suppress(_NothingBegan):
                return self._exchange(kept, Reader(message, on_event, Gate(entered=True)), on_kept_channel=True)
        try:
            return self._on_a_new_channel(message, on_event)
        except WantsTerminal:
            self._root.wants_terminal()
            return self._on_a_new_channel(message, on_event)

    def _on_a_new_channel(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        channel = self._channel()
        with ExitStack() as closing:
            closing.callback(channel.close)
            with self._told(), self._silence.judged():
                gate, first = self._root.receive(channel)
            closing.pop_all()
        reader = Reader(message, on_event, gate)
        reader.feed(first)
        return self._exchange(channel, reader)

    def _exchange(self, channel: Channel, reader: Reader, on_kept_channel: bool = False) -> dict[int, Found]:
        keep = False
        try:
            with self._told(), self._silence.judged():
                self._send(channel, reader.message)
                self._receive(channel, reader)
            keep = reader.message.keep_open
            return reader.found
        except Problem as error:
            timed_out = isinstance(error.__cause__, TimeoutError)
            if on_kept_channel and not (reader.heard or timed_out or self._ended_by_us()):
                raise _NothingBegan from error
            raise
        finally:
            if keep:
                self._kept.put(channel)
            else:
                channel.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the connection as one sentence."""
        from paramiko import SSHException

        try:
            yield
        except TimeoutError as error:
            limit = str(error) or f"{CHANNEL_SECONDS:.0f} s"
            raise Unreachable(f"{self.host.name}: no answer within {limit}; is the host hung?") from error
        except Nonsense as error:
            raise Unreachable(f"{self.host.name}: {error}") from error
        except (OSError, EOFError, SSHException) as error:
            raise self._lost(error) from error

    def beat(self) -> None:
        """Show the waiting receivers that somebody is still there, and end a connection over which nothing comes.

        Called every BEAT_SECONDS.
        """
        if self._wire is not None and self._silence.over(self._wire.packets()):
            # It may wait for a gateway's connection, on which all other links' beats must not wait.
            threading.Thread(target=self._wire.end, daemon=True).start()
        self._kept.beat()

    def rest(self) -> None:
        while (kept := self._kept.take()) is not None:
            kept.close()

    def fetch(self, path: str, target: BinaryIO) -> None:
        """Copy a file of the host into `target`, byte by byte. Raises Problem, and OSError of `target`."""
        channel = self._channel()
        try:
            # A full disk of this machine is no lost connection.
            for chunk in self._content(channel, path):
                target.write(chunk)
        finally:
            channel.close()

    def _content(self, channel: Channel, path: str) -> Iterator[bytes]:
        with self._told():
            yield self._root.run(channel, *SHELL, 'exec cat "$1"', "sh", path)
            yield from iter(lambda: channel.recv(CHUNK), b"")
            status = channel.exit_status(CHANNEL_SECONDS)
        if status != 0:
            raise Problem(f"{self.host.name}: {path} can't be read (exit status {status})")

    def tunnel(self, address: str, port: int) -> Any:
        """A socket-like channel to address:port as seen from the host. Raises Problem when nothing answers."""
        from paramiko import SSHException

        wire = self.open()
        try:
            return wire.tunnel(address, port, CONNECT_SECONDS)
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
        self._opener.end()
        if self._wire is not None:
            self._wire.end()

    @property
    def ways(self) -> tuple[WayIn, ...]:
        """The way in, and those of its gateways."""
        return self._opener.ways

    def open(self) -> Wire:
        """Connect, unless that is done. Raises Problem."""
        with self._opening:
            if self._wire is None or not self._wire.alive:
                start = time.monotonic()
                self._wire = self._opener.wire(self._silence)
                self._seconds = time.monotonic() - start
                self._silence.begin()
                with self._told():
                    self._root.check(self._wire)
            if self._stopped.is_set():
                self.close()
                raise Stopped(f"{self.host.name}: stopped")
            return self._wire

    def _channel(self) -> Channel:
        from paramiko import SSHException

        try:
            return self.open().channel()
        except (SSHException, OSError, EOFError) as error:
            raise self._lost(error) from error

    def _send(self, channel: Channel, message: Message) -> None:
        # A channel that was kept has the short limit of its last look; a slow line takes its time for an upload.
        channel.settimeout(CHANNEL_SECONDS)
        for piece in pieces(message):
            if not channel.told(piece):
                return

    def _receive(self, channel: Channel, reader: Reader) -> None:
        before, limit, deadline = (False, -1), 0.0, 0.0
        beat = time.monotonic() + BEAT_SECONDS
        while not reader.done:
            now = time.monotonic()
            if (reader.here, reader.current) != before:
                before = (reader.here, reader.current)
                limit = patience(reader)
                deadline = now + limit
            if now > deadline:
                raise self._late(reader, limit)
            if now > beat:
                self._beat(channel, reader)
                beat = now + BEAT_SECONDS
            channel.settimeout(max(0.01, min(deadline, beat) - now))
            with suppress(TimeoutError):
                self._feed(channel, reader)

    def _beat(self, channel: Channel, reader: Reader) -> None:
        channel.told(b"\n")
        # While it takes a large message it reads no question.
        channel.listening = reader.here and (reader.heard or reader.message.size() < TOGETHER)
        if self._silence.wants_to_ask():
            channel.ask(reader.message.mark)

    def _feed(self, channel: Channel, reader: Reader) -> None:
        data = channel.recv(CHUNK)
        if not data:
            raise self._ended(channel, reader)
        reader.feed(data)

    def _late(self, reader: Reader, limit: float) -> Exception:
        if reader.gate.entered or not (self._wire and self._wire.answers()):
            return TimeoutError(f"{limit:.0f} s")
        return late(self.host, reader.gate)

    def _ended_by_us(self) -> Problem | None:
        if self._stopped.is_set():
            return Stopped(f"{self.host.name}: stopped")
        if self._silence.ended:
            return Unreachable(
                f"{self.host.name}: no sign of life for {SILENCE_SECONDS} s; is the host hung, or its network cut?"
            )
        return None

    def _ended(self, channel: Channel, reader: Reader) -> Problem:
        # The end of the output may come before the status; on a lost connection none comes (-1).
        status = -1 if self._ended_by_us() else channel.exit_status(CHANNEL_SECONDS)
        return self._ended_by_us() or ended(self.host, status, reader, channel.connected)

    def _lost(self, error: Exception) -> Problem:
        words = str(error) or type(error).__name__
        return self._ended_by_us() or Unreachable(f"{self.host.name}: the connection was lost: {words}")
