"""The watcher of supervisord on hosts without systemd, and the words by which it is started."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .base import Action, Found, Probe
from .shell import as_user, cmd
from .shipped import shipped
from .supervisor import FOLDER, Place, action, look, own

BOTH = 2
"""It is two processes, each of which starts the other again."""


def user_words(place: Place, script: str) -> list[str]:
    """A command of the cluster's user in its home, word by word."""
    return shlex.split(str(as_user(place.user, f"{cmd('cd', place.home)} && {script}")))


def start_words(place: Place) -> list[str]:
    """The command that starts supervisord in the background, word by word."""
    # The digest tells the configuration that it is started with.
    digest = f"export PYSPIDER_SUPERVISORD=$({cmd('sha256sum', place.conf)} | cut -c1-12)"
    daemon = cmd("exec", PurePosixPath(place.python).with_name("supervisord"), "-c", place.conf)
    return user_words(place, f"{digest} && {daemon}")


@dataclass(frozen=True, slots=True)
class Watcher:
    """supervisord is started again when it dies: by this project's watcher, or by systemd, where that runs."""

    place: Place
    name: str = "watcher"

    @property
    def settings(self) -> str:
        """The options of the watcher, as JSON without any secret."""
        return json.dumps(self.place.options(words=start_words(self.place)), sort_keys=True)

    @property
    def digest(self) -> str:
        """The digest of all that it runs by."""
        content = shipped().content
        assert isinstance(content, bytes)
        return hashlib.sha256(content + self.settings.encode()).hexdigest()[:12]

    @property
    def begin(self) -> str:
        """A script that starts it where it is installed and does not run. Of its digest, only the host knows."""
        base = cmd(f"{FOLDER}/{self.place.unit}")
        run = cmd(self.place.python, "-E", "-s", "-B", f"{FOLDER}/{self.place.unit}.zip", "watch")
        return f'set -- {base}.*.json; [ ! -f "$1" ] || {run} "$1"'

    def probe(self) -> Probe:
        return look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        sight = own(self.place, found)
        if sight is None or sight.watcher is None:
            return []
        if sight.unit is not None:
            return [self.remove()] if sight.watcher.pids else []
        if len(sight.watcher.pids) == BOTH and sight.watcher.digest == self.digest:
            return []
        script = self.place.as_root("guard", digest=self.digest, settings=self.settings)
        return [action("watch over supervisord", script)]

    def remove(self) -> Action:
        """The action that ends it and takes its files away; supervisord and its programs go on."""
        return action("watch over supervisord no more", self.place.as_root("unguard"))
