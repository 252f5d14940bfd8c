"""Packages are installed by the host's own package manager, of whichever family."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import Problem
from .base import Action, CannotLook, Found, Probe
from .families import FAMILIES, HEAVY, LIGHT, PROVIDED, TOOLS, Name, known
from .room import CACHE, PACKAGES, Need
from .shell import cmd, lines

INSTALL_SECONDS = 900.0
INSTALL = "install packages "

# First with the lists that are there: a host that needs nothing new, or has no internet but an own
# archive, must not wait for a mirror. The second try repairs first. Where two packages conflict, apt would remove the
# one that is there: a MySQL with its clients, for the client of MariaDB. The option, not --no-remove, which `update`
# does not know.
_APT = """\
umask 022
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() {
  apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false \\
    -o APT::Get::Remove=false -o APT::Get::AutomaticRemove=false \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}
first() {
  for one; do apt -s install "$one" >/dev/null 2>&1 && break; done
  echo "$one"
}
install() { apt install %(names)s; }
say installing
install && exit 0
say repairing what dpkg left half done
dpkg --configure -a || :
say refreshing the package lists
for try in 1 2 3 4 5; do
  apt update && break
  # Another apt may hold the lists, for which it knows no waiting.
  sleep 5
done
say installing
for try in %(tries)s; do
  install && exit 0
  status=$?
  # Before 1.9.11 apt knows no waiting for dpkg's lock either, by which dpkg itself ends with 2.
  busy=0
  dpkg --configure -a >/dev/null 2>&1 || busy=$?
  [ "$busy" = 2 ] || break
  sleep 5
done
wants() {
  told=$1; shift
  for one; do apt -s install "$one" >/dev/null 2>&1 && return; done
  for one; do
    # The words Remv and Purg are the same in all languages.
    lost=$(apt -s -o APT::Get::Remove=true install "$one" 2>/dev/null |
      sed -n 's/^Remv \\([^ ]*\\).*/\\1/p; s/^Purg \\([^ ]*\\).*/\\1/p' | tr '\\n' ' ')
    [ -z "$lost" ] || { gone="${gone:+$gone; }$one would remove ${lost%% }"; return; }
  done
  none=${none:+$none, }$told
}
none= gone=
%(wants)s
[ -z "$gone" ] || { echo "bootstrap removes no package, and here $gone:" %(keeps)s; exit 1; }
# Without this option an update ends well, whatever could not be had.
apt -o APT::Update::Error-Mode=any update >/dev/null 2>&1 || {
  echo "not all package sources of this host can be reached, or they no longer serve its release; it lacks" %(lacks)s
  exit 1
}
[ -z "$none" ] || { echo "no package source of this host has $none:" %(where)s; exit 1; }
exit "$status"
"""
TRIES = " ".join(map(str, range(100)))

_BY_HAND = "let it reach a mirror, or install them by hand (docs/platforms.md)"
_KEEPS = "remove by hand what nothing on this host needs, then run this again, or give the task to another host"
_WHERE = "docs/platforms.md tells for each distribution where it comes from"

# An exit status, never the words: yum, dnf and zypper end with another one for each reason, in several languages.
_LISTS = """\
wants() {
  told=$1; shift
  for one; do rpm -q --quiet --whatprovides "$one" >/dev/null 2>&1 && return; done
  for one; do %s "$one" >/dev/null 2>&1 && return; done
  none=${none:+$none, }$told
}
none=
%%(wants)s
# yum ends well, whatever it did not find, where it found anything.
[ "$status" != 0 ] || [ -n "$none" ] || exit 0
%s >/dev/null 2>&1 || {
  echo "the package sources of this host give no lists: they are away, or no longer serve its release, as those of" \
    "CentOS 6, 7 and 8, which moved to an archive (vault); correct them in %s; it lacks" %%(lacks)s
  exit 1
}
[ -z "$none" ] || { echo "no package source of this host has $none:" %%(where)s; exit 1; }
exit "$status"
"""

_YUM = (
    """\
umask 022
first() {
  for one; do %(tool)s -q list "$one" >/dev/null 2>&1 && break; done
  echo "$one"
}
say installing
status=0
%(tool)s -y install %(names)s || status=$?
"""
    + _LISTS % ("%(tool)s -q list", "%(lists)s", "/etc/yum.repos.d")
)

# Packages were installed where it ends with 102 (restart the host), 103 (or zypper), 106 (a source was passed) or 107
# (a script failed).
_ZYPPER = (
    """\
umask 022
export ZYPP_LOCK_TIMEOUT=600
first() {
  for one; do zypper -n -q search -x -t package "$one" >/dev/null 2>&1 && break; done
  echo "$one"
}
say installing
status=0
zypper -n install --no-recommends %(names)s || status=$?
case $status in
  102 | 103 | 106 | 107) status=0 ;;
  7) echo "another program has held zypper's lock for ten minutes; let it end, then run this again"; exit 7 ;;
