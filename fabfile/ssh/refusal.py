"""Why ssh did not log in: by the key that the host shows and by paramiko's greeting, never by ssh's English."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from ..errors import Problem, Unreachable
from .authenticate import tried, unusable_keys
from .client import has, ssh, weak
from .connect import LOGIN_REFUSED, NoCommonAlgorithm, Through, greet, no_answer, not_tried, tcp
from .gate import last_words
from .keys import Keys
from .known_hosts import RSA, ShownKey, check
from .proxy import ended_with_children
from .scratch import Scratch
from .way import WayIn

_ONLY_GREETS = (
    *("PreferredAuthentications=none", "StrictHostKeyChecking=accept-new", "HashKnownHosts=no"),
    *("ControlMaster=no", "ControlPath=none"),
)

_AGAIN_SECONDS = 2.0


class Refusal:
    """The reasons of one host, for as long as its link lasts."""

    def __init__(self, ways: Sequence[WayIn], keys: Keys, through: Through | None) -> None:
        self._ways, self._keys, self._through = ways, keys, through
        self._way = ways[0]
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def unknown_key(self) -> None:
        """See to it that a host of which no key is trusted is added or refused as hosts.toml says.

        Raises Unreachable.
        """
        known, name = self._keys.known(self._way.host), self._way.known_as
        if known.keys(name) or known.authority(name):
            return
        begun = time.monotonic()
        shown = self.shown()
        if shown is None:
            raise self._unheard(b"", time.monotonic() - begun)
        check(self._way.host, name, known, shown, self._way.straight)

    def of(self, words: bytes, seconds: float) -> Problem:
        """The reason for an ssh that ended with `words` after `seconds`, before it was logged in."""
        in_time = seconds < self._way.flags.connect_seconds
        shown = self.shown() if in_time else None
        if shown is None:
            return self._unheard(words, seconds)
        known, name = self._keys.known(self._way.host), self._way.known_as
        said = f"; ssh: {last}" if (last := last_words(words)) else ""
        if known.authority(name) and not known.keys(name):
            return Unreachable(f"{self._way.where}: login refused, or its host certificate is not trusted{said}")
        try:
            check(self._way.host, name, known, shown, self._way.straight)
        except Unreachable as error:
            return error
        if not self._at_the_door():
            return self._in_its_words(words)
        unusable = unusable_keys(self._way, self._keys)
        if self._way.host.key is not None and unusable:
            return Unreachable(f"{self._way.where}: the key {unusable[0]}{said}")
        keys = f"{tried(self._way, unusable)}{not_tried(unusable)}"
        return Unreachable(f"{self._way.where}: {LOGIN_REFUSED}{keys}{said}")

    def _at_the_door(self) -> bool:
        """Whether ssh, once more, comes as far as to ask which key is the host's; true where it can't tell."""
        if not has("KnownHostsCommand=none"):
            return True
        with Scratch() as folder:
            asked = folder / "asked"
            self._run([f'KnownHostsCommand=/bin/sh -c "echo >{shlex.quote(str(asked)).replace("%", "%%")}"'])
            return asked.exists()

    def shown(self, legacy: bool | None = None) -> ShownKey | None:
        """The key that the host shows, of a type that is known of it if possible; None where no sshd does."""
        with Scratch() as folder:
            file = folder / "known_hosts"
            self._run([*_ONLY_GREETS, f'UserKnownHostsFile="{file}"', *self._order(legacy)], legacy)
            lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        words = lines[-1].split() if lines else []
        return ShownKey(words[1], words[2]) if len(words) > 2 else None

    def _order(self, legacy: bool | None) -> Sequence[str]:
        known = self._keys.known(self._way.host).keys(self._way.known_as)
        kinds = [one for kind in known for one in (("rsa-sha2-512", "rsa-sha2-256") if kind == RSA else (kind,))]
        weakly = self._way.host.legacy_ssh if legacy is None else legacy
        old = weak().get("HostKeyAlgorithms", ()) if weakly else ()
        return (f"HostKeyAlgorithms=^{','.join((*kinds, *old))}",) if kinds else ()

    def _run(self, options: Sequence[str], legacy: bool | None = None) -> None:
        words = ssh(self._ways, *options, legacy=legacy)
        if self._ended.is_set():
            return
        self._process = subprocess.Popen(
            [*words, "true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SHELL": "/bin/sh"},
            start_new_session=True,
        )
        try:
            self._process.wait(2 * self._way.flags.connect_seconds)
        except subprocess.TimeoutExpired:
            ended_with_children(self._process)
            self._process.wait()

    def _unheard(self, words: bytes, seconds: float) -> Problem:
        """For one that has shown no key within that time."""
        way = self._way
        try:
            if seconds >= way.flags.connect_seconds:
                # It has had its time: now it is only looked how far it comes.
                limit = min(_AGAIN_SECONDS, way.flags.connect_seconds)
                way = replace(way, flags=replace(way.flags, connect_seconds=limit))
                if self._through is None:
                    tcp(way, limit).close()
            greet(way, self._keys, self._through)
        except OSError:
            return Unreachable(no_answer(self._way))
        except NoCommonAlgorithm as error:
            return self._incompatible(error, words)
        except Problem as error:
            return error
        return self._in_its_words(words)

    def _incompatible(self, error: NoCommonAlgorithm, words: bytes) -> Problem:
        if not self._way.host.legacy_ssh and self.shown(legacy=True):
            return Unreachable(
                f"{self._way.where}: its sshd offers only weak algorithms, as that of CentOS 6 does; "
                "to use them for this host all the same, set legacy_ssh = true in its table of hosts.toml"
            )
        said = f": {last}" if (last := last_words(words)) else ""
        return Unreachable(f"{str(error).partition(';')[0]}; ssh does not get there either{said}")

    def _in_its_words(self, words: bytes) -> Problem:
        return Unreachable(f"{self._way.where}: ssh does not get there: {last_words(words) or 'it says nothing'}")

    def end(self) -> None:
        """Look no longer; may be called from another thread."""
        self._ended.set()
        if self._process is not None:
            ended_with_children(self._process)
