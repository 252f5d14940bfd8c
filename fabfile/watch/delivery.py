"""Delivers what waits to the sinks, all at once, so that a slow one delays neither the others nor the next look."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import Problem
from ..inventory.passwords import Password
from .changes import News, Observed
from .outbox import Outbox
from .sinks import SECONDS, Sink, beat

WAIT = 25.0
"""Seconds for which a look waits for deliveries; one that takes longer goes on meanwhile."""
POSTS = 5
"""Deliveries to one sink after one look: robots take twenty a minute."""
AREA = "watch@sinks"
HEARTBEAT = "heartbeat"


@dataclass
class Delivery:
    """The sinks with their outboxes, and the deliveries under way."""

    cluster: str
    sinks: Sequence[Sink]
    outboxes: Mapping[str, Outbox] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._boxes = {one.name: self.outboxes.get(one.name, Outbox()) for one in self.sinks}
        self._busy: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._silence = ""

    def boxes(self) -> dict[str, Outbox]:
        """The outboxes as they are now."""
        with self._lock:
            return dict(self._boxes)

    def put(self, messages: Sequence[News]) -> None:
        """Let the messages wait for every sink."""
        with self._lock:
            self._boxes = {name: box.with_new(messages) for name, box in self._boxes.items()}

    def deliver(self, wait: float = WAIT) -> None:
        """Try every sink that is due, and wait so long at most. Never raises."""
        for sink in self.sinks:
            busy = self._busy.get(sink.name)
            if not (busy and busy.is_alive()) and self.boxes()[sink.name].due(time.time()):
                thread = threading.Thread(target=self._send, args=(sink,), daemon=True, name=sink.name)
                self._busy[sink.name] = thread
                thread.start()
        deadline = time.monotonic() + wait
        for thread in self._busy.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def beat(self, url: Password, wait: float = SECONDS) -> None:
        """Ask the heartbeat's address, for so long at most. Never raises; `faults` tells of a failure."""

        def ask() -> None:
            try:
                beat(url)
                self._silence = ""
            except Problem as error:
                self._silence = str(error)

        if not (busy := self._busy.get(HEARTBEAT)) or not busy.is_alive():
            self._busy[HEARTBEAT] = threading.Thread(target=ask, daemon=True, name=HEARTBEAT)
            self._busy[HEARTBEAT].start()
        self._busy[HEARTBEAT].join(wait)

    def faults(self) -> Observed:
        """The sinks that are down, for the others to tell."""
        failing = {name: box for name, box in self.boxes().items() if box.failures}
        silent = {HEARTBEAT: f"heartbeat: no answer: {self._silence}"} if self._silence else {}
        texts = {name: f"{name}: no delivery: {box.why}" for name, box in failing.items()} | silent
        return Observed({f"{AREA}/{name}": text for name, text in texts.items()})

    def _send(self, sink: Sink) -> None:
        for _ in range(POSTS):
            box = self.boxes()[sink.name]
            batch = box.batch(sink.bytes_)
            if not batch:
                return
            try:
                sink.send(self.cluster, batch, box.dropped)
            except Problem as error:
                self._failed(sink.name, str(error))
                return
            self._delivered(sink.name, box, batch)

    def _failed(self, name: str, why: str) -> None:
        with self._lock:
            self._boxes[name] = self._boxes[name].failed(why, time.time())

    def _delivered(self, name: str, sent: Outbox, batch: Sequence[News]) -> None:
        with self._lock:
            self._boxes[name] = self._boxes[name].delivered(sent, batch)
