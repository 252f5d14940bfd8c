"""Files as steps; every write is atomic, and others' files are kept beside."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import posixpath
import shlex
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .ground import at, looked_at, refuse_odd
from .shell import Command, assign, cmd, lines

SHOWN_BYTES = 64 * 1024
"""A larger file is compared by its checksum only; a diff of it would be of no use."""
MADE = "*'Made by fab '*|*'Made by `fab '*"
"""A shell pattern for the line by which this project knows its own files; it is among their first lines."""
_MADE_LINES = 20
_TARGET, _PATH = '"$target"', '"$path"'


@dataclass(frozen=True, slots=True)
class Seen:
    """The thing that stood at a path."""

    kind: int
    """The file type bits of st_mode; 0 where there is nothing."""
    mode: int = 0
    owner: str = ""
    group: str = ""
    sha256: str = ""
    content: bytes | None = None
    """None where it was not asked for, or is too large."""
    foreign: bool = False
    """A regular file that does not say that this project made it; known only where it was asked for."""

    @property
    def exists(self) -> bool:
        return self.kind != 0

    def owned(self, owner: str, group: str, mode: int) -> bool:
        """Whether these are its owner, group and permission bits."""
        return (self.owner, self.group, self.mode) == (owner, group, mode)


NOTHING = Seen(0)


def stat_line(path: str | Command, follow: bool = False) -> Command:
    """Prints `MODE_IN_HEX OWNER GROUP` of the thing at `path`, or nothing."""
    look = cmd("stat", "-L", "-c", "%f %U %G") if follow else cmd("stat", "-c", "%f %U %G")
    return Command(f"{look} {_word(path)} 2>/dev/null")


def parse_stat(line: str) -> Seen:
    """The answer of `stat_line`. Raises CannotLook where it makes no sense."""
    if not line:
        return NOTHING
    try:
        mode, owner, group = line.split(" ")
        bits = int(mode, 16)
    except ValueError as error:
        raise CannotLook(f"stat answered {line!r}") from error
    return Seen(stat.S_IFMT(bits), stat.S_IMODE(bits), owner, group)


def kept_suffix() -> str:
    """The ending of the name that somebody else's file gets when it is replaced."""
    return f".before-pyspider-fabfile-{time.strftime('%Y%m%d')}"


def keep_foreign(read: str = _TARGET, copy: str = "cp -pP") -> str:
    """A script that keeps a copy of the file $target beside it, unless this project made it or there is none.

    `read` is the shell word for a file that holds its content; `copy` is the command that copies it, given both names.
    """
    return f"""made=yes
if [ -f "$target" ] && [ -r "$target" ]; then
  made=
{_search(read)}
fi
if [ -z "$made" ]; then
  kept=$target{kept_suffix()} n=1
  while [ -e "$kept" ] || [ -L "$kept" ]; do kept=$target{kept_suffix()}.$n n=$((n+1)); done
  {copy} "$target" "$kept"
fi
"""


_KEEP_LAST = """\
target={path}
last=${{target%/*}}/.${{target##*/}}.was-
if [ -f "$target" ]; then
  sum=$(sha256sum <"$target" | cut -c1-12)
  cp -p "$target" "$last$sum"
  touch "$last$sum"
  ls -t "$last"* | tail -n +{most} | while read -r old; do rm -f "$old"; done
fi"""
LASTS = 5
"""The number of earlier contents that stay beside a file, by their checksums: one of them may still run."""


def _search(path: str) -> str:
    # The shell's own words cost no process on a host where nothing is to be done.
    return f"""  n=0
  while [ "$n" -lt {_MADE_LINES} ] && IFS= read -r line; do
    case $line in {MADE}) made=yes; break ;; esac
    n=$((n+1))
  done <{path}"""


def swap_in(path: str | Command, owner: str | Command, mode: int, keep: bool = False) -> str:
    """A script that puts its first payload at `path`: whole, with owner (`user:group`) and mode, or not at all.

    A Command in place of a plain text is a shell word that expands to it on the host. With `keep`, a file that
    this project did not make is copied beside before it is replaced.
    """
    # The new file has one fixed name: the next run replaces the file that a stopped one has left behind. The
    # dot keeps it out of every `include *.conf`. Every process that is not needed is one less on every host.
    return f"""\
target={_word(path)}
parent=${{target%/*}}
parent=${{parent:-/}}
[ -d "$parent" ] || {{ echo "$target: its directory $parent is missing"; exit 1; }}
[ ! -d "$target" ] || [ -L "$target" ] || {{ echo "$target: a directory is in the way"; exit 1; }}
{keep_foreign() if keep else ""}new="$parent/.${{target##*/}}.new"
{{ [ ! -e "$new" ] && [ ! -L "$new" ]; }} || rm -rf "$new"
{{ (umask {0o777 & ~mode:04o}; set -C; cat <"$1" >"$new") &&
  {_own(owner)} && {_mode(mode)}mv -fT "$new" "$target"
}} || {{ rm -f "$new"; exit 1; }}"""


def _mode(mode: int) -> str:
    # The umask takes from rw for everybody; all other bits have to be set.
    return f'chmod {mode:04o} "$new" && ' if mode & ~0o666 else ""


def _own(owner: str | Command) -> str:
    chown = f'chown -h {_word(owner)} "$new"'
    # A file that root makes is root's already, unless the directory hands on its group.
    return chown if owner != "root:root" else f'{{ [ ! -g "$parent" ] || {chown}; }}'


