"""The one place that talks SSH."""

from __future__ import annotations

import getpass
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .errors import NotReached, Problem, Unreachable
from .hostkeys import HostKeyPolicy, changed_key, known_hosts
from .inventory import Host
from .shell import cmd
from .steps.base import Found
from .wire import BEAT_SECONDS, Event, Message, Reader, receiver

CONNECT_SECONDS = 10.0
AUTH_SECONDS = 30.0
CHANNEL_SECONDS = 20.0
KEEPALIVE_SECONDS = 15
THROUGH_A_GATEWAY = 8
"""How many connections are set up through one gateway at a time: below what sshd begins to refuse."""
CHUNK = 1 << 17


class Stopped(NotReached):
    """The operator ended the run while this exchange was under way."""

    exit_status = 130


class Link(Protocol):
    """A way to run messages on one host."""

    @property
    def operator(self) -> str:
        """Who works through it, for the host's own journal; empty where none is kept."""

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        """Run a message; the answer of each item that ran. Raises Unreachable or Stopped."""

    def resume(self) -> None:
        """Make it usable again after it was stopped."""

    def close(self) -> None:
        """End it, and with it all that still runs there on its behalf."""


class SSHLink:
    """One connection to one host, opened at its first use and kept for the whole run."""

    def __init__(
        self, host: Host, connection: Any, sudo_password: str | None = None, gateway: SSHLink | None = None
    ) -> None:
        self.host = host
        self._gateway = gateway
        self._through_me = threading.BoundedSemaphore(THROUGH_A_GATEWAY)
        self._connection = connection
        self._sudo_password = sudo_password
        self._stopped = threading.Event()
        self._opening = threading.Lock()

    @property
    def operator(self) -> str:
        return f"{getpass.getuser()}@{socket.gethostname()}"

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        """One exec channel: everything in, everything out, within the items' own limits."""
        channel = self._channel()
        try:
            self._begin(channel, receiver(self._sudo()))
            self._send(channel, message)
            return self._receive(channel, message, on_event)
        except TimeoutError as error:
            late = str(error) or f"{CHANNEL_SECONDS:.0f} s"
            raise Unreachable(f"{self.host.name}: no answer within {late}; is the host hung?") from error
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        finally:
            channel.close()

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
        with suppress(OSError, EOFError):
            self._connection.client.close()

    def _open(self) -> Any:
        with self._opening:
            transport = self._connection.client.get_transport()
            if transport is None or not transport.is_active():
                self._connect()
                transport = self._connection.client.get_transport()
                transport.set_keepalive(KEEPALIVE_SECONDS)
                self._check_sudo(transport)
            if self._stopped.is_set():
                raise Stopped(f"{self.host.name}: stopped")
            return transport

    def _connect(self) -> None:
        if not self._gateway:
            _connect(self.host, self._connection)
            return
        # Its own link opens it: once, with its host key checked.
        self._gateway._open()
        with self._gateway._through_me:
            _connect(self.host, self._connection)

    def _channel(self) -> Any:
        from paramiko import SSHException

        try:
            channel = self._open().open_session(timeout=CHANNEL_SECONDS)
        except (SSHException, OSError, EOFError) as error:
            raise self._lost(error) from error
        channel.set_combine_stderr(True)
        return channel

    def _sudo(self) -> tuple[str, ...]:
        if self.host.user == "root":
            return ()
        # -k: whether the password is read must not depend on what was typed there before.
        return ("sudo", "-S", "-k", "-p", "") if self._sudo_password else ("sudo", "-n")

    def _begin(self, channel: Any, command: str) -> None:
        channel.exec_command(command)
        channel.settimeout(CHANNEL_SECONDS)
        if self._sudo_password and self.host.user != "root":
            channel.sendall(self._sudo_password.encode() + b"\n")

    def _check_sudo(self, transport: Any) -> None:
        """A wrong password is found out here: sudo would take what follows it for further tries."""
        if self.host.user == "root" or not self._sudo_password:
            return
        with closing(transport.open_session(timeout=CHANNEL_SECONDS)) as channel:
            self._begin(channel, str(cmd(*self._sudo(), "true")))
            channel.shutdown_write()
            if channel.recv_exit_status() != 0:
                raise Problem(f"{self.host.name}: sudo refuses {self.host.user}: the password is wrong, or it may not")

    def _send(self, channel: Any, message: Message) -> None:
        try:
            channel.sendall(message.head())
            for payload in message.payloads:
                for chunk in _chunks(payload.content):
                    channel.sendall(chunk)
        except TimeoutError:
            raise
        except OSError:
            # The far side has ended already: what it said about it is still to be read.
            return

    def _receive(self, channel: Any, message: Message, on_event: Callable[[Event], None]) -> dict[int, Found]:
        reader = Reader(message.mark, on_event)
        before, limit = None, CHANNEL_SECONDS
        deadline, beat = time.monotonic() + limit, time.monotonic() + BEAT_SECONDS
        while not reader.done:
            if reader.current != before:
                before = reader.current
                limit = CHANNEL_SECONDS if before is None else message.limits[before]
                deadline = time.monotonic() + limit
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"{limit:.0f} s")
            if now > beat:
                channel.sendall(b"\n")
                beat = now + BEAT_SECONDS
            channel.settimeout(max(0.01, min(deadline, beat) - now))
            with suppress(TimeoutError):
                self._feed(channel, reader)
        return reader.found

    def _feed(self, channel: Any, reader: Reader) -> None:
        data = channel.recv(CHUNK)
        if not data:
            raise self._ended(channel, reader)
        reader.feed(data)

    def _ended(self, channel: Any, reader: Reader) -> Problem:
        if self._stopped.is_set():
            return Stopped(f"{self.host.name}: stopped")
        # The end of the output may come before the status; on a lost connection none comes (-1).
        channel.status_event.wait(CHANNEL_SECONDS)
        status = channel.exit_status
        said = "; ".join(reader.noise[-3:])
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


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        yield from iter(lambda: stream.read(CHUNK), b"")


