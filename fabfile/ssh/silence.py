"""How long nothing has come over a connection while somebody waits for something."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE_SECONDS = 20
"""After so long without a packet a host is unreachable, however much time its work may take."""
_ASK_EVERY = 5


class Silence:
    """Counts the beats, of a second each, at which no packet had come.

    Beats are counted, and no clock is read: a control machine that was asleep itself blames no host.
    """

    def __init__(self) -> None:
        self.ended = False
        """Whether the connection was given up."""
        self._waiting = 0
        self._lock = threading.Lock()
        self._packets = -1
        self._beats = 0

    def begin(self) -> None:
        """There is a new connection."""
        self.ended, self._beats = False, 0

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Somebody waits for an answer, for as long as this lasts."""
        with self._lock:
            self._beats = self._beats if self._waiting else 0
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def over(self, packets: int) -> bool:
        """Whether the connection is to be given up now; to be asked at every beat, with the packets so far."""
        self._beats = self._beats + 1 if self._waiting and packets == self._packets else 0
        self._packets = packets
        if self._beats < SILENCE_SECONDS or self.ended:
            return False
        self.ended = True
        return True

    def wants_to_ask(self) -> bool:
        """Whether it is time to ask for a sign of life."""
        return self._beats % _ASK_EVERY == _ASK_EVERY - 1

    @property
    def suspicious(self) -> bool:
        """Whether a question for a sign of life has not been answered for some time."""
        return self._beats > 2 * _ASK_EVERY
