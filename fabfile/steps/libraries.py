"""The scripts and styles of the web UI's pages, on the hosts that serve them: browsers ask nobody else for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .base import Action, Found, Payload, Probe
from .shell import assign, cmd, lines

LIBRARIES = "/opt/pyspider/libraries"
"""templates/run.py serves it."""


@dataclass(frozen=True, slots=True)
class Libraries:
    """The files with this digest are in `folder`, root's, readable by everyone, as they were packed."""

    archive: Path
    digest: str
    folder: str = LIBRARIES
    name: str = "libraries"

    def probe(self) -> Probe:
        return Probe(
            lines(
                f"{cmd('cd', self.folder)} 2>/dev/null || exit 1",
                f'[ "$(cat .digest)" = {self.digest} ] && sha256sum -c --quiet .manifest',
            )
        )

    def diff(self, found: Found) -> Sequence[Action]:
        return [] if found.status == 0 else [self._install()]

    def _install(self) -> Action:
        script = lines(
            "umask 022",
            assign("TARGET", self.folder),
            assign("DIGEST", self.digest),
            'rm -rf "$TARGET.new" "$TARGET.old"; mkdir -p "$TARGET.new"; cd "$TARGET.new"',
            'tar -xzf "$1" --no-same-owner',
            "sha256sum -c --quiet .manifest",
            'echo "$DIGEST" >.digest',
            'if [ -e "$TARGET" ]; then mv "$TARGET" "$TARGET.old"; fi',
            'mv "$TARGET.new" "$TARGET"; rm -rf "$TARGET.old"',
        )
        return Action("install the web UI's scripts and styles", script, (Payload(self.archive),))
