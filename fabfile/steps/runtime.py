"""The runtime: CPython 2.7 from source with the pinned packages, addressed by the things that it was made from.

It is built on one host per platform and shipped to the others. Its build ends by telling the digests of the packed
runtime and of the list of its files; the control machine keeps them, and all hosts are held against them. On a host,
`current` points at the runtime in use; only a runtime that is complete and has been tried becomes current.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .ground import SOUND
from .openssl import barrier, question, refusal
from .runtime_spec import ARCH, PLATFORM, Platform, RuntimeSpec, remote
from .selinux import LABEL
from .shell import as_user, assign, cmd, lines

HOME = "/opt/pyspider"
RUNTIMES = f"{HOME}/runtimes"
ARCHIVES = f"{HOME}/archives"
CURRENT = f"{HOME}/current"
PYTHON = f"{CURRENT}/bin/python"

ROLLING = ("opensuse-tumbleweed", "opensuse-slowroll", "kali")
BUILD_SECONDS = 3600.0
SHIP_SECONDS = 600.0


def archive_path(runtime_id: str) -> str:
    """The path of a packed runtime on the host that made it, to be shipped to others."""
    return f"{ARCHIVES}/{runtime_id}.tar.gz"


@dataclass(frozen=True, slots=True)
class Build:
    """A runtime comes from its source tarball and a tar of the pinned packages with their lock."""

    tarball: Path
    wheelhouse: Path


@dataclass(frozen=True, slots=True)
class Ship:
    """A runtime comes from the archive that another host of the platform made, with the digests that its build told."""

    archive: Path
    sha256: str
    manifest: str
    """The sha256 of the list of the runtime's files."""


@dataclass(frozen=True, slots=True)
class _State:
    platform: Platform
    complete: frozenset[str]
    altered: frozenset[str]
    """The runtimes that are not as they were built, by the digests of their builds."""
    current: str
    works: bool
    """Whether the current runtime was tried, and can be used."""
    openssl: str = ""
    """Its version, where it was asked for and is known."""
    strange: str = ""
    """Anything in its place that is not this project's, or not root's alone; then nothing there was run."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The runtime of `spec` is complete, usable by `user`, and current.

    A runtime of which `manifests` has the digest is complete only where each of its files is the one that was built.
    Any other is judged by the host's own list: about itself, and for nobody else, a host is trusted.
    """

    spec: RuntimeSpec
    user: str = "work"
    origin: Build | Ship | None = None
    manifests: tuple[tuple[str, str], ...] = ()
    """Ids of runtimes, each with the sha256 of the list of its files."""
    name: str = "runtime"

    def probe(self) -> Probe:
        proof = cmd(PYTHON, "-sEB", "-c", remote("prove.py"))
        words = {"home": cmd(HOME), "user": cmd(self.user), "as_user": as_user(self.user, proof), "as_root": proof}
        known = cmd(*(f"{name}:{digest}" for name, digest in self.manifests))
        return Probe(question(self.spec.version) + SOUND + _PROBE.format(**words, known=known, platform=PLATFORM))

    def diff(self, found: Found) -> Sequence[Action]:
        state = _state(found)
        if state.strange:
            raise Problem(f"nothing was changed here: {state.strange}")
        wanted = self.spec.id(state.platform)
        if wanted in state.complete:
            right = state.current == f"runtimes/{wanted}" and state.works
            return [] if right else [activate(wanted)]
        if why := _unfit(state.platform):
            raise Problem(why)
        return self.made_anew(
            state.platform, because="what was there is not as it was built" * (wanted in state.altered)
        )

    def made_anew(self, platform: Platform, because: str = "") -> list[Action]:
        """The runtime is installed from its origin, whatever is there, and made current. Raises CannotLook."""
        wanted = self.spec.id(platform)
        return [self._install(wanted, f": {because}" if because else ""), activate(wanted)]

    def _install(self, wanted: str, because: str) -> Action:
        match self.origin:
            case Build(tarball, wheelhouse):
                return _build(wanted, self.spec.version, tarball, wheelhouse, because)
            case Ship() as ship:
                return _ship(wanted, ship, because)
        raise CannotLook(f"Python {wanted} has to be built or shipped by `fab bootstrap`")


def wanted_on(step: Runtime, found: Found) -> Platform | None:
    """The host's platform if the step's runtime has yet to be built or shipped there."""
    state = _state(found)
    # A host with a strange one fails by itself, and makes none for others.
    return None if state.strange or complete_on(step, found) else state.platform


