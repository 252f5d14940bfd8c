"""All that reaches into paramiko's inside, each with a test that tells of a paramiko in which it is no longer so.

Types are `Any`: paramiko has none for its inside.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any


class NoGreeting(Exception):
    """No line came by which an SSH server begins."""

    def __init__(self, said: bytes, ended: bool) -> None:
        super().__init__(said)
        self.said = said
        """The other side's first words, which are something else; empty where it said none."""
        self.ended = ended
        """Whether the other side has ended the connection."""


def handshake(transport: Any, seconds: float) -> None:
    """Agree on keys, within one limit for all of it.

    Raises NoGreeting, TimeoutError, or the error that ended paramiko's thread.
    """
    import paramiko

    # paramiko's own limit is one more thread for every host, and its own wait looks up ten times a second.
    transport.packetizer.start_handshake = lambda _seconds: None
    said = _overheard(transport.packetizer)
    agreed = threading.Event()
    transport.start_client(event=agreed)
    in_time = agreed.wait(seconds)
    if in_time and transport.is_active():
        return
    error = transport.get_exception() if in_time else TimeoutError()
    if not transport.remote_version:
        late = isinstance(error, TimeoutError) or isinstance(getattr(error, "__context__", None), TimeoutError)
        raise NoGreeting(bytes(said), ended=not late) from error
    raise error or paramiko.SSHException("it ended the connection")


def _overheard(packetizer: Any) -> bytearray:
    """All that is read of the other side's greeting: paramiko keeps nothing of what is none."""
    said, read = bytearray(), packetizer._read_timeout

    def overheard(seconds: float) -> bytes:
        piece: bytes = read(seconds)
        said.extend(piece)
        return piece

    packetizer._read_timeout = overheard
    return said


def look_up_every(transport: Any, seconds: float) -> None:
    """Let paramiko's thread look up so often, where it does ten times a second for every host; `end` wakes it."""
    transport.sock.settimeout(seconds)


def end(transport: Any) -> None:
    """End a connection without waiting for paramiko's thread, which tidies up by itself at the end of the stream.

    Waiting for it, host by host, costs a tenth of a second each.
    """
    with suppress(OSError, EOFError, AttributeError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.active = False
    transport.packetizer.close()


def begin_command(channel: Any, command: str) -> None:
    """Do the same as Channel.exec_command, without waiting for the reply: that is a round trip.

    A command that is refused shows in the end of the channel.
    """
    from paramiko import Message as Packet
    from paramiko.common import cMSG_CHANNEL_REQUEST

    packet = Packet()
    packet.add_byte(cMSG_CHANNEL_REQUEST)
    packet.add_int(channel.remote_chanid)
    packet.add_string("exec")
    packet.add_boolean(False)
    packet.add_string(command)
    channel.transport._send_user_message(packet)


def exit_status(channel: Any, seconds: float) -> int:
    """The exit status of a channel whose output has ended, waited for that long; -1 on a lost connection."""
    channel.status_event.wait(seconds)
    status: int = channel.exit_status
    return status


def connected(channel: Any) -> bool:
    """Whether the connection of a channel lasts, also where the channel itself has ended."""
    return bool(channel.transport.is_active())


def packets(transport: Any) -> int:
    """A number that changes with every packet that comes."""
    number: int = transport.packetizer._Packetizer__sequence_number_in
    return number


def ask(transport: Any) -> None:
    """Ask sshd for a sign of life; its answer is one more packet, and wakes nobody."""
    from paramiko import Message as Packet
    from paramiko.common import cMSG_GLOBAL_REQUEST

    packet = Packet()
    packet.add_byte(cMSG_GLOBAL_REQUEST)
    packet.add_string("keepalive@openssh.com")
    packet.add_boolean(True)
    transport._send_user_message(packet)


def told(channel: Any, data: bytes) -> bool:
    """Send all of it; whether the far side still took it. One that has ended left last words, which are to be read.

    Raises TimeoutError.
    """
    try:
        channel.sendall(data)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True
