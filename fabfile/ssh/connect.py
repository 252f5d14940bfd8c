"""How to log in to a host: hosts.toml, ssh_config and fab's own flags become one value, and that an open connection."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Problem, Unreachable, WrongInput, printable, reason
from ..inventory import Host
from ..inventory.fleet import SSH_PORT
from .config import Settings, SSHConfig
from .inside import NoGreeting, handshake
from .keyfile import LockedKey, UnusableKey
from .keys import DEFAULT_KEYS, Keys, of_agent, public_halves
from .known_hosts import algorithms, check, entry
from .proxy import CommandSocket, through_command
from .silence import SILENCE_SECONDS

CONNECT_SECONDS = 10.0
AUTH_SECONDS = 20.0
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Asked for first: one pass over the data instead of two."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The options of `fab` itself about logging in; read once, since reading Invoke's configuration is slow."""

    ssh_config: SSHConfig
    key_files: tuple[str, ...] = ()
    passphrase: str | None = None
    password: str | None = None
    connect_seconds: float = CONNECT_SECONDS
    sudo_password: str | None = None


def flags(config: Any) -> Flags:
    """The flags in Fabric's configuration (`-i`, `-t`, `--prompt-for-…`) and the ssh_config that they name (`-S`)."""
    given = dict(config.connect_kwargs)
    files = given.get("key_filename") or ()
    return Flags(
        SSHConfig(config._runtime_ssh_path or config.ssh_config_path),
        (files,) if isinstance(files, str) else tuple(files),
        given.get("passphrase"),
        given.get("password"),
        float(given.get("timeout") or config.timeouts.connect or CONNECT_SECONDS),
        config.sudo.password,
    )


@dataclass(frozen=True, slots=True)
class WayIn:
    """Everything that is known about the way in to one host before the first packet."""

    host: Host
    """With the user and the port that ssh_config says where hosts.toml leaves them open."""
    flags: Flags
    settings: Settings

    @property
    def address(self) -> str:
        return self.settings.address

    @property
    def key_files(self) -> tuple[str, ...]:
        """Those of the flags and of ssh_config; hosts.toml's own key comes before them."""
        return (*self.flags.key_files, *self.settings.key_files)

    @property
    def known_as(self) -> str:
        """The name under which known_hosts holds it."""
        return self.settings.host_key_alias or entry(self.address, self.host.port)

    @property
    def where(self) -> str:
        return f"{self.host.name}: {self.host.user}@{self.host.address}:{self.host.port}"


def login(host: Host, given: Flags) -> WayIn:
    """The way in to a host; what hosts.toml says goes before ssh_config. Raises WrongInput."""
    found = given.ssh_config.of(host)
    said = {"user": found.user, "port": found.port}
    known = {key: value for key, value in said.items() if key in host.unsaid and value is not None}
    return WayIn(replace(host, **known), given, found)  # type: ignore[arg-type]


def hop(text: str, given: Flags, like: Host) -> Host:
    """A ProxyJump of ssh_config, `[user@]address[:port]`, as a host to log in to; keys are looked up as for `like`."""
    user, _, where = text.removeprefix("ssh://").rpartition("@")
    address, _, port = where.partition(":")
    if port and not port.isdigit():
        raise WrongInput(f"{like.name}: ssh_config: ProxyJump {text}: no port number")
    unsaid = {key for key, said in (("user", user), ("port", port)) if not said}
    named = Host(
        text,
        address,
        int(port or SSH_PORT),
        user or _local_user(),
        known_hosts=like.known_hosts,
        host_keys=like.host_keys,
        unsaid=frozenset(unsaid),
    )
    return login(named, given).host


def _local_user() -> str:
    import getpass

    return getpass.getuser()


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


def _tcp(way: WayIn) -> socket.socket:
    """A TCP connection; every address of the name is tried, within one limit for all."""
    last: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(way.address, way.host.port, 0, socket.SOCK_STREAM):
        sock = _PromptSocket(family, kind, protocol)
        try:
            sock.settimeout(way.flags.connect_seconds)
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