def complete_on(step: Runtime, found: Found) -> Platform | None:
    """The host's platform if the step's runtime is complete there, current or not."""
    state = _state(found)
    return state.platform if step.spec.id(state.platform) in state.complete and not state.strange else None


def altered_on(step: Runtime, found: Found) -> bool:
    """Whether the step's runtime is there, and not as it was built."""
    state = _state(found)
    return step.spec.id(state.platform) in state.altered


def named(spec: RuntimeSpec, found: Found) -> tuple[str, str, bool]:
    """The id of the current runtime (empty where there is none), that of `spec`'s, and whether the latter is complete.

    Raises CannotLook.
    """
    state = _state(found)
    wanted = spec.id(state.platform)
    return state.current.removeprefix("runtimes/"), wanted, wanted in state.complete


def no_runtime(found: Found) -> str:
    """Why none can be used on this host, as one sentence; empty where nothing speaks against it."""
    return _unfit(_state(found).platform)


def no_build(step: Runtime, found: Found) -> str:
    """Why the step's runtime can't be built on this host, as one sentence; empty where nothing speaks against it."""
    return refusal(step.spec.version, _state(found).openssl)


def _unfit(platform: Platform) -> str:
    if platform.arch != ARCH:
        return f"runtime: the pinned packages (lxml, msgpack) are for {ARCH}, and this host is {platform.arch}"
    if not platform.libc.startswith("glibc "):
        return "runtime: the pinned packages are for glibc, and this host has another C library (musl?)"
    return ""


# Read line by line, since a value may hold anything. An altered runtime is not run. One that fails its trial counts as
# complete only as long as all its files are as they were made: then a library of the host is missing.
_PROBE = """\
strange=
if [ -e {home} ] || [ -L {home} ]; then
  theirs=$(stat -L -c '%u %A %n' {home}/* {home}/runtimes/* 2>/dev/null | grep -v '^0 ........-' | sed 's/^[^/]*//; 1q')
  sound {home} || theirs={home}
  [ -z "$theirs" ] || strange="$theirs: others than root can change it, and root runs it; make it root's alone"
  for one in {home}/*; do
    case ${{one##*/}} in '*'|archives|bin|boot|build|current|libraries|libraries.*) continue ;; esac
    [ -e {home}/runtimes ] || strange="$one: somebody else's, where this project keeps its Python; move {home} away"
  done
fi
[ -z "$strange" ] || echo "strange=$strange"
cd {home} 2>/dev/null || cd /
{platform}intact() {{
  cd "runtimes/$1" && [ -f .manifest ] && [ "$(sha256sum <.manifest)" = "$2  -" ] && sha256sum -c --quiet .manifest &&
    [ "$(readlink -f bin/python)" = "$(pwd -P)/bin/python2.7" ]
}}
damaged= whole=
for one in {known}; do
  digest=${{one#*:}} one=${{one%%:*}}
  [ -z "$strange" ] && [ -e "runtimes/$one/.complete" ] || continue
  if (intact "$one" "$digest") >/dev/null 2>&1; then whole="$whole runtimes/$one "; continue; fi
  echo "altered=$one"
  [ "$current" != "runtimes/$one" ] || damaged=$current
done
if [ -z "$strange$damaged" ] && [ -x current/bin/python2.7 ]; then
  if id {user} >/dev/null 2>&1; then {as_user}; else {as_root}; fi
  if [ $? = 0 ]; then echo works=yes
  elif case $whole in *" $current "*) false ;; esac && ! (cd current && sha256sum -c --quiet .manifest) >/dev/null 2>&1
  then damaged=$current; fi
fi
for one in runtimes/*/.complete; do
  one=${{one%/.complete}}
  if [ -e "$one/.complete" ] && [ "$one" != "$damaged" ]; then echo "complete=${{one#runtimes/}}"; fi
done
echo end=
"""


def _state(found: Found) -> _State:
    pairs = [
        (key, value) for key, separator, value in (line.partition("=") for line in found.text.splitlines()) if separator
    ]
    known = dict(pairs)
    altered = frozenset(value for key, value in pairs if key == "altered")
    if "end" not in known or not {"os_id", "os_version", "arch", "libc", "current"} <= known.keys():
        raise CannotLook(f"runtime: the host's answer is cut short: {found.text[-300:]!r}")
    return _State(
        Platform(
            known["os_id"],
            _release(known["os_id"], known["os_version"], known.get("os_like", "")),
            known["arch"],
            known["libc"],
        ),
        frozenset(value for key, value in pairs if key == "complete") - altered,
        altered,
        known["current"],
        "works" in known,
        known.get("to_build_with", ""),
        known.get("strange", ""),
    )


