"""Connections that the OpenSSH client makes: a process for each channel, or a session of the user's ControlMaster."""

from __future__ import annotations

import itertools
import os
import select
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from socket import MSG_PEEK
from typing import Any

from ..errors import Unreachable
from .client import ssh
from .connect import no_answer
from .keys import Keys
from .protocol import CHANNEL_SECONDS
from .proxy import CommandSocket, ended_with_children, through_command
from .refusal import Refusal
from .scratch import Scratch
from .told import environment
from .waiting import Signal, ready
from .way import AUTH_SECONDS, WayIn

LOST = 255
"""ssh's own exit status; the login shell's and the receiver's are others."""
_END_SECONDS = 2.0
_STREAM = 1 << 16


class OpenSSHChannel:
    """One ssh process, which ends with it."""

    def __init__(self, wire: OpenSSHWire) -> None:
        self.listening = False
        self.progress = 0
        """Grows with all that comes, and with all that is taken off our hands but a beat."""
        self._wire = wire
        self._limit = CHANNEL_SECONDS
        self._begun = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        """What is given back at the end of the login or, at the latest, of the channel."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it is read at the end
        self._logged_in = wire.signal()

    @property
    def connected(self) -> bool:
        return self._process is not None and self._process.poll() in (None, *range(LOST))

    def begin(self, command: str, terminal: bool = False) -> None:
        self._held.enter_context(self._wire.room)
        self._begun = time.monotonic()
        self._process = self._wire.started(
            ssh(self._wire.ways, *self._logged_in.options, target=("-tt" if terminal else "-T",)), command, self._errors
        )
        os.set_blocking(self._in, False)

    def await_login(self) -> None:
        limit = 2 * self._wire.ways[0].flags.connect_seconds + AUTH_SECONDS
        try:
            self._await(limit)
        finally:
            self._held.close()
        self._wire.seconds = self._wire.seconds or time.monotonic() - self._begun

    def _await(self, seconds: float) -> None:
        """A signal comes from ssh itself; over a ControlMaster, the first word is one."""
        if not ready(seconds, (self._out, select.POLLIN), (self._logged_in.handle, select.POLLIN)):
            raise Unreachable(no_answer(self._wire.ways[0]))
        if self._logged_in.given() or ready(0, (self._out, select.POLLIN))[0][1] & select.POLLIN:
            return
        if self.exit_status(CHANNEL_SECONDS) >= 0 or self._wire.ended or self._logged_in.given():
            return
        raise self._wire.refusal.of(self._words(), time.monotonic() - self._begun)

    @property
    def _in(self) -> int:
        assert self._process and self._process.stdin
        return self._process.stdin.fileno()

    @property
    def _out(self) -> int:
        assert self._process and self._process.stdout
        return self._process.stdout.fileno()

    def told(self, data: bytes) -> bool:
        taken = self._sent(data)
        self.progress += taken and len(data) > 1
        return taken

    def _sent(self, data: bytes) -> bool:
        left = memoryview(data)
        while left:
            if not ready(self._limit, (self._in, select.POLLOUT)):
                raise TimeoutError
            try:
                done = os.write(self._in, left[:_STREAM])
            except BlockingIOError:
                continue
            except OSError:
                return False
            left = left[done:]
        return True

    def ask(self, mark: str, /) -> None:
        self._sent(f"@ask {mark}\n".encode())

    def recv(self, size: int) -> bytes:
        if not ready(self._limit, (self._out, select.POLLIN)):
            raise TimeoutError
        if data := os.read(self._out, size):
            self.progress += 1
            return data
        # What goes wrong before the receiver is there is told beside the output.
        return self._words() if self.exit_status(CHANNEL_SECONDS) != 0 else b""

    def _words(self) -> bytes:
        """All that was said beside the output, once."""
        if self._errors.closed:
            return b""
        with self._errors:
            self._errors.seek(0)
            return self._errors.read()

    def settimeout(self, seconds: float) -> None:
        self._limit = seconds

    def end_input(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def exit_status(self, seconds: float) -> int:
        assert self._process
        with suppress(subprocess.TimeoutExpired):
            status = self._process.wait(seconds)
            return status if 0 <= status < LOST else -1
        return -1

    def close(self) -> None:
        self._held.close()
        self._logged_in.close()
        self._errors.close()
        self._wire.forget(self)
        if self._process is None:
            return
        ended_with_children(self._process)
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """End the process; may be called from another thread, which then sees the end of the output."""
        if self._process is not None:
            ended_with_children(self._process)


class OpenSSHWire:
    """The ways to a host, its own first, then those of its gateways; each channel takes them anew."""

    def __init__(
        self,
        ways: Sequence[WayIn],
        keys: Keys,
        through: Callable[[str, int], Any] | None,
        room: AbstractContextManager[object],
    ) -> None:
        """`room` is held for as long as a login takes."""
        self.ways = tuple(ways)
        self.seconds = 0.0
        self.room = room
        self.ended = False
        self.refusal = Refusal(self.ways, keys, through)
        self._channels: list[OpenSSHChannel] = []
        self._silent = itertools.count()
        self._lock = threading.Lock()
        self._folder = Scratch()
        self._names = itertools.count()
        self._environment = environment(self.ways[0], self._folder.path)

    def greet(self) -> None:
        """See to it that a key of the host is known. Raises Unreachable."""
        self.refusal.unknown_key()

    @property
    def alive(self) -> bool:
        return not self.ended

    def channel(self) -> OpenSSHChannel:
        one = OpenSSHChannel(self)
        with self._lock:
            self._channels.append(one)
        return one

    def forget(self, channel: OpenSSHChannel) -> None:
        """A channel has ended."""
        with self._lock, suppress(ValueError):
            self._channels.remove(channel)

    def signal(self) -> Signal:
        """A way for a new ssh to say that it is logged in."""
        return Signal(self._folder.path / str(next(self._names)))

    def started(self, words: Sequence[str], command: str, errors: Any) -> subprocess.Popen[bytes]:
        """An ssh process that runs a command, out of reach of this terminal's Ctrl-C: the run itself ends it."""
        with self._lock:
            if self.ended:
                raise EOFError
            return subprocess.Popen(
                [*words, command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                env=self._environment,
                start_new_session=True,
            )

    def tunnel(self, address: str, port: int, seconds: float) -> CommandSocket:
        carried, signal, begun = self._carried(), self.signal(), time.monotonic()
        words = ssh(self.ways, *signal.options, target=("-W", f"[{address}]:{port}"))
        socket = through_command(shlex.join(words), self._environment)
        try:
            limit = max(0.3, self.seconds) if carried else seconds + AUTH_SECONDS
            found = ready(limit, (socket.fileno(), select.POLLIN), (signal.handle, select.POLLIN))
            # Whether somebody answers there is known one way back and forth later; no login takes less.
            if found and signal.given():
                found = ready(max(0.3, time.monotonic() - begun), (socket.fileno(), select.POLLIN))
            if found and not socket.recv(1, MSG_PEEK):
                raise OSError
        except OSError:
            socket.end()
            socket.close()
            raise
        finally:
            signal.close()
        return socket

    def _carried(self) -> bool:
        """Whether a ControlMaster of the user's own carries what is begun now: then nothing tells of a login."""
        asked = ssh(self.ways, target=("-O", "check"))
        how: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        how |= {"env": self._environment, "start_new_session": True, "timeout": CHANNEL_SECONDS}
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(asked, check=False, **how).returncode == 0
        return False

    def packets(self) -> int:
        with self._lock:
            channels = list(self._channels)
        silent = 0 if any(one.listening for one in channels) else next(self._silent) + 1
        return hash((silent, *((id(one), one.progress) for one in channels)))

    def answers(self) -> bool:
        return self.refusal.shown() is not None

    def end(self) -> None:
        with self._lock:
            self.ended = True
            channels = list(self._channels)
        self.refusal.end()
        for one in channels:
            one.end()
        # The process may end without any ceremony.
        self._folder.cleanup()
