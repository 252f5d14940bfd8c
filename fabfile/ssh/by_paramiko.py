"""Connections that paramiko makes."""

from __future__ import annotations

from typing import Any

from . import inside
from .protocol import CHANNEL_SECONDS
from .silence import Silence

_KEEPALIVE_SECONDS = 15
_IDLE_SECONDS = 5.0


class ParamikoChannel:
    """A channel of a paramiko transport."""

    listening = True

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        channel.set_combine_stderr(True)
        channel.settimeout(CHANNEL_SECONDS)

    @property
    def connected(self) -> bool:
        return inside.connected(self._channel)

    def begin(self, command: str, terminal: bool = False) -> None:
        if terminal:
            self._channel.get_pty()
        inside.begin_command(self._channel, command)

    def await_login(self) -> None:
        """The transport has logged in."""

    def told(self, data: bytes) -> bool:
        return inside.told(self._channel, data)

    def ask(self, _mark: str, /) -> None:
        inside.ask(self._channel.transport)

    def recv(self, size: int) -> bytes:
        data: bytes = self._channel.recv(size)
        return data

    def settimeout(self, seconds: float) -> None:
        self._channel.settimeout(seconds)

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def exit_status(self, seconds: float) -> int:
        return inside.exit_status(self._channel, seconds)

    def close(self) -> None:
        self._channel.close()


class ParamikoWire:
    """One TCP connection with all its channels."""

    seconds = 0.0

    def __init__(self, transport: Any, silence: Silence) -> None:
        self._transport, self._silence = transport, silence
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        inside.look_up_every(transport, _IDLE_SECONDS)

    @property
    def alive(self) -> bool:
        return bool(self._transport.is_active())

    def channel(self) -> ParamikoChannel:
        return ParamikoChannel(self._transport.open_session(timeout=CHANNEL_SECONDS))

    def tunnel(self, address: str, port: int, seconds: float) -> Any:
        return self._transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=seconds)

    def packets(self) -> int:
        return inside.packets(self._transport)

    def answers(self) -> bool:
        # It has been asked for signs of life meanwhile.
        return not self._silence.suspicious

    def end(self) -> None:
        inside.end(self._transport)
