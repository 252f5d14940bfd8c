"""A release: config.json, launcher and program sections, addressed by their content, made current by one rename."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..render import RenderedFile
from ..shell import as_user, assign, cmd, lines
from .base import Action, Found, Payload, Probe
from .files import unified

KEEP = 5
"""How many releases stay on a host."""
SHOWN = {"config.masked.json": "config.json", "programs.conf": "programs.conf", "run.py": "run.py"}
"""The texts that a diff compares, and the names it shows."""
MARK = "@@ the next file"


@dataclass(frozen=True, slots=True)
class Release:
    """The release `id` is complete under `home`/releases and `home`/current points at it; all owned by `user`."""

    user: str
    home: str
    id: str
    files: Mapping[str, RenderedFile]
    name: str = "release"

    def __hash__(self) -> int:
        return hash((self.home, self.id))

    def probe(self) -> Probe:
        folder = f"{self.home}/releases/{self.id}"
        names = [f"{folder}/{name}" for name in sorted(self.files)]
        shown = [f"{self.home}/current/{name}" for name in SHOWN]
        right = lines(cmd("stat", "--format", "%a %U", *names), cmd("sha256sum", *names))
        return Probe(
            lines(
                f"a=$({cmd('readlink', f'{self.home}/current')})",
                f"b=$({{ {right}; }} 2>/dev/null)",
                'printf "%s\\n%s\\n" "$a" "$b"',
                # The texts are wanted only for a diff, and where this release is not the current one.
                f'[ -z "$SHOW" ] || [ "$a" = {cmd(f"releases/{self.id}")} ] || for f in {cmd(*shown)}',
                f'do echo; echo {cmd(MARK)}; cat "$f" 2>/dev/null; done',
                "true",
            )
        )

    def diff(self, found: Found) -> Sequence[Action]:
        state, *texts = found.text.split(f"\n{MARK}\n")
        if state.split() == self._expected():
            return []
        script = lines(
            assign("H", self.home),
            assign("R", self.id),
            'umask 077; mkdir -p "$H/releases"; cd "$H/releases"',
            'rm -rf ".$R"; mkdir -m 0700 ".$R"; tar -xpf - -C ".$R"',
            # An incomplete release of the same id can only be one that somebody changed by hand.
            'if [ -e "$R" ]; then mv "$R" ".$R.old"; fi; mv ".$R" "$R"; rm -rf ".$R.old"',
            'ln -s "releases/$R" "$H/.current.$$"; mv -T "$H/.current.$$" "$H/current"',
            f'ls -1t | grep -v -x "$R" | tail -n +{KEEP} | while read -r old; do rm -rf "./$old"; done',
        )
        return [
            Action(
                f"make release {self.id} current",
                f'{as_user(self.user, "set -e" + chr(10) + script)} <"$1"',
                (Payload(self._archive()),),
                diff=self._shown(dict(zip(SHOWN, texts, strict=False))),
            )
        ]

    def _shown(self, before: Mapping[str, str]) -> str:
        """What changes against the current release; a password that changes shows as no difference."""
        parts = (
            unified(f"{self.home}/current/{label}", before.get(name, "").encode(), self.files[name].content)
            for name, label in SHOWN.items()
            if name in self.files
        )
        return "".join(parts)

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
