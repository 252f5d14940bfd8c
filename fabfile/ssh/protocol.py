"""The protocol of one exec channel: scripts in, framed answers out, message after message.

The far side gets a fixed receiver in argv and everything else on stdin, behind the gate (gate.py).
A message is a line of sizes, one generated main script, the payloads and a line that ends it:
nothing runs before all of it has arrived, so a cut upload changes nothing. The script answers with
lines that start with a mark that is new for every message; what stands before the gate's greeting
(a login banner, a chatty profile) is not ours and is ignored. The channel may stay open for the
next message, so that looking and changing cost one login shell.
"""

from __future__ import annotations

import posixpath
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..steps.base import Action, Found, Payload, Probe
from ..steps.journal import JOURNAL
from ..steps.shell import cmd
from .gate import Gate, Nonsense, last_words

CHANNEL_SECONDS = 20.0
"""The time for a channel to open, and to take or give the next bytes."""
BEAT_SECONDS = 1.0
"""How often the control machine shows that it is still there. Five seconds without a beat end its work."""
SHORT = 1500
"""Bytes up to which a script is read by the shell itself, line by line: cheaper there than one more process."""

_STATUS = re.compile(r"\d{1,3}")
MOST = 64 << 20
"""Bytes of the answer of one item."""
MOST_OF_A_LINE = 16 << 20
"""Bytes of a line that is told while its item runs."""


@dataclass(frozen=True, slots=True)
class Message:
    """All that is sent at once: a head with sizes and the script, then the payloads in order, then the tail."""

    mark: str
    script: bytes
    payloads: tuple[Payload, ...]
    limits: tuple[float, ...]
    actions: int
    """How many of the items are actions; they come first."""
    keep_open: bool = False
    """Another message follows in the same channel."""
    streams: bool = False
    """Its one item tells as it goes: each line becomes an event, and nothing of it is kept."""

    def head(self) -> bytes:
        """The first bytes: one line of sizes, then the main script itself."""
        # Whatever may last is watched over, and ends without a beat.
        kind = "change" if self.actions else "keep" if self.keep_open or self.streams else "look"
        short = len(self.script) <= SHORT
        lines = self.script.count(b"\n") + 1
        size = f"L{lines}" if short else str(len(self.script))
        words = ["go", self.mark, kind, size, *(str(payload.size()) for payload in self.payloads)]
        return " ".join(words).encode() + b"\n" + self.script + (b"\n" if short else b"")

    def size(self) -> int:
        """The bytes of its payloads."""
        return sum(payload.size() for payload in self.payloads)

    def tail(self) -> bytes:
        """The last bytes: they show that nothing is missing."""
        return self.mark.encode() + b"\n"

    def kept_open(self) -> Message:
        """The same, with another message to follow in its channel."""
        return replace(self, keep_open=True)


def message(
    actions: Sequence[Action], probes: Sequence[Probe], who: str = "", journal: str = JOURNAL, show: bool = True
) -> Message:
    """Actions first, stopping at the first that fails; then all probes, whatever happened before.

    With `who` the host keeps a line about it. Without `show` the probes' $SHOW is empty: they leave out what
    only a diff would need.
    """
    payloads: list[Payload] = []
    body = ["r=0"] if actions else []
    if not show:
        body.append("SHOW=")
    items: list[Action | Probe] = [*actions, *probes]
    for index, item in enumerate(items):
        names = " ".join(f'"$D/{len(payloads) + 1 + offset}"' for offset in range(len(item.payloads)))
        payloads += item.payloads
        call = f'[ "$r" != 0 ] || a {index}' if index < len(actions) else f"p {index}"
        body.append(f"i{index}() {{\nset -- {names}\n{item.script}\n}}\n{call}")
        if who and index == len(actions) - 1:
            body.append(_journal(who, actions, journal))
    limits = tuple(item.limit for item in items)
    script = "\n".join(body).encode()
    return Message("@" + secrets.token_hex(8), script, tuple(payloads), limits, len(actions))


def stream(probe: Probe) -> Message:
    """A probe whose lines are told while it runs, until it ends or the link is stopped; each is an Event `line`.

    It ends its pieces with an empty line: a line's end may belong to a frame that is on its way.
    """
    names = " ".join(f'"$D/{number}"' for number in range(1, len(probe.payloads) + 1))
    script = f"i0() {{\nset -- {names}\n{probe.script}\n}}\na 0"
    mark = "@" + secrets.token_hex(8)
    return Message(mark, script.encode(), probe.payloads, (probe.limit,), 0, streams=True)


