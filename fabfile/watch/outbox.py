"""The messages that wait for a sink: none is lost while the sink is down, up to a bound. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from .changes import News

MOST = 1000
"""Messages that wait for one sink; beyond, the oldest are dropped, and counted."""
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 600.0


class Outbox(Struct, frozen=True):
    """The messages for one sink, oldest first."""

    waiting: tuple[News, ...] = ()
    dropped: int = 0
    """Messages that were dropped since the last delivery."""
    failures: int = 0
    """Deliveries in a row that failed."""
    after: float = 0.0
    """The next delivery is tried then, in seconds since 1970."""
    why: str = ""
    """Why the last delivery failed."""

    def with_new(self, messages: Sequence[News]) -> Outbox:
        """The outbox with further messages."""
        every = (*self.waiting, *messages)
        return replace(self, waiting=every[-MOST:], dropped=self.dropped + max(0, len(every) - MOST))

    def due(self, now: float) -> bool:
        """Whether a delivery is to be tried now; also after a clock was put back."""
        return bool(self.waiting) and not 0 < self.after - now <= LONGEST_PAUSE

    def batch(self, bytes_: int) -> tuple[News, ...]:
        """The oldest messages that fit into so many bytes of text, one at least."""
        taken: list[News] = []
        left = bytes_
        for one in self.waiting:
            left -= len(line(one).encode()) + 1
            if taken and left < 0:
                break
            taken.append(one)
        return tuple(taken)

    def delivered(self, sent: Outbox, batch: Sequence[News]) -> Outbox:
        """The outbox without the news that were taken of it as it was `sent`; more may have come meanwhile."""
        taken = set(map(id, batch))
        left = tuple(one for one in self.waiting if id(one) not in taken)
        return Outbox(left, self.dropped - sent.dropped)

    def failed(self, why: str, now: float) -> Outbox:
        """The outbox after a delivery that failed: the next one waits longer each time."""
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)
        return replace(self, failures=self.failures + 1, after=now + pause, why=why)


def text(cluster: str, messages: Iterable[News], dropped: int = 0) -> str:
    """The messages for a person, a line each below one with the cluster's name."""
    lost = [f"({dropped} older messages were dropped: nobody took them)"] if dropped else []
    return "\n".join([f"pyspider cluster {cluster}", *lost, *map(line, messages)])


def line(message: News) -> str:
    """One message with its time."""
    import time

    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(message.at))} {message}"
