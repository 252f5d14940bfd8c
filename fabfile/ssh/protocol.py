"""The protocol of one exec channel: scripts in, framed answers out, message after message.

The far side gets a fixed receiver in argv and everything else on stdin, behind the gate (gate.py).
A message is a line of sizes, one generated main script, the payloads and a line that ends it:
nothing runs before all of it has arrived, so a cut upload changes nothing. The script answers with
lines that start with a mark that is new for every message; what stands before the gate's greeting
(a login banner, a chatty profile) is not ours and is ignored. The channel may stay open for the
next message, so that looking and changing cost one login shell.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from ..steps.base import Action, Found, Payload, Probe
from ..steps.journal import JOURNAL
from ..steps.shell import cmd, in_any_shell
from .gate import GATE, SHELL, Gate, gated, last_words

CHANNEL_SECONDS = 20.0
"""The time for a channel to open, and to take or give the next bytes."""
BEAT_SECONDS = 1.0
"""How often the control machine shows that it is still there. Five seconds without a beat end its work."""
SHORT = 1500
"""Bytes up to which a script is read by the shell itself, line by line: cheaper there than one more process."""

# Whatever runs on this side's behalf is in the receiver's process group, so that it can be ended as a whole. sshd makes
# each command the leader of a group; behind sudo, or in another sshd, the receiver has to become one.
_LEADER = """\
{ read -r _ _ _ _ g _ </proc/$$/stat; } 2>/dev/null
[ "$g" = $$ ] || exec setsid /bin/sh -c "$1" sh
eval "$1"
"""

# - Every fork and exec here is paid for by every host at every run: hence builtins where they will do.
# - A look writes to no disk: its payloads are small and stay in memory ($F); those of changes do not ($K).
# - The name of one folder does not tell that of the other, so that nobody is there first; what is there is not used.
# - `p` gives a probe a pipe of its own, since others parse what it prints. An action's output goes straight out:
#   it may start a daemon that keeps its output open, and nobody would see the end of that pipe.
# - The end of stdin means that the control machine has read the last answer, or is gone. Its last answer may be
#   read before this side has seen its own script end: so that has a moment before it counts as running.
# - A cut cable brings no end of stdin: `watch` ends what was begun after five seconds without a beat and
#   without a byte of an upload.
# - In a terminal a lost connection is a HUP.
# - `su` waits two seconds between the TERM that it passes on and its own KILL: three here.
# - `@ask` is a question for a sign of life, where the connection itself can't be asked for one.
# - A line that is no message and no beat is a password that sudo did not ask for.
_RECEIVER = """\
umask 077
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
exec 3>&1
B= W= X= P= Y= SHOW=yes
say() { printf '\\n%s say %s %s\\n' "$M" "$I" "$*" >&3; }
p() { I=$1; o=$("i$I" 2>&1); printf '\\n%s out %s\\n%s\\n%s end %s %s\\n' "$M" "$I" "$o" "$M" "$I" "$?"; }
a() {
  I=$1
  printf '\\n%s out %s\\n' "$M" "$I"
  ( set -e; "i$I" ) 2>&1
  r=$?
  printf '\\n%s end %s %s\\n' "$M" "$I" "$r"
}
running() { [ -n "$B" ] && read -r s <"/proc/$B/stat" && case ${s##*) } in [ZX]*) false ;; esac; } 2>/dev/null
clear() { [ -z "$W" ] || kill "$W"; [ -z "$P" ] || rm -rf "$K" "$F"; } >/dev/null 2>&1
end() { trap : TERM; kill -TERM 0; sleep 3; rm -rf "$K" "$F"; kill -KILL 0; } >/dev/null 2>&1
watch() {
  m=0 l=
  trap 'm=0' USR1
  while [ "$m" -lt 5 ]; do
    m=$((m+1))
    sleep 1
    n=
    for d in "$K" "$F"; do [ ! -d "$d" ] || n=$n$(ls -l "$d"); done
    [ "$n" = "$l" ] || { l=$n; m=0; }
  done
  end
}
places() {
  X=$M
  K=${TMPDIR:-/tmp}/fab.${M#@????????}
  f=${M%????????}
  F=${TMPDIR:-/tmp}/fab.${f#@}
  for t in /dev/shm /run; do [ ! -d "$t" ] || [ ! -w "$t" ] || F=$t/fab.${f#@}; done
}
trap clear EXIT
trap 'running && end; exit 129' HUP
trap 'exit 129' INT TERM
trap '' USR1
while read -r go M kind n sizes; do
  case $go in
    go) ;;
    end) end ;;
    @ask) printf '\n%s alive\n' "$M" >&3; continue ;;
    *) [ -z "$W" ] || kill -USR1 "$W" 2>/dev/null; continue ;;
  esac
  printf '\\n%s here\\n' "$M"
  [ -n "$X" ] || places
  if [ "$kind" != look ] && [ -z "$W" ]; then
    watch </dev/null >/dev/null 2>&1 3>&1 &
    W=$!
  fi
  S=
  case $n in
    L*) n=${n#L}; while [ "$n" -gt 0 ]; do IFS= read -r s || exit 74; S="$S$s
"; n=$((n-1)); done ;;
    *) S=$(head -c "$n"); [ "${#S}" -eq "$n" ] || exit 74 ;;
  esac
  D=$F
  [ "$kind" != change ] || D=$K
  n=0
  for s in $sizes; do
    P=yes
    case $Y in *" $D "*) ;; *) mkdir -m 700 "$D" || exit 73; Y="$Y $D " ;; esac
    n=$((n+1))
    head -c "$s" >"$D/$n" || exit 73
  done
  read -r s && [ "$s" = "$M" ] || exit 74
  { trap - USR1; eval "$S"; } </dev/null &
  B=$!
done
n=0
while running && [ "$n" -lt 200 ]; do n=$((n+1)); done
running && sleep 1 && running && end
:
"""


@cache
def receiver(sudo: tuple[str, ...] = (), terminal: bool = False) -> str:
    """The one command line of every exchange; holds no data of its own. It expects the gate's ward first."""
    if sudo:
        return gated(*SHELL, _LEADER, "sh", _RECEIVER, sudo=sudo, terminal=terminal)
    return str(in_any_shell(f"set -- {cmd(_RECEIVER)}\n{GATE}{_LEADER}"))


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
    return f"( set -- {values}; {line} >>{cmd(journal)} ) 2>/dev/null"


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
    _searched: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.current >= len(self.message.limits)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += self.gate.feed(data)
        while not self.done and self._take_frame():
            pass
        if self.message.streams and self.heard and not self.done:
            self._tell()

    def _tell(self) -> None:
        """Tell the lines that are whole; the last line's end may be the beginning of a frame."""
        text, end, rest = self._buffer.rpartition(b"\n")
        self._buffer, self._searched = end + rest, 0
        whole, _, begun = b"".join([*self._output, text]).rpartition(b"\n")
        self._output = [begun]
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
            case ["out", index]:
                self._begin(int(index))
            case ["say", index, *text]:
                self.on_event(Event("say", int(index), " ".join(text)))
            case ["end", index, status]:
                self._end(int(index), int(status))

    def _begin(self, index: int) -> None:
        self._output, self.heard, self.current = [], True, index
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
