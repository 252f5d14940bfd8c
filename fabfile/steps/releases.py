"""The releases that a host keeps: which one is current, what differs between two, and the way back to one."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ..errors import Problem
from .base import Action, CannotLook, Found, Probe, parsed_in_threads
from .files import unified
from .release import LOOK_SECONDS
from .runtime import activate
from .shell import as_user, assign, cmd, lines
from .shipped import as_work, shipped
from .situation import Part
from .supervisor import Place

RUNTIME = "runtime"
KINDS = {"config.masked.json": "config", "tls.json": "config", "peers.json": "config", "programs.conf": "programs"}
"""The part of a release that a file belongs to; all others are the launcher."""
SHOWN = {"config.masked.json": "config.json"}
RUNTIME_NAME = re.compile(r"runtimes/([0-9][0-9A-Za-z.]*-[0-9a-f]+)")


class KeptRelease(Part, frozen=True):
    """A release on a host, as its user's process tells of it."""

    id: str
    deployed: int
    """Unix time by the clock of the control machine; by the host's own where an earlier version made it."""
    deploy: str
    """The deploy that made it current: equal on all hosts that one hosts.toml was deployed to."""
    runtime: str
    """`runtimes/ID` of the Python that was in use then; empty where it is not known."""
    before: str
    """The release that was current until then; empty where it is not known."""
    files: Mapping[str, str]
    """The digest of each file but config.json."""


@parsed_in_threads
class KeptReleases(Part, frozen=True):
    """All of them, the newest first."""

    current: str | None
    releases: tuple[KeptRelease, ...]
    texts: Mapping[str, str]
    runtime: str | None
    runtimes: tuple[str, ...]
    """Those that are complete."""

    def named(self, word: str) -> KeptRelease | None:
        """The release of that id, or the newest of that deploy."""
        return next((one for one in self.releases if word in (one.id, one.deploy)), None)

    def before(self, one: KeptRelease) -> KeptRelease | None:
        """The release that ran before another one: not one that was tried in between, and failed.

        Of those that do not know, or where it is gone, the one that was deployed before.
        """
        ran = next((other for other in self.releases if other.id == one.before != one.id), None)
        return ran or next((other for other in self.releases if other.deployed < one.deployed), None)

    def differing(self, old: KeptRelease, new: KeptRelease) -> list[str]:
        """The parts in which two differ: config, programs, launcher, runtime; passwords where nothing else does."""
        names = {name for name in {*old.files, *new.files} if old.files.get(name) != new.files.get(name)}
        parts = {KINDS.get(name, "launcher") for name in names} | ({RUNTIME} if old.runtime != new.runtime else set())
        order = ("config", "programs", "launcher", RUNTIME)
        return [part for part in order if part in parts] or (["passwords"] if old.id != new.id else [])

    def diff(self, old: KeptRelease, new: KeptRelease) -> str:
        """The change from one to another as a unified diff; passwords are masked."""
        found = []
        for name in sorted({*old.files, *new.files}):
            texts = [self.texts.get(one.files.get(name, ""), "") for one in (old, new)]
            if texts[0] != texts[1]:
                found.append(_unified(SHOWN.get(name, name), texts, old, new))
        if old.runtime != new.runtime:
            found.append(_unified(RUNTIME, [f"{old.runtime}\n", f"{new.runtime}\n"], old, new))
        return "".join(found)

    def programs(self, one: KeptRelease) -> dict[str, str]:
        """The fingerprint of each program that a release has, by its name, in start order."""
        text = self.texts.get(one.files.get("programs.conf", ""), "")
        sections = re.findall(r'^\[program:([^\]\s]+)\]$.*?PYSPIDER_RELEASE="([0-9a-f]*)"', text, re.M | re.S)
        return dict(sections)


def _unified(name: str, texts: Sequence[str], old: KeptRelease, new: KeptRelease) -> str:
    text = unified(name, texts[0].encode(), texts[1].encode())
    return text.replace(f"{name} (now)", f"{old.id}/{name}", 1).replace(f"{name} (new)", f"{new.id}/{name}", 1)


