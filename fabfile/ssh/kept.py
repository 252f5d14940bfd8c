"""Channels that are kept open: their receivers wait for a next message."""

from __future__ import annotations

import threading
from contextlib import suppress

from .wire import Channel


class KeptChannels:
    """The open channels of one connection, used by several threads. A beat never falls into a message."""

    def __init__(self, *channels: Channel) -> None:
        self._channels = list(channels)
        self._lock = threading.Lock()

    def put(self, channel: Channel) -> None:
        self._channels.append(channel)

    def take(self) -> Channel | None:
        """A channel for a message, which is kept no longer; None where there is none."""
        with self._lock:
            return self._channels.pop() if self._channels else None

    def beat(self) -> None:
        """Show the waiting receivers that somebody is still there."""
        with self._lock:
            for channel in self._channels:
                with suppress(OSError, EOFError):
                    channel.told(b"\n")

    def forget(self) -> None:
        """Keep none of them; their connection has ended."""
        self._channels.clear()