def unified(path: str, before: bytes, after: bytes) -> str:
    """The change of a text file as a unified diff; of a binary one as its sizes."""
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return f"{path}: {len(before)} -> {len(after)} bytes, not text\n"
    changed = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{path} (now)", f"{path} (new)", lineterm="")
    return "".join(line + "\n" for line in changed)


@dataclass(frozen=True, slots=True)
class File:
    """A regular file with exactly this content, owner and mode. Its directory must be there."""

    path: str
    content: bytes | Path = field(repr=False)
    """The bytes, or a file of the control machine that holds them."""
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    secret: bool = False
    """Neither the old nor the new content is ever shown."""
    masked: str = ""
    """The text of a secret file for a diff, with its secrets masked."""
    keep: bool = False
    """A file that this project did not make is kept beside when it is replaced."""
    keep_last: bool = False
    """The replaced file stays beside as .NAME.was-CHECKSUM, for a service that does not come up with the new one."""

    @property
    def name(self) -> str:
        return f"file {self.path}"

    def probe(self) -> Probe:
        shown = "" if self.secret or isinstance(self.content, Path) else self._sha256()
        folder, base = posixpath.split(self.path)
        return Probe(looked_at(folder, look_at(f"./{base}", shown, self.keep)))

    def diff(self, found: Found) -> Sequence[Action]:
        refuse_odd(found)
        seen = parse_look(found.text)
        if stat.S_ISDIR(seen.kind):
            raise Problem(f"{self.path}: a directory is in the way; move it away")
        if not stat.S_ISREG(seen.kind) or seen.sha256 != self._sha256():
            return [self.write(seen)]
        if not seen.owned(self.owner, self.group, self.mode):
            name = f"./{posixpath.basename(self.path)}"
            script = lines(
                cmd("chown", "-h", f"{self.owner}:{self.group}", name), cmd("chmod", f"{self.mode:04o}", name)
            )
            return [Action(f"set owner and mode of {self.path}", self._in_place(script))]
        return []

    def write(self, seen: Seen = NOTHING) -> Action:
        """The action that puts the file there, whatever is there now."""
        name = f"./{posixpath.basename(self.path)}"
        swap = swap_in(name, f"{self.owner}:{self.group}", self.mode, self.keep)
        last = [_KEEP_LAST.format(path=_word(name), most=LASTS + 1)] if self.keep_last else []
        script = self._in_place(lines(*last, swap))
        says = f"write {self.path}{told_kept(self.path, seen)}"
        return Action(says, script, (Payload(self.content),), diff=self._shown(seen))

    def _in_place(self, script: str) -> str:
        return lines(assign("target", self.path), at(posixpath.dirname(self.path), script))

    def _shown(self, seen: Seen) -> str:
        if isinstance(self.content, Path):
            return f"{self.path}: {self.content.stat().st_size} bytes\n"
        if self.secret:
            after = self.masked or f"(secret, {len(self.content.splitlines())} lines)"
            return unified(self.path, b"", after.encode())
        if seen.exists and seen.content is None:
            return f"{self.path}: too large to compare here, or no regular file; {len(self.content)} bytes now\n"
        return unified(self.path, seen.content or b"", self.content)

    def _sha256(self) -> str:
        if isinstance(self.content, Path):
            with self.content.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        return hashlib.sha256(self.content).hexdigest()


def told_kept(path: str, seen: Seen) -> str:
    """The words of a report where somebody else's file is replaced."""
    return f" (somebody else's is kept as {path}{kept_suffix()})" if seen.foreign else ""


def look_at(path: str | Command, shown_unless: str = "", foreign: bool = False) -> str:
    """A script: the stat line, the checksum, and the content in base64 unless its checksum is `shown_unless`.

    Without `shown_unless` the content is never sent: so a secret stays on its host. Three processes at most.
    With `foreign` the checksum's line tells whether the file says that this project made it.
    """
    search = f'\n    made=\n{_search(_PATH)}\n    [ "$made" ] || sum="$sum foreign"' if foreign else ""
    show = ""
    if shown_unless:
        show = f"""
    case $SHOW$sum in
      yes{shown_unless}*) ;;
      yes*) [ "${{seen##* }}" -gt {SHOWN_BYTES} ] || base64 <"$path" ;;
    esac"""
    return f"""\
path={_word(path)}
if seen=$(stat -c '%f %U %G %s' "$path" 2>/dev/null); then
  echo "${{seen% *}}"
  if [ -f "$path" ] && [ ! -L "$path" ]; then
    sum=$(sha256sum <"$path") || exit 1
    sum=${{sum%% *}}{search}
    echo "$sum"{show}
  fi
fi"""


def parse_look(text: str) -> Seen:
    """The answer of `look_at`. Raises CannotLook where it makes no sense."""
    head, *rest = text.splitlines() or [""]
    seen = parse_stat(head)
    if not rest:
        if stat.S_ISREG(seen.kind):
            raise CannotLook("no checksum came back for a file that is there")
        return seen
    digest, _, foreign = rest[0].partition(" ")
    if len(digest) != 64:
        raise CannotLook(f"sha256sum answered {rest[0]!r}")
    try:
        # An empty file and one that was not sent look alike: the checksum tells them apart.
        content = base64.b64decode("".join(rest[1:]), validate=True)
    except binascii.Error as error:
        raise CannotLook(f"base64 answered {rest[1]!r}") from error
    known = content if hashlib.sha256(content).hexdigest() == digest else None
    return replace(seen, sha256=digest, content=known, foreign=bool(foreign))


def _word(text: str | Command) -> str:
    return str(text) if isinstance(text, Command) else shlex.quote(text)
