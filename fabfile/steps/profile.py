"""A look into running processes by py-spy: where each spends its time, or where each of its threads is now."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .base import Action, CannotLook, Found, Payload, Probe
from .shell import cmd

RATE = 100
"""Samples a second of each process."""
MOST_BYTES = 32 * 1024 * 1024
"""Of one answer; the stacks of a component take less than one of them."""
SPARE_SECONDS = 60.0
"""For the way of py-spy to the host and of the answers back, besides the sampling."""
# - The binary goes where files may be executed, into a directory of root's that is removed at any end of the script.
# - py-spy holds a process for the moment of a sample; the kernel lets it go when py-spy ends, however that happens.
# - Samples are of the thread that holds Python's lock: others that wait look as if they worked where CPU is short.
# - Answers are packed: a process may have any bytes in the names of its functions.
_SCRIPT = """\
umask 077
d=
trap 'rm -rf "$d"' EXIT
trap 'exit 129' HUP INT TERM
for t in /opt/pyspider "$HOME" /var/tmp /tmp; do
  d=$(mktemp -d "$t/profile.XXXXXX" 2>/dev/null) || continue
  gzip -dc <"$1" >"$d/py-spy" && chmod 700 "$d/py-spy" && "$d/py-spy" --version >/dev/null 2>&1 && break
  rm -rf "$d"; d=
done
[ -n "$d" ] || { echo 'no directory for programs'; exit 73; }
for pid in {pids}; do
  { {run} >"$d/$pid.said" 2>&1; echo "$?" >"$d/$pid.status"; } &
done
wait
for pid in {pids}; do
  f=$d/$pid.{kind}; [ -s "$f" ] || f=$d/$pid.said
  echo "$pid $(cat "$d/$pid.status") $(head -c {most} "$f" | gzip -c | base64 | tr -d '\\n')"
done
"""
_RECORD = '"$d/py-spy" record --gil --pid "$pid" --duration {seconds} --rate {rate} --format raw --output "$d/$pid.raw"'
_DUMP = '"$d/py-spy" dump --pid "$pid"'


@dataclass(frozen=True, slots=True)
class Told:
    """What py-spy told of a process; its own words where it could not look."""

    ok: bool
    text: str


def packed(binary: Path) -> Payload:
    """The binary as it travels."""
    return Payload(gzip.compress(binary.read_bytes(), 6, mtime=0))


@dataclass(frozen=True, slots=True)
class Sampling:
    """A look that samples the stacks of all these processes at once, for so many seconds."""

    binary: Payload
    pids: tuple[int, ...]
    seconds: int
    name: str = "sample"

    def probe(self) -> Probe:
        return _probe(self.binary, self.pids, _RECORD.format(seconds=self.seconds, rate=RATE), "raw", self.seconds)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


@dataclass(frozen=True, slots=True)
class Dumping:
    """A look at where each thread of these processes is now."""

    binary: Payload
    pids: tuple[int, ...]
    name: str = "dump"

    def probe(self) -> Probe:
        return _probe(self.binary, self.pids, _DUMP, "said", 0)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


def _probe(binary: Payload, pids: Sequence[int], run: str, kind: str, seconds: int) -> Probe:
    script = _SCRIPT
    for name, value in {"pids": str(cmd(*map(str, pids))), "run": run, "kind": kind, "most": str(MOST_BYTES)}.items():
        script = script.replace("{" + name + "}", value)
    return Probe(script, (binary,), limit=seconds + SPARE_SECONDS)


def told(found: Found, pids: Sequence[int]) -> Mapping[int, Told]:
    """The answers by pid. Raises CannotLook."""
    rows = [line.split(" ") for line in found.text.splitlines()]
    whole = [row for row in rows if len(row) == 3 and row[0].isdigit()]
    answers = {int(pid): Told(status == "0", _unpacked(text)) for pid, status, text in whole}
    if found.status or not set(pids) <= answers.keys():
        raise CannotLook(f"py-spy could not run there: {found.text[-300:].strip() or f'exit status {found.status}'}")
    return answers


def _unpacked(text: str) -> str:
    try:
        opened = zlib.decompressobj(zlib.MAX_WBITS | 16)
        content = opened.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error):
        opened = None
    if opened is None or not opened.eof:
        raise CannotLook("py-spy's answer arrived damaged")
    return content.decode(errors="replace")