def connected(way: WayIn, keys: Keys, through: Callable[[str, int], Any] | None = None) -> Any:
    """An open connection (a paramiko Transport), its host key checked. Every refusal ends as one sentence: Unreachable.

    `through` opens a channel to an address by way of a gateway.
    """
    import paramiko
    from paramiko.ssh_exception import IncompatiblePeer

    # The library logs its own tracebacks; their reason reaches the operator as an error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    where = way.where
    unusable: list[UnusableKey] = []
    try:
        return _transport(way, keys, through, unusable)
    except paramiko.AuthenticationException as error:
        raise Unreachable(f"{where}: login refused; check user and key in hosts.toml{_not_tried(unusable)}") from error
    except UnusableKey as error:
        others = [one for one in unusable if one is not error]
        raise Unreachable(f"{where}: the key {error}{_not_tried(others)}") from error
    except TimeoutError as error:
        raise Unreachable(f"{where}: no answer within {way.flags.connect_seconds:.0f} s") from error
    except socket.gaierror as error:
        raise Unreachable(f"{where}: the name can't be resolved") from error
    except IncompatiblePeer as error:
        raise Unreachable(
            f"{where}: no common algorithm ({error}); an sshd older than OpenSSH 7.2 is reached through a gateway"
        ) from error
    except paramiko.SSHException as error:
        raise Unreachable(f"{where}: it does not answer as sshd does: {error}") from error
    except (OSError, EOFError, ValueError) as error:
        raise Unreachable(f"{where}: {reason(error)}") from error


def _not_tried(unusable: Sequence[UnusableKey]) -> str:
    return "".join(f"; not tried: the key {one}" for one in unusable)


def _transport(way: WayIn, keys: Keys, through: Callable[[str, int], Any] | None, unusable: list[UnusableKey]) -> Any:
    import paramiko

    name = way.known_as
    known = keys.known(way.host)
    sock = _socket(way, through)
    transport: Any = paramiko.Transport(sock)
    try:
        transport.banner_timeout = way.flags.connect_seconds
        transport.auth_timeout = AUTH_SECONDS
        options = transport.get_security_options()
        options.ciphers = (*CIPHERS, *(cipher for cipher in options.ciphers if cipher not in CIPHERS))
        options.key_types = algorithms(known.keys(name), options.key_types)
        handshake(transport, 2 * way.flags.connect_seconds)
        check(way.host, name, known, transport.get_remote_server_key())
        _authenticate(transport, way, keys, unusable)
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


def _socket(way: WayIn, through: Callable[[str, int], Any] | None) -> Any:
    if through:
        return through(way.address, way.host.port)
    if way.settings.proxy_command:
        return through_command(way.settings.proxy_command)
    return _tcp(way)


def _authenticate(transport: Any, way: WayIn, keys: Keys, unusable: list[UnusableKey]) -> None:
    """Try key after key, then the password. Raises paramiko's AuthenticationException when none is accepted.

    The keys that were to be tried and can't be are added to `unusable`.
    """
    import paramiko

    last: Exception = paramiko.AuthenticationException("no key to try")
    more: list[str] = []
    try:
        for key in _candidates(way, keys, unusable):
            try:
                if not (more := transport.auth_publickey(way.host.user, key)):
                    return
            except (paramiko.AuthenticationException, paramiko.SSHException) as error:
                last = error
                if not transport.is_active() or isinstance(error, paramiko.BadAuthenticationType):
                    break
    except UnusableKey as error:
        last = error
    if way.flags.password and transport.is_active():
        more = transport.auth_password(way.host.user, way.flags.password)
        if not more:
            return
    raise paramiko.AuthenticationException(f"it also wants {', '.join(more)}") if more else last


def _candidates(way: WayIn, keys: Keys, unusable: list[UnusableKey]) -> Iterator[Any]:
    """hosts.toml's key; without one the agent's, then those of the flags, ssh_config and ~/.ssh.

    With IdentitiesOnly of ssh_config the agent's are those whose public half is in one of the files.

    Raises UnusableKey for hosts.toml's own, LockedKey where there is nothing but locked ones.
    """
    locked: LockedKey | None = None
    if way.host.key is not None:
        try:
            yield keys.private(way.host.key, way.flags.passphrase)
            return
        except LockedKey as error:
            # The agent may hold it unlocked.
            locked = error
    yield from of_agent(public_halves(_files(way)) if way.settings.only_these_keys else None)
    for path in _files(way) if way.host.key is None else ():
        try:
            yield keys.private(Path(path).expanduser(), way.flags.passphrase)
        except LockedKey as error:
            locked = error
            unusable.append(error)
        except UnusableKey as error:
            if path not in DEFAULT_KEYS or Path(path).expanduser().exists():
                unusable.append(error)
    if locked:
        raise locked


def _files(way: WayIn) -> tuple[str, ...]:
    """The files of private keys: hosts.toml's, or else those of flags, ssh_config and ~/.ssh."""
    if way.host.key is not None:
        return (str(way.host.key),)
    return way.key_files if way.settings.only_these_keys and way.key_files else (*way.key_files, *DEFAULT_KEYS)