def _look(place: Place) -> Probe:
    script = f"[ -x {cmd(place.python)} ] || {{ echo null; exit 0; }}\n"
    script += as_work(place.user, place.python, "releases", {"home": place.home})
    return Probe(script, (shipped(),), limit=LOOK_SECONDS * 3)


def kept(found: Found) -> KeptReleases | None:
    """The releases in a host's answer; None where it has no Python. Raises CannotLook."""
    try:
        answer: KeptReleases | None = msgspec.convert(json.loads(found.text), KeptReleases | None)
    except (ValueError, RecursionError) as error:
        raise CannotLook(f"its releases can't be seen: {found.text[-300:]}") from error
    return answer


@dataclass(frozen=True, slots=True)
class Kept:
    """A look at the releases of a host, of which nothing is wanted."""

    place: Place
    name: str = "releases"

    def probe(self) -> Probe:
        return _look(self.place)

    def diff(self, _found: Found) -> Sequence[Action]:
        return []


@dataclass(frozen=True, slots=True)
class Back:
    """A release that is there is current again, with the Python that it ran with."""

    place: Place
    id: str
    name: str = "release"

    def probe(self) -> Probe:
        return _look(self.place)

    def diff(self, found: Found) -> Sequence[Action]:
        known = kept(found)
        wanted = known.named(self.id) if known else None
        if known is None or wanted is None:
            raise Problem(
                f"nothing was changed here: release {self.id} is not there (fab releases lists those that are)"
            )
        runtime = self._runtime(known, wanted)
        if known.current == wanted.id:
            return runtime
        script = lines(
            assign("H", self.place.home),
            assign("R", wanted.id),
            '[ -d "$H/releases/$R" ] && [ ! -L "$H/releases/$R" ]',
            'rm -rf "$H"/.current.*; ln -s "releases/$R" "$H/.current.$$"; mv -T "$H/.current.$$" "$H/current"',
        )
        current = known.named(known.current or "")
        diff = known.diff(current, wanted) if current else ""
        says = f"make release {wanted.id} current again"
        return [*runtime, Action(says, str(as_user(self.place.user, f"set -e\n{script}")), diff=diff)]

    def _runtime(self, known: KeptReleases, wanted: KeptRelease) -> list[Action]:
        if wanted.runtime in ("", known.runtime):
            return []
        name = RUNTIME_NAME.fullmatch(wanted.runtime)
        if name is None or wanted.runtime not in known.runtimes:
            gone = posixpath.basename(wanted.runtime)
            raise Problem(
                f"nothing was changed here: release {wanted.id} ran with Python {gone}, which is no longer there; "
                "choose another one of `fab releases`, or run `fab bootstrap` of the version that made it"
            )
        return [activate(name[1])]


_OLD = """\
cd {runtimes} 2>/dev/null || exit 0
set -- *
[ "$#" -gt {keep} ] || exit 0
used=$(ls -l /proc/[0-9]*/exe 2>/dev/null; readlink ../current; {noted})
ls -1t | tail -n +{after} | while read -r one; do
  case $used in *"runtimes/$one"*) ;; *) echo "old $one" ;; esac
done
"""


@dataclass(frozen=True, slots=True)
class FewRuntimes:
    """Of the Pythons that were made by earlier versions only the last few are there, and those that are in use."""

    place: Place
    runtimes: str
    keep: int
    name: str = "old runtimes"

    def probe(self) -> Probe:
        read = f"cd {cmd(self.place.home)}/releases && timeout {LOOK_SECONDS} head -c 99 -- */.runtime"
        noted = as_user(self.place.user, f"{read} 2>/dev/null")
        words = {"runtimes": cmd(self.runtimes), "keep": self.keep, "after": self.keep + 1, "noted": noted}
        return Probe(_OLD.format(**words))

    def diff(self, found: Found) -> Sequence[Action]:
        old = [name for name in found.rows("old") if RUNTIME_NAME.fullmatch(f"runtimes/{name}")]
        if not old:
            return []
        archives = posixpath.join(posixpath.dirname(self.runtimes), "archives")
        gone = [path for name in old for path in (f"{self.runtimes}/{name}", f"{archives}/{name}.tar.gz")]
        return [Action(f"remove old Python {', '.join(old)}", str(cmd("rm", "-rf", *gone)))]
