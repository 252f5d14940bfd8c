"""Opens the connections to one host: by paramiko or by the OpenSSH client, directly or through a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from .by_paramiko import ParamikoWire
from .choice import by_openssh
from .connect import NoCommonAlgorithm, Through, connected
from .keys import Keys
from .openssh import OpenSSHWire
from .proxy import CommandSocket, through_command
from .silence import Silence
from .way import WayIn
from .wire import Wire


class Gateway(Protocol):
    """The link to the machine through which a host is reached."""

    room: AbstractContextManager[Any]
    """Held while a connection is set up through it."""

    @property
    def ways(self) -> tuple[WayIn, ...]:
        """The way in to it, and those of its own gateways."""

    def open(self) -> Wire:
        """Connect to it, unless that is done. Raises Problem."""

    def tunnel(self, address: str, port: int) -> Any:
        """A socket-like channel to an address as seen from there. Raises Problem."""


class Opener:
    """The way to one host, and the client that has proved to be the right one."""

    def __init__(self, way: WayIn, keys: Keys, gateway: Gateway | None) -> None:
        self._way, self._keys, self._gateway = way, keys, gateway
        self._by_openssh: bool | None = None
        self._proxy: CommandSocket | None = None
        self._begun: OpenSSHWire | None = None

    @property
    def ways(self) -> tuple[WayIn, ...]:
        """The host's own way in first, then that of its gateway, and so on."""
        return (self._way, *(self._gateway.ways if self._gateway else ()))

    def wire(self, silence: Silence) -> Wire:
        """A new connection. Raises Problem."""
        if self._gateway:
            # Its own link opens it: once, with its host key checked.
            self._gateway.open()
        if self._by_openssh is None:
            self._by_openssh = by_openssh(self._way, self._keys)
        if not self._by_openssh:
            try:
                with self._room:
                    return ParamikoWire(connected(self._way, self._keys, self._through), silence)
            except NoCommonAlgorithm:
                if self._way.host.ssh is not None:
                    raise
            self._by_openssh = True
        with self._beginning() as one:
            one.greet()
        return one

    @contextmanager
    def _beginning(self) -> Iterator[OpenSSHWire]:
        self._begun = one = OpenSSHWire(self.ways, self._keys, self._through, self._room)
        try:
            yield one
        except BaseException:
            one.end()
            raise
        finally:
            self._begun = None

    @property
    def _room(self) -> AbstractContextManager[Any]:
        return self._gateway.room if self._gateway else nullcontext()

    @property
    def _through(self) -> Through | None:
        if self._gateway:
            return self._gateway.tunnel
        return self._by_command if self._way.settings.proxy_command else None

    def _by_command(self, _address: str, _port: int) -> CommandSocket:
        """The way by ssh_config's ProxyCommand, which ends with this, also where it never led anywhere."""
        self._proxy = through_command(self._way.settings.proxy_command or "")
        return self._proxy

    def end(self) -> None:
        """End all that is not the wire's own; may be called from another thread."""
        if self._proxy:
            self._proxy.end()
        if begun := self._begun:
            begun.end()