def _release(os_id: str, version: str, like: str) -> str:
    """The part of a release's number that says whether binaries fit.

    Minor releases of Red Hat's family are compatible; the number of a rolling one is a day, and glibc's tells more.
    """
    if os_id in ROLLING:
        return ""
    compatible = {os_id, *like.split()} & {"rhel", "centos", "rocky", "almalinux", "ol"}
    return version.split(".", maxsplit=1)[0] if compatible else version


def _places(runtime_id: str) -> str:
    return lines(
        "umask 022",
        assign("HOME_DIR", HOME),
        assign("ID", runtime_id),
        assign("PREFIX", f"{RUNTIMES}/{runtime_id}"),
        assign("BUILD", f"{HOME}/build/{runtime_id}"),
        assign("ARCHIVE", archive_path(runtime_id)),
        assign("PROOF", remote("prove.py")),
    )


def _build(runtime_id: str, version: str, tarball: Path, wheelhouse: Path, because: str) -> Action:
    script = lines(_places(runtime_id), remote("compiler.sh"), barrier(version), remote("build.sh"), _TELL)
    payloads = (Payload(tarball), Payload(wheelhouse))
    return Action(f"build Python {runtime_id}{because}", script, payloads, limit=BUILD_SECONDS)


# Beside the recipe: it makes no other runtime.
_TELL = """\
cd "$HOME_DIR/runtimes/$ID"
echo "archive=$(sha256sum <"$ARCHIVE")"
echo "manifest=$(sha256sum <.manifest)"
"""


def told(text: str) -> tuple[str, str]:
    """The digests that a build told at its end: of the packed runtime, and of the list of its files. Raises Problem."""
    digests = [re.findall(rf"^{name}=([0-9a-f]{{64}})  -$", text, re.MULTILINE) for name in ("archive", "manifest")]
    if not all(digests):
        raise Problem("the build ended without telling what it made; run fab bootstrap again", detail=text[-2000:])
    return digests[0][-1], digests[1][-1]


def _ship(runtime_id: str, ship: Ship, because: str) -> Action:
    digests = [assign("SHA256", ship.sha256), assign("MANIFEST", ship.manifest)]
    script = lines(_places(runtime_id), *digests, _SHIP)
    return Action(f"unpack Python {runtime_id}{because}", script, (Payload(ship.archive),), limit=SHIP_SECONDS)


_SHIP = """\
is() { [ "$(sha256sum <"$2")" = "$1  -" ] || { echo "the Python that came is not the one that was built"; exit 1; }; }
is "$SHA256" "$1"
say 'Python: unpack'
mkdir -p "$HOME_DIR/runtimes"
cd "$HOME_DIR/runtimes"
rm -rf .*.new .*.old
trap 'rm -rf "$HOME_DIR/runtimes/.$ID.new"' EXIT
trap 'exit 143' HUP INT TERM
mkdir ".$ID.new"
tar -xpzf "$1" --no-same-owner -C ".$ID.new"
cd ".$ID.new/$ID"
is "$MANIFEST" .manifest
sha256sum -c --quiet .manifest
say 'Python: try it'
bin/python2.7 -sEB -c "$PROOF"
sync
: >.complete
cd "$HOME_DIR/runtimes"
if [ -e "$ID" ]; then mv "$ID" ".$ID.old"; fi
mv ".$ID.new/$ID" "$ID"
rm -rf ".$ID.new" ".$ID.old"
"""


def activate(runtime_id: str) -> Action:
    """The action that makes a runtime current, after it was tried."""
    script = lines(_places(runtime_id), LABEL + _ACTIVATE)
    return Action(f"make Python {runtime_id} current", script)


_ACTIVATE = """\
"$PREFIX/bin/python2.7" -sEB -c "$PROOF"
# Every user that runs it has to get there.
chmod 755 "$HOME_DIR" "$HOME_DIR/runtimes" "$PREFIX"
relabel "$PREFIX"
rm -f "$HOME_DIR"/.current.*
ln -s "runtimes/$ID" "$HOME_DIR/.current.$$"
mv -T "$HOME_DIR/.current.$$" "$HOME_DIR/current"
"""
