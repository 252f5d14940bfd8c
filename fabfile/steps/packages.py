"""Packages are installed by the host's own package manager, of whichever family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import Problem
from .base import Action, CannotLook, Found, Probe
from .package_names import Name
from .shell import cmd, lines

INSTALL_SECONDS = 900.0
LOOKED_FOR = ("apt-get", "dnf", "yum")

# Some hosts carry the other family's tools as well: apt-get counts only where dpkg manages itself.
_FAMILY = """\
if command -v apt-get >/dev/null && dpkg-query -W dpkg >/dev/null 2>&1; then echo family debian apt-get
elif command -v dnf >/dev/null; then echo family redhat dnf
elif command -v yum >/dev/null; then echo family redhat yum
else echo family none; exit 0
fi
"""

# First with the lists that are there: a host that needs nothing new, or has no internet but an own
# archive, must not wait for a mirror. The second try repairs first.
_APT = """\
umask 022
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() {
  apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o APT::Install-Recommends=false \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}
first() {
  for one; do apt -s install "$one" >/dev/null 2>&1 && break; done
  echo "$one"
}
install() { apt install %s; }
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
install
"""

_YUM = """\
umask 022
first() {
  for one; do %(tool)s -q list "$one" >/dev/null 2>&1 && break; done
  echo "$one"
}
say installing
%(tool)s -y install %(names)s
"""


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages are installed, in the version that the host's archive offers; none is upgraded or removed.

    Services of installed packages start as their distribution does it: those this project installs
    listen on loopback only, until their own step has configured them.
    """

    names: Mapping[str, Sequence[Name]]
    """By family: debian (apt-get) or redhat (dnf, yum)."""
    name: str = "packages"

    def probe(self) -> Probe:
        queries = {
            "debian": _dpkg(_flat(self.names.get("debian", ()))),
            "redhat": _rpm(_flat(self.names.get("redhat", ()))),
        }
        script = (
            f"if command -v apt-get >/dev/null && dpkg-query -W dpkg >/dev/null 2>&1; then {queries['debian']}\n"
            f"else {queries['redhat']}\nfi"
        )
        return Probe(_FAMILY + script)

    def diff(self, found: Found) -> Sequence[Action]:
        family, tool, installed = self._parse(found)
        if family not in self.names:
            raise Problem(f"{self.name}: no package names are known for this host's family ({family})")
        missing = [name for name in self.names[family] if not installed & set(_alternatives(name))]
        if not missing:
            return []
        script = _apt(missing) if family == "debian" else _yum(tool, missing)
        says = "install packages " + ", ".join(" or ".join(_alternatives(name)) for name in missing)
        return [Action(says, script, limit=INSTALL_SECONDS)]

    def _parse(self, found: Found) -> tuple[str, str, set[str]]:
        rows = [line.split(" ") for line in found.text.splitlines()]
        match next((row[1:] for row in rows if row[0] == "family"), None):
            case ["none"]:
                raise Problem(f"{self.name}: this host has none of {', '.join(LOOKED_FOR)}; install them by hand")
            case [family, tool]:
                return family, tool, {row[1] for row in rows if row[0] == "has" and len(row) == 2}
        raise CannotLook(f"{self.name}: the host answered {found.text!r}")


def _alternatives(name: Name) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _flat(names: Sequence[Name]) -> list[str]:
    return [one for name in names for one in _alternatives(name)]


def _dpkg(names: Sequence[str]) -> str:
    if not names:
        return ":"
    # ${Status} is three fixed words, the last of which is the package's state.
    query = cmd("dpkg-query", "-W", "-f", "${Status} ${Package}\\n", *names)
    return f"{query} 2>/dev/null | sed -n 's/^[a-z]* ok installed /has /p'"


def _rpm(names: Sequence[str]) -> str:
    if not names:
        return ":"
    loop = f"for one in {cmd(*names)}; do"
    return lines(loop, '  rpm -q --quiet --whatprovides "$one" >/dev/null 2>&1 && echo "has $one"', "done", ":")


def _words(names: Sequence[Name]) -> str:
    """The names as shell words; of alternatives, the one that `first` prints on the host."""
    return " ".join(str(cmd(name)) if isinstance(name, str) else f"$({cmd('first', *name)})" for name in names)


def _apt(names: Sequence[Name]) -> str:
    return _APT % _words(names)


def _yum(tool: str, names: Sequence[Name]) -> str:
    return _YUM % {"tool": tool, "names": _words(names)}