def link(host: Host, config: Any, gateway: SSHLink | None = None) -> SSHLink:
    """A link for one host; to be called in the main thread, since it clones Fabric's configuration."""
    from fabric import Connection

    # The library logs its own tracebacks; what matters of them reaches the operator as an error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    kwargs: dict[str, Any] = {"auth_timeout": AUTH_SECONDS, "banner_timeout": CONNECT_SECONDS}
    if host.key is not None:
        kwargs |= {"key_filename": str(host.key), "look_for_keys": False, "allow_agent": False}
    connection = Connection(
        host.address,
        user=host.user,
        port=host.port,
        config=config.clone(),
        gateway=gateway._connection if gateway else None,
        connect_timeout=int(CONNECT_SECONDS),
        connect_kwargs=kwargs,
    )
    return SSHLink(host, connection, config.sudo.password, gateway)


def _connect(host: Host, connection: Any) -> None:
    """Open the connection with the host's key checked. Every refusal ends as one sentence."""
    import paramiko

    where = f"{host.name}: {host.user}@{host.address}:{host.port}"
    client = connection.client
    client.set_missing_host_key_policy(HostKeyPolicy(host, where))
    try:
        if known_hosts(host).exists():
            client.load_system_host_keys(str(known_hosts(host)))
    except OSError as error:
        raise Unreachable(f"{where}: known_hosts can't be read: {error}") from error
    try:
        connection.open()
    except paramiko.BadHostKeyException as error:
        raise Unreachable(changed_key(where, host, error)) from error
    except paramiko.PasswordRequiredException as error:
        raise Unreachable(
            f"{where}: the key {host.key} has a passphrase; give it to an agent, or use --prompt-for-passphrase"
        ) from error
    except paramiko.AuthenticationException as error:
        raise Unreachable(f"{where}: login refused; check user and key in hosts.toml") from error
    except TimeoutError as error:
        raise Unreachable(f"{where}: no answer within {CONNECT_SECONDS:.0f} s") from error
    except socket.gaierror as error:
        raise Unreachable(f"{where}: the name can't be resolved") from error
    except paramiko.SSHException as error:
        raise Unreachable(f"{where}: it does not answer as sshd does: {error}") from error
    except (OSError, EOFError, ValueError) as error:
        raise Unreachable(f"{where}: {_os_reason(error)}") from error


def _os_reason(error: BaseException) -> str:
    nested = getattr(error, "errors", None)
    if isinstance(nested, dict) and nested:
        error = next(iter(nested.values()))
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (reason or type(error).__name__).lower()