esac
"""
    + _LISTS % ("zypper -n -q search -x -t package", "zypper -n refresh", "/etc/zypp/repos.d")
)


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages are installed, in the version that the host's archive offers; none is upgraded or removed.

    Services of installed packages start as their distribution does it: those this project installs
    listen on loopback only, until their own step has configured them.
    """

    names: Mapping[str, Sequence[Name]]
    """By family."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By family, why something that is wanted is not installed there."""
    name: str = "packages"

    def probe(self) -> Probe:
        debian, rpm = _dpkg(_flat(self.names.get("debian", ()))), {name for name in FAMILIES if name != "debian"}
        queries = [f"'debian '*) {debian} ;;"]
        queries += [f"'{name} '*) {_rpm(_flat(self.names.get(name, ())))} ;;" for name in sorted(rpm)]
        return Probe(lines(known(), "case $family in", *queries, "esac"))

    def diff(self, found: Found) -> Sequence[Action]:
        family, tool, installed = self._parse(found)
        if family not in self.names:
            raise Problem(f"{self.name}: no package names are known for this host's family ({family})")
        if why := self.refused.get(family):
            raise Problem(f"{self.name}: {why}")
        missing = [name for name in self.names[family] if not installed & _does(name)]
        if not missing:
            return []
        return [Action(f"{INSTALL}{_told(missing)}", _install(tool, missing), limit=INSTALL_SECONDS)]

    def needs(self, found: Found) -> list[Need]:
        """The room that the missing ones take; nothing where that can't be known."""
        try:
            family, _, installed = self._parse(found)
        except Problem:
            return []
        missing = [name for name in self.names.get(family, ()) if not installed & _does(name)]
        size = sum(HEAVY.get(_alternatives(name)[0], LIGHT) for name in missing)
        return [Need(PACKAGES, size, self.name), Need(CACHE, size // 4, "their archives")] if size else []

    def named(self, says: str, found: Found) -> str:
        """Of packages that stand for one another, those that are there now."""
        if not says.startswith(INSTALL):
            return says
        family, _, installed = self._parse(found)
        for name in self.names.get(family, ()):
            alternatives = _alternatives(name)
            if there := [one for one in alternatives if one in installed]:
                says = says.replace(" or ".join(alternatives), ", ".join(there))
        return says

    def _parse(self, found: Found) -> tuple[str, str, set[str]]:
        rows = [line.split(" ") for line in found.text.splitlines()]
        match next((row[1:] for row in rows if row[0] == "family"), None):
            case ["none"]:
                raise Problem(
                    f"{self.name}: this host has none of {', '.join(TOOLS)}, by which they are installed and known; "
                    "take a host of a distribution that docs/platforms.md lists"
                )
            case [family, tool]:
                return family, tool, {row[1] for row in rows if row[0] == "has" and len(row) == 2}
        raise CannotLook(f"{self.name}: the host answered {found.text!r}")


def _alternatives(name: Name) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _does(name: Name) -> set[str]:
    """What may be installed for it: its alternatives, and what packages of other names provide in their place."""
    return {word for one in _alternatives(name) for word in (one, *PROVIDED.get(one, ()))}


def _told(names: Sequence[Name]) -> str:
    return ", ".join(" or ".join(_alternatives(name)) for name in names)


def _flat(names: Sequence[Name]) -> list[str]:
    return [one for name in names for one in _alternatives(name)]


def _dpkg(names: Sequence[str]) -> str:
    if not names:
        return ":"
    # ${Status} is three fixed words, the last of which is the package's state.
    query = cmd("dpkg-query", "-W", "-f", "${Status} ${Package}\\n", *names)
    found = f"{query} 2>/dev/null | sed -n 's/^[a-z]* ok installed /has /p'"
    provided = sorted({word for name in names for word in PROVIDED.get(name, ())})
    if not provided:
        return found
    # One package may provide several.
    edits = "; ".join(f"h; s/^[a-z]* ok installed,.* {re.escape(word)}[ ,].*/has {word}/p; g" for word in provided)
    every = cmd("dpkg-query", "-W", "-f", "${Status}, ${Provides},\\n")
    return f"{found}; {every} 2>/dev/null | {cmd('sed', '-n', edits)}"


def _rpm(names: Sequence[str]) -> str:
    if not names:
        return ":"
    loop = f"for one in {cmd(*names)}; do"
    return lines(loop, '  rpm -q --quiet --whatprovides "$one" >/dev/null 2>&1 && echo "has $one"', "done", ":")


def _words(names: Sequence[Name]) -> str:
    """The names as shell words; of alternatives, the one that `first` prints on the host."""
    return " ".join(str(cmd(name)) if isinstance(name, str) else f"$({cmd('first', *name)})" for name in names)


def _install(tool: str, names: Sequence[Name]) -> str:
    wants = lines(*(str(cmd("wants", " or ".join(_alternatives(one)), *_alternatives(one))) for one in names))
    words = {"names": _words(names), "wants": wants, "lacks": cmd(f"{_told(names)}: {_BY_HAND}"), "where": cmd(_WHERE)}
    words["keeps"] = cmd(_KEEPS)
    match tool:
        case "apt-get":
            return _APT % {"tries": TRIES, **words}
        case "zypper":
            return _ZYPPER % words
    # Where dnf's own configuration lets it pass a source that is away, that is well.
    strict = " --setopt=skip_if_unavailable=0 --setopt=*.skip_if_unavailable=0" if tool == "dnf" else ""
    return _YUM % {"tool": tool, "lists": f"{tool} -q{strict} makecache", **words}
