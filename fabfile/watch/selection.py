"""What the keys of the live view choose: the order of the programs, a filter, the first line that is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Order = Literal["host", "state", "cpu", "memory", "messages"]
ORDERS: tuple[Order, ...] = ("host", "state", "cpu", "memory", "messages")
PAGE = 10
HELP = "q quit   s sort   f filter   arrows scroll"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown of the programs."""

    order: Order = "host"
    words: str = ""
    """Only lines with this in host, program or state are shown."""
    types: bool = False
    """Whether keys go into the filter."""
    first: int = 0
    ended: bool = False

    def after(self, key: str) -> Selection:
        """The choice after a key."""
        return self._typed(key) if self.types else self._told(key)

    def _typed(self, key: str) -> Selection:
        if key in ("enter", "escape"):
            return replace(self, types=False, words=self.words if key == "enter" else "")
        if key == "back":
            return replace(self, words=self.words[:-1], first=0)
        return replace(self, words=self.words + key, first=0) if len(key) == 1 else self

    def _told(self, key: str) -> Selection:
        if key == "q":
            return replace(self, ended=True)
        if key == "s":
            return replace(self, order=ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)], first=0)
        if key in ("f", "/"):
            return replace(self, types=True)
        if key == "escape":
            return replace(self, words="", first=0)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -PAGE, "page down": PAGE}
        return replace(self, first=max(0, self.first + steps.get(key, 0)))

    def within(self, lines: int, room: int) -> Selection:
        """The same, with its first line where the last ones fill the room."""
        return replace(self, first=max(0, min(self.first, lines - room)))

    @property
    def said(self) -> str:
        """The last line of the screen."""
        if self.types:
            return f"filter: {self.words}_   enter keeps it, escape ends it"
        return HELP + f"   order: {self.order}" + (f"   filter: {self.words} (escape ends it)" if self.words else "")
