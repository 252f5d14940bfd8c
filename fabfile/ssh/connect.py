"""An open connection to a host by paramiko, or the reason why there is none, as one sentence."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import Problem, Unreachable, printable, reason
from .authenticate import authenticate, tried
from .inside import NoGreeting, handshake
from .keyfile import UnusableKey
from .keys import Keys
from .known_hosts import ShownKey, algorithms, check
from .proxy import CommandSocket, through_command
from .silence import SILENCE_SECONDS
from .way import AUTH_SECONDS, WayIn

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Asked for first: one pass over the data instead of two."""


class _PromptSocket(socket.socket):
    """Acknowledges at once, which sshd's many small packets would else wait for, and is read in large pieces."""

    _ahead = b""

    def recv(self, size: int, flags: int = 0) -> bytes:
        ahead = self._ahead
        if not ahead:
            ahead = super().recv(1 << 16, flags)
            if _QUICKACK is not None:
                self.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self._ahead = ahead[size:]
        return ahead[:size]


_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""Ends a write, too, that nobody confirms."""


def tcp(way: WayIn, seconds: float) -> socket.socket:
    """A TCP connection within that time; every address of the name is tried. Raises OSError."""
    last: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(way.address, way.host.port, 0, socket.SOCK_STREAM):
        sock = _PromptSocket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _USER_TIMEOUT is not None:
                sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, SILENCE_SECONDS * 1000)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
            continue
        return sock
    raise last


class NoCommonAlgorithm(Unreachable):
    """paramiko and the host's sshd have nothing in common; the OpenSSH client may have."""


Through = Callable[[str, int], Any]
"""Opens a channel to an address by way of a gateway."""


def connected(way: WayIn, keys: Keys, through: Through | None = None) -> Any:
    """An open connection (a paramiko Transport), its host key checked. Raises Unreachable, one sentence."""
    unusable: list[UnusableKey] = []
    with _told(way, unusable):
        return _transport(way, keys, through, unusable)


def greet(way: WayIn, keys: Keys, through: Through | None = None) -> None:
    """See whether paramiko and an sshd agree on algorithms there. Raises Unreachable with the reason where not."""
    with _told(way, []):
        _transport(way, keys, through, None).close()


@contextmanager
def _told(way: WayIn, unusable: Sequence[UnusableKey]) -> Iterator[None]:
    import paramiko
    from paramiko.ssh_exception import IncompatiblePeer

    # The library logs its own tracebacks; their reason reaches the operator as an error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    where = way.where
    try:
        yield
    except paramiko.AuthenticationException as error:
        raise Unreachable(f"{where}: {LOGIN_REFUSED}{tried(way, unusable)}{not_tried(unusable)}") from error
    except UnusableKey as error:
        others = [one for one in unusable if one is not error]
        raise Unreachable(f"{where}: the key {error}{not_tried(others)}") from error
    except TimeoutError as error:
        raise Unreachable(no_answer(way)) from error
    except socket.gaierror as error:
        raise Unreachable(f"{where}: the name can't be resolved") from error
    except IncompatiblePeer as error:
        raise NoCommonAlgorithm(f"{where}: no common algorithm ({error}); {_OTHER_WAYS}") from error
    except paramiko.SSHException as error:
        raise Unreachable(f"{where}: it does not answer as sshd does: {error}") from error
    except (OSError, EOFError, ValueError) as error:
        raise Unreachable(f"{where}: {reason(error)}") from error


LOGIN_REFUSED = "login refused; check user and key in hosts.toml"
_OTHER_WAYS = 'reach it by ssh = "openssh", an sshd older than OpenSSH 7.2 with legacy_ssh = true as well'


def no_answer(way: WayIn) -> str:
    """The sentence for a host that takes no connection within the limit."""
    return f"{way.where}: no answer within {way.flags.connect_seconds:.0f} s"


def not_tried(unusable: Sequence[UnusableKey]) -> str:
    """The end of a sentence about a login."""
    return "".join(f"; not tried: the key {one}" for one in unusable)


def _transport(way: WayIn, keys: Keys, through: Through | None, unusable: list[UnusableKey] | None) -> Any:
    """Without `unusable`, one whose host key is not checked, and which is not logged in."""
    import paramiko

    name, known = way.known_as, keys.known(way.host)
    sock = _socket(way, through)
    transport: Any = paramiko.Transport(sock)
    try:
        transport.banner_timeout = way.flags.connect_seconds
        transport.auth_timeout = AUTH_SECONDS
        options = transport.get_security_options()
        options.ciphers = (*CIPHERS, *(cipher for cipher in options.ciphers if cipher not in CIPHERS))
        options.key_types = algorithms(known.keys(name), options.key_types)
        handshake(transport, 2 * way.flags.connect_seconds)
        if unusable is not None:
            shown = transport.get_remote_server_key()
            check(way.host, name, known, ShownKey(shown.get_name(), shown.get_base64()), way.straight)
            authenticate(transport, way, keys, unusable)
    except BaseException as error:
        said = _words_of(way, sock, error)
        transport.close()
        if isinstance(sock, CommandSocket):
            sock.end()
        if said:
            raise Unreachable(f"{way.where}: {said}") from error
        raise
    return transport


def _words_of(way: WayIn, sock: Any, error: BaseException) -> str:
    """The words for an end of which the library's own are not the reason; empty for any other one."""
    import paramiko

    refused = isinstance(error, paramiko.AuthenticationException | TimeoutError | Problem)
    ended = not refused and isinstance(error, paramiko.SSHException | OSError | EOFError | NoGreeting)
    if isinstance(sock, CommandSocket) and ended and (failure := sock.failure()):
        return failure
    return _no_greeting(way, sock, error) if isinstance(error, NoGreeting) else ""


def _no_greeting(way: WayIn, sock: Any, error: NoGreeting) -> str:
    """The words for one that takes the connection, and does not begin as sshd does."""
    seconds = f"{way.flags.connect_seconds:g} s"
    first = printable(error.said.decode(errors="replace").strip().partition("\n")[0].strip())[:100]
    if isinstance(sock, CommandSocket):
        said = f"it says {words!r}" if (words := first or printable(sock.words())) else "it says nothing"
        return f"{sock.name} was started, and no word of sshd comes within {seconds}; {said}"
    if first:
        return f"it does not answer as sshd does: it says {first!r}"
    if error.ended:
        why = "it takes no more logins at once (MaxStartups), lets nobody in from here, or is another service"
        return f"it ends the connection before a word of sshd; {why}"
    why = "the host is frozen or overloaded, or another service listens there"
    return f"it accepts the connection, and no word of sshd comes within {seconds}; {why}"


def _socket(way: WayIn, through: Through | None) -> Any:
    if through:
        return through(way.address, way.host.port)
    if way.settings.proxy_command:
        return through_command(way.settings.proxy_command)
    return tcp(way, way.flags.connect_seconds)
