"""How commands on a host become root's: as they are, or through sudo, in a terminal where sudo wants one."""

from __future__ import annotations

import time
from contextlib import closing

from ..errors import Problem
from ..inventory import Host
from .ending import WantsTerminal, at_the_gate, behind_the_gate, late, lost, refused
from .gate import PROMPT, SHELL, STARTUP_SECONDS, WARD, Gate, gated, last_words
from .protocol import CHANNEL_SECONDS
from .receiver import receiver
from .wire import Channel, Wire

CHUNK = 1 << 17


class Root:
    """Begins commands as root on one host, each behind the gate of its own channel."""

    def __init__(self, host: Host, password: str | None) -> None:
        self._host = host
        self._password = password if host.user != "root" else None
        self._terminal = False

    @property
    def sudo(self) -> tuple[str, ...]:
        """The words before a command."""
        if self._host.user == "root":
            return ()
        # -k: whether the password is read must not depend on what was typed there before.
        prompt = PROMPT if self._terminal else ""
        return ("sudo", "-S", "-k", "-p", prompt) if self._password else ("sudo", "-n")

    def wants_terminal(self) -> None:
        """Begin every further command in one."""
        self._terminal = True

    def receive(self, channel: Channel) -> tuple[Gate, bytes]:
        """Begin the receiver, without waiting for it; the gate, and the bytes from behind it that came meanwhile."""
        return self._begin(channel, receiver(self.sudo, self._terminal), wait=False)

    def run(self, channel: Channel, *words: str) -> bytes:
        """Begin a command, and wait until it is behind the gate; the first bytes from there. Raises Problem."""
        return self._begin(channel, gated(*words, sudo=self.sudo, terminal=self._terminal))[1]

    def _begin(self, channel: Channel, command: str, wait: bool = True) -> tuple[Gate, bytes]:
        gate, first = Gate(), b""
        channel.begin(command, self._terminal)
        if not self._terminal:
            channel.told(WARD)
        channel.await_login()
        if self._terminal or wait:
            first = self._entered(channel, gate)
        if self._password and not self._terminal:
            self._authorise(channel)
        return gate, first

    def _authorise(self, channel: Channel) -> None:
        channel.told(f"{self._password}\n".encode())

    def _entered(self, channel: Channel, gate: Gate) -> bytes:
        behind, prompts, deadline = b"", 0, time.monotonic() + STARTUP_SECONDS
        while not gate.entered:
            channel.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = channel.recv(CHUNK)
            except TimeoutError as error:
                raise late(self._host, gate) from error
            if not data:
                raise self._not_entered(channel, gate)
            behind = gate.feed(data)
            if self._terminal and gate.before.count(PROMPT.encode()) > prompts:
                prompts += 1
                self._answer_prompt(channel, prompts)
        channel.settimeout(CHANNEL_SECONDS)
        return behind

    def _answer_prompt(self, channel: Channel, number: int) -> None:
        if number > 1:
            raise refused(self._host, "the password is wrong")
        self._authorise(channel)

    def _not_entered(self, channel: Channel, gate: Gate) -> Problem:
        status = channel.exit_status(CHANNEL_SECONDS)
        if not channel.connected:
            return lost(self._host)
        if self._terminal:
            return behind_the_gate(self._host, status, gate.said)
        return at_the_gate(self._host, status, gate)

    def check(self, wire: Wire) -> None:
        """Find out a wrong password, and whether sudo wants a terminal. Raises Problem.

        sudo would take what follows a wrong password for further tries. The password is sent to nothing that has not
        shown itself, which costs a round trip here, and none later.
        """
        if not self._password:
            return
        try:
            self._try(wire)
        except WantsTerminal:
            self.wants_terminal()
            self._try(wire)

    def _try(self, wire: Wire) -> None:
        with closing(wire.channel()) as channel:
            said = self._answer(channel)
            if (status := channel.exit_status(CHANNEL_SECONDS)) != 0:
                raise behind_the_gate(self._host, status, said)

    def _answer(self, channel: Channel) -> str:
        """What sudo says to the password."""
        said = self.run(channel, *SHELL, ":")
        if not self._terminal:
            channel.end_input()
        while data := channel.recv(CHUNK):
            said += data
        return last_words(said)
