"""What goes over one exec channel: many scripts in, one framed answer out.

The far side gets a fixed receiver in argv and everything else on stdin: first the sizes of what
follows, then one generated main script, then the payloads. Nothing runs before all of it has
arrived, so a cut upload changes nothing. The main script answers with lines that start with a mark
that is new for every exchange; anything else on the stream (a login banner, a chatty profile) is
not ours and is ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .shell import cmd
from .steps.base import Action, Found, Payload, Probe

BEAT_SECONDS = 1.0
"""How often the control machine shows that it is still there. Five seconds without a beat end what it began."""

# A line before the first one is a password that sudo did not ask for.
# Whoever only looks writes to no disk: its payloads are small and stay in memory.
# The receiver outlives the script: it reads on until the end of stdin, which comes when the control
# machine has read the last answer or is gone. A cut cable brings no end of stdin, so whoever changes
# something is watched: without a beat for five seconds the watch ends the script as well.
_RECEIVER = """\
umask 077
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
watch=
until [ "$watch" = watch ] || [ "$watch" = look ]; do read -r watch sizes || exit 74; done
T=${TMPDIR:-/tmp}
[ "$watch" = watch ] || for t in /dev/shm /run; do [ ! -d "$t" ] || [ ! -w "$t" ] || T=$t; done
D=$(mktemp -d "$T/fab.XXXXXXXXXX") || exit 73
trap 'rm -rf "$D"' EXIT
trap 'exit 129' HUP INT TERM
i=0
for n in $sizes; do
  head -c "$n" >"$D/$i" || exit 73
  [ "$(wc -c <"$D/$i")" -eq "$n" ] || exit 74
  i=$((i+1))
done
end() {
  [ -e "$D/finished" ] && return
  p=$(cat "$D/pid") && kill -TERM -"$p" && sleep 2
  kill -KILL -"$p"
}
setsid sh "$D/0" "$D" </dev/null &
if [ "$watch" = watch ]; then
  (
    missed=0
    while [ "$missed" -lt 5 ] && [ ! -e "$D/finished" ]; do
      sleep 1
      if [ -e "$D/beat" ]; then missed=0; rm -f "$D/beat"; else missed=$((missed+1)); fi
    done
    [ -e "$D/finished" ] || { end; kill "$$"; }
  ) >/dev/null 2>&1 </dev/null &
fi
while read -r beat; do : >"$D/beat"; done 2>/dev/null
end 2>/dev/null
:
"""

_PRELUDE = """\
D=$1
echo $$ >"$D/pid"
exec 3>&1
say() { printf '\\n%s say %s %s\\n' "$M" "$I" "$*" >&3; }
p() {
  I=$1; printf '\\n%s begin %s\\n' "$M" "$I"
  o=$("i$I" 2>&1); r=$?
  printf '\\n%s end %s %s %s\\n%s\\n' "$M" "$I" "$r" "${#o}" "$o"
}
# An action may start a daemon that keeps its output open: a file is no pipe to hang on.
a() {
  I=$1; printf '\\n%s begin %s\\n' "$M" "$I"
  ( set -e; "i$I" ) >"$D/out" 2>&1; r=$?
  printf '\\n%s end %s %s %s\\n' "$M" "$I" "$r" "$(($(wc -c <"$D/out")))"; cat "$D/out"; echo
}
"""


def receiver(sudo: Sequence[str] = ()) -> str:
    """The one command line of every exchange; holds no data of its own."""
    return str(cmd(*sudo, "/bin/sh", "-c", _RECEIVER))


@dataclass(frozen=True, slots=True)
class Message:
    """One exchange's stdin: a head with sizes and the script, then the payloads in order."""

    mark: str
    script: bytes
    payloads: tuple[Payload, ...]
    limits: tuple[float, ...]
    changes: bool
    """Whether it holds actions: then it must not go on when the control machine is gone."""

    def head(self) -> bytes:
        """What goes out first: one line of sizes, then the main script itself."""
        sizes = [len(self.script), *(payload.size() for payload in self.payloads)]
        words = ["watch" if self.changes else "look", *map(str, sizes)]
        return " ".join(words).encode() + b"\n" + self.script


JOURNAL = "/var/log/pyspider-fabfile.log"
"""On every host: who changed what, when, and how it ended; one line for each exchange that changes something."""


def message(actions: Sequence[Action], probes: Sequence[Probe], who: str = "", journal: str = JOURNAL) -> Message:
    """Actions first, stopping at the first that fails; then all probes, whatever happened before.

    With `who` the host keeps a line about it.
    """
    mark = "@" + secrets.token_hex(8)
    payloads: list[Payload] = []
    body = [f"M={mark}", _PRELUDE, "r=0"]
    items: list[Action | Probe] = [*actions, *probes]
    for index, item in enumerate(items):
        names = " ".join(f'"$D/{len(payloads) + 1 + offset}"' for offset in range(len(item.payloads)))
        payloads += item.payloads
        call = f'[ "$r" != 0 ] || a {index}' if index < len(actions) else f"p {index}"
        body.append(f"i{index}() {{\nset -- {names}\n{item.script}\n}}\n{call}")
        if who and index == len(actions) - 1:
            body.append(_journal(who, actions, journal))
    # The mark first: stdin may end as soon as `done` is read, and what was started must not be ended then.
    body.append(': >"$D/finished"\nprintf \'\\n%s done\\n\' "$M"\n')
    limits = tuple(item.limit for item in items)
    return Message(mark, "\n".join(body).encode(), tuple(payloads), limits, bool(actions))


def _journal(who: str, actions: Sequence[Action], journal: str) -> str:
    values = cmd(who, "; ".join(action.says for action in actions))
    line = 'printf \'%s %s: exit status %s: %s\\n\' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$r" "$2"'
    return f"( set -- {values}; {line} >>{cmd(journal)} ) 2>/dev/null"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to item `index`: `begin`, `say` (a phase) or `end`."""

    kind: str
    index: int
    text: str = ""
    status: int = 0


@dataclass
class Reader:
    """Turns the bytes of an answer into events and findings; tolerates noise between frames."""

    mark: str
    on_event: Callable[[Event], None] = lambda _event: None
    found: dict[int, Found] = field(default_factory=dict)
    noise: list[str] = field(default_factory=list)
    done: bool = False
    current: int | None = None
    _buffer: bytes = b""
    _body: tuple[int, int, int] | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream; `done` turns true after the last frame."""
        self._buffer += data
        while not self.done and (self._take_body() if self._body else self._take_line()):
            pass

    def _take_body(self) -> bool:
        assert self._body is not None
        index, status, size = self._body
        if len(self._buffer) < size:
            return False
        text, self._buffer, self._body = self._buffer[:size].decode(errors="replace"), self._buffer[size:], None
        self.found[index] = Found(status, text)
        self.current = None
        self.on_event(Event("end", index, text, status))
        return True

    def _take_line(self) -> bool:
        line, separator, rest = self._buffer.partition(b"\n")
        if not separator:
            return False
        self._buffer = rest
        words = line.decode(errors="replace").split(" ", 3)
        if words[0] != self.mark:
            if line.strip():
                self.noise.append(line.decode(errors="replace"))
            return True
        self._frame(words)
        return True

    def _frame(self, words: list[str]) -> None:
        match words[1:]:
            case ["begin", index]:
                self.current = int(index)
                self.on_event(Event("begin", int(index)))
            case ["say", index, *text]:
                self.on_event(Event("say", int(index), " ".join(text)))
            case ["end", index, numbers]:
                status, size = numbers.split()
                self._body = (int(index), int(status), int(size))
            case ["done"]:
                self.done = True
