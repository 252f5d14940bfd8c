"""The pulse of a component: what it tells in Redis of its own work, every few seconds (templates/launcher/pulse.py)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode

KEY = "pyspider:pulse"
FAILED = ":failed"
"""The end of the name of a list with the messages of a queue that were put aside."""


class Wait(Struct, frozen=True):
    """A store that a process waits for."""

    store: str
    """Its name in sentences."""
    seconds: float
    """The time since it answered last."""
    error: str = ""


class Pulse(Struct, frozen=True):
    """The work of one process; times are its host's, in seconds since 1970."""

    pid: int
    role: str
    at: float
    asked_at: float
    """It asked for work then."""
    began: float = 0
    state: str = ""
    taken: int = 0
    done: int = 0
    failed: int = 0
    open: int = 0
    """Messages in its hands."""
    last_error: str = ""
    away: tuple[str, ...] = ()
    """The stores that it waits for."""
    refused: tuple[str, ...] = ()
    """The words of those that answer, and refuse what it asks for."""
    waits: tuple[Wait, ...] = ()
    """`away` with times and errors; empty where the release is older."""

    @property
    def silent(self) -> float:
        """Seconds without a question for work; none while it waits for a store, or for its turn."""
        return 0.0 if self.away or self.state != "works" else max(0.0, self.at - self.asked_at)


def pulses(told: Mapping[object, object]) -> dict[str, Pulse]:
    """The pulses of a cluster, by host/program; those that can't be read are left out."""
    found = {}
    for name, text in told.items():
        try:
            found[_text(name)] = decode(_text(text), type=Pulse)
        except (DecodeError, ValidationError):
            continue
    return found


def of_host(found: Mapping[str, Pulse], host: str) -> dict[str, Pulse]:
    """The pulses of a host's programs, by their names."""
    named = (name.partition("/") for name in found)
    return {program: found[f"{at}/{program}"] for at, _, program in named if at == host}


def _text(raw: object) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
