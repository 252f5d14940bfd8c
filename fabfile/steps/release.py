"""A release: config.json, launcher and program sections, addressed by their content, made current by one rename."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..render import LAUNCHER, RenderedFile
from .base import Action, Found, Payload, Probe
from .files import unified
from .ground import KIND, ODD
from .runtime import CURRENT as RUNTIME_LINK
from .shell import as_user, as_user_within, assign, cmd, lines

KEEP = 5
"""The releases that stay on a host: as many of the newest, and as many of those that ran one after the other.

The programs run with one of the latter until a new release has shown that it works, and go back to it: however many
releases were tried since, and failed.
"""
_FEW = f"""\
one=$R; ran=" $R "
for _ in {" ".join(str(number) for number in range(1, KEEP))}; do
  [ -f "$one/.before" ] && [ ! -L "$one/.before" ] && read -r one <"$one/.before" || break
  one=${{one##*/}}; ran="$ran$one "
done
ls -1t | grep -v -x "$R" | tail -n +{KEEP} | while read -r old; do
  case $ran in *" $old "*) ;; *) rm -rf "./$old" ;; esac
done"""
SHOWN = {
    "config.masked.json": "config.json",
    "programs.conf": "programs.conf",
    "run.py": "run.py",
    "guard.py": "guard.py",
    "tls.json": "tls.json",
    "tls.py": "tls.py",
    "peers.json": "peers.json",
    "peers.py": "peers.py",
} | {name: name for name in (f"launcher/{module}.py" for module in LAUNCHER)}
"""The texts that a diff compares, and the names it shows."""
MARK = "@@ the next file"
MOST = 64 * 1024
"""Bytes of a text that a diff compares."""
_PYTHON = "python "
"""What a line begins with that names the current Python, where the release was made with another one."""
LOOK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class CurrentRelease:
    """The release `id` is complete under `home`/releases and `home`/current points at it; all owned by `user`."""

    user: str
    home: str
    id: str
    files: Mapping[str, RenderedFile]
    deploy: str = ""
    """The deploy that makes it current; it is kept beside the files with this machine's time, as no part of them."""
    name: str = "release"

    def __hash__(self) -> int:
        return hash((self.home, self.id))

    def probe(self) -> Probe:
        """The user asks all of it: so nothing is shown that the user could not read."""
        folder = f"{self.home}/releases/{self.id}"
        names = [f"{folder}/{name}" for name in sorted(self.files)]
        script = lines(
            assign("H", self.home),
            assign("R", f"releases/{self.id}"),
            _PLAIN,
            f"set -- {cmd(*names)}",
            'a=$(readlink "$H/current")',
            'b=$(plain "$@" && { stat --format "%a %U" "$@" && sha256sum "$@"; } 2>/dev/null)',
            'printf "%s\\n%s\\n" "$a" "$b"',
            'for f in "$@"; do odd "$f"; done',
            f"f=$H/current/.runtime r=$(readlink {RUNTIME_LINK})",
            f'! plain "$f" || [ "$(head -c {MOST} "$f")" = "$r" ] || echo "{_PYTHON}$r"',
            # The texts are wanted only for a diff, and where this release is not the current one.
            f'[ -z "$SHOW" ] || [ "$a" = "$R" ] || for f in {cmd(*SHOWN)}',
            f'do echo; echo {cmd(MARK)}; f=$H/current/$f; odd "$f"; ! plain "$f" || head -c {MOST} "$f"; done',
        )
        return Probe(f"export SHOW\n{as_user_within(LOOK_SECONDS, self.user, script)}")

    def diff(self, found: Found) -> Sequence[Action]:
        # An empty file is nothing between two marks.
        whole, *texts = re.split(f"\n{MARK}(?:\n|$)", found.text)
        pythons = [line for line in whole.splitlines() if line.startswith(_PYTHON)]
        state = "\n".join(line for line in whole.splitlines() if line not in pythons)
        if state.split() == self._expected():
            return [self._noted()] if pythons else []
        heads = [*state.splitlines(), *(text.partition("\n")[0] for text in texts)]
        odd = dict.fromkeys(line.removeprefix(ODD) for line in heads if line.startswith(ODD))
        script = lines(
            assign("H", self.home),
            assign("R", self.id),
            _SOUND,
            'umask 077; mkdir -p "$H/releases"; cd "$H/releases"',
            # What an earlier one left that was killed on the way.
            'rm -rf .[!.]* "$H"/.current.*',
            'mkdir -m 0700 ".$R"; tar -xpf - -C ".$R"',
            f'{cmd("echo", self.deploy)} >".$R/.deploy"; {cmd("echo", int(time.time()))} >".$R/.at"',
            f'readlink {RUNTIME_LINK} >".$R/.runtime" || :',
            # One that is made anew, since it was changed by hand, keeps what was before it.
            'if [ "$(readlink "$H/current")" != "releases/$R" ]; then readlink "$H/current" >".$R/.before" || :',
            'elif [ -f "$R/.before" ] && [ ! -L "$R/.before" ]; then cp -- "$R/.before" ".$R/.before"; fi',
            # An incomplete release of the same id was changed by hand.
            'rm -rf ".$R.old"; if [ -e "$R" ] || [ -L "$R" ]; then mv -T "$R" ".$R.old"; fi',
            'mv -T ".$R" "$R"; rm -rf ".$R.old"',
            'ln -s "releases/$R" "$H/.current.$$"; mv -T "$H/.current.$$" "$H/current"',
            _FEW,
        )
        return [
            Action(
                f"make release {self.id} current" + (f" (in the way: {'; '.join(odd)})" if odd else ""),
                f'{as_user(self.user, "set -e" + chr(10) + script)} <"$1"',
                (Payload(self._archive()),),
                diff=self._shown(dict(zip(SHOWN, texts, strict=False))),
            )
        ]

    def _noted(self) -> Action:
        """Its programs begin on another Python than they did when it was made: the way back to it needs that one."""
        script = lines(
            assign("H", self.home),
            f'umask 077; cd "$H/current"; readlink {RUNTIME_LINK} >.runtime.new; mv -fT .runtime.new .runtime',
        )
        return Action(f"note the Python of release {self.id}", str(as_user(self.user, f"set -e\n{script}")))

    def _shown(self, before: Mapping[str, str]) -> str:
        """The changes against the current release; a new password shows as no difference."""
        parts = (
            unified(f"{self.home}/current/{label}", before.get(name, "").encode(), self._content(name))
            for name, label in SHOWN.items()
            if not before.get(name, "").startswith(ODD)
        )
        return "".join(parts)

    def _content(self, name: str) -> bytes:
        return self.files[name].content if name in self.files else b""

    def _expected(self) -> list[str]:
        folder = f"{self.home}/releases/{self.id}"
        words = [f"releases/{self.id}"]
        for name in sorted(self.files):
            words += [f"{self.files[name].mode:o}", self.user]
        for name in sorted(self.files):
            words += [hashlib.sha256(self.files[name].content).hexdigest(), f"{folder}/{name}"]
        return words

    def _archive(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, file in sorted(self.files.items()):
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(file.content), file.mode
                archive.addfile(info, io.BytesIO(file.content))
        return buffer.getvalue()


_PLAIN = (
    KIND
    + f"""\
plain() {{ for one; do [ -f "$one" ] && [ ! -L "$one" ] || return 1; done; }}
odd() {{ [ ! -e "$1" ] && [ ! -L "$1" ] || plain "$1" || echo "{ODD}$1 is $(kind "$1")"; }}
"""
)
_SOUND = (
    KIND
    + """\
wrong() { echo "$1: $(kind "$1") is in the way, where $2 belongs; move it away"; exit 1; }
there() { [ -e "$1" ] || [ -L "$1" ]; }
there "$H" || { echo "$H is missing; run fab bootstrap for this host"; exit 1; }
for one in "$H" "$H/releases"; do ! there "$one" || [ -d "$one" ] || wrong "$one" "a directory"; done
[ -L "$H/current" ] || ! there "$H/current" || wrong "$H/current" "a link"
"""
)