def _journal(who: str, actions: Sequence[Action], journal: str) -> str:
    # The control machine's clock: one process less on every host, and one clock for all of them.
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    values = cmd(f"{when} {who}", "; ".join(action.says for action in actions))
    line = 'printf \'%s: exit status %s: %s\\n\' "$1" "$r" "$2"'
    folder, file = posixpath.split(journal)
    # Others than root may write in that folder: no link is followed there, and no pipe waited for.
    append = cmd("dd", f"of=./{file}", "oflag=append,nofollow,nonblock", "conv=notrunc")
    return f"( set -- {values}; {cmd('cd', '-P', folder)} && {line} | {append} ) >/dev/null 2>&1"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to item `index`: `begin`, `say` (a phase), `line` (of one that streams) or `end`."""

    kind: str
    index: int
    text: str = ""
    status: int = 0


@dataclass
class Reader:
    """Turns the bytes of a message's answer into events and findings; tolerates noise before the first frame."""

    message: Message
    on_event: Callable[[Event], None] = lambda _event: None
    gate: Gate = field(default_factory=Gate)
    """One that has been passed already, where the channel was kept for this message."""
    found: dict[int, Found] = field(default_factory=dict)
    here: bool = False
    """Whether the receiver has seen the message's first line."""
    heard: bool = False
    """Whether there was a frame of an item: without one nothing of the message has begun."""
    current: int = 0
    """The item that runs or comes next; a probe's frames come all at once, when it has ended."""
    _buffer: bytes = b""
    _output: list[bytes] = field(default_factory=list)
    _size: int = 0
    _searched: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.current >= len(self.message.limits)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        new = self.gate.feed(data)
        self._buffer += new
        self._size += len(new)
        while not self.done and self._take_frame():
            pass
        if self.message.streams and self.heard and not self.done:
            self._tell()
        if self._size > (MOST_OF_A_LINE if self.message.streams else MOST):
            raise Nonsense(f"its answer is longer than {self._size >> 20} MB; let a command write so much into a file")

    def _tell(self) -> None:
        """Tell the lines that are whole; the last line's end may be the beginning of a frame."""
        text, end, rest = self._buffer.rpartition(b"\n")
        self._buffer, self._searched = end + rest, 0
        whole, _, begun = b"".join([*self._output, text]).rpartition(b"\n")
        self._output = [begun]
        self._size = len(begun) + len(self._buffer)
        self._tell_lines(whole)

    def _tell_lines(self, text: bytes) -> None:
        for line in text.split(b"\n"):
            if line:
                self.on_event(Event("line", self.current, line.decode(errors="replace")))

    def _take_frame(self) -> bool:
        separator = b"\n" + self.message.mark.encode() + b" "
        start = self._buffer.find(separator, self._searched)
        end = self._buffer.find(b"\n", start + len(separator)) if start >= 0 else -1
        if end < 0:
            # The part that was searched is not searched again; a separator may have come in half.
            self._searched = max(0, start if start >= 0 else len(self._buffer) - len(separator))
            return False
        before, frame = self._buffer[:start], self._buffer[start + len(separator) : end]
        self._buffer, self._searched = self._buffer[end + 1 :], 0
        self._output.append(before)
        self._frame(frame.decode(errors="replace").split(" ", 2))
        return True

    def _frame(self, words: list[str]) -> None:
        match words:
            case ["here"]:
                self._output, self.here = [], True
            # Each item has its time: so none comes twice, and nothing goes back.
            case ["out", index] if index == str(self.current):
                self._begin(self.current)
            case ["say", index, *text] if index == str(self.current):
                self.on_event(Event("say", self.current, " ".join(text)))
            case ["end", index, status] if index == str(self.current) and _STATUS.fullmatch(status):
                self._end(self.current, int(status))
            case ["out" | "say" | "end", *_]:
                raise Nonsense("the parts of its answer are in no order; is it the machine that it should be?")

    def _begin(self, index: int) -> None:
        self._output, self.heard, self._size = [], True, len(self._buffer)
        self.on_event(Event("begin", index))

    def _end(self, index: int, status: int) -> None:
        if self.message.streams:
            self._tell_lines(b"".join(self._output))
            self._output = []
        text = b"".join(self._output).decode(errors="replace")
        self._output = []
        self.found[index] = Found(status, text)
        self.on_event(Event("end", index, text, status))
        # After a failed action only the probes are left.
        failed = status != 0 and index < self.message.actions
        self.current = self.message.actions if failed else index + 1

    @property
    def said(self) -> str:
        """The last lines from behind the gate that are none of ours."""
        return last_words(b"".join([*self._output, self._buffer]))
