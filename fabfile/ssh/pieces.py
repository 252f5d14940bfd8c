"""A message as the pieces in which it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .protocol import Message

CHUNK = 1 << 17
TOGETHER = 1 << 15
"""Bytes up to which a message is sent as one piece."""


def pieces(message: Message) -> Iterator[bytes]:
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
