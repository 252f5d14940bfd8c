"""The name of a runtime: a digest of all that it is made from, and of the platform that it is made for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .shipped import REMOTE

ARCH = "x86_64"
"""The one architecture that the pinned packages are for."""

PLATFORM = """\
release() { echo "os_id=$1"; echo "os_version=$2"; echo "os_like=${3-}"; }
if [ -r /etc/os-release ]; then
  (ID=rhel VERSION_ID= ID_LIKE=; . /etc/os-release >/dev/null 2>&1; release "$ID" "$VERSION_ID" "$ID_LIKE") \
    2>/dev/null || release rhel ''
else
  release rhel "$(rpm -E '%{rhel}' 2>/dev/null)"
fi
echo "arch=$(uname -m)"
echo "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)"
current=$(readlink current)
echo "current=$current"
"""
"""What the ids of a host's runtimes are made of, and the current one; in the folder of the runtimes, or elsewhere."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Hosts with equal values run each other's binaries."""

    os_id: str
    os_version: str
    arch: str
    libc: str

    def __str__(self) -> str:
        return f"{self.os_id} {self.os_version} {self.arch} {self.libc}"


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """The sources of a runtime: Python's version and tarball, the pins, the way it is built."""

    version: str
    source_sha256: str
    pins_digest: str

    @property
    def digest(self) -> str:
        """The same on every platform."""
        return _digest(self.version, self.source_sha256, self.pins_digest, _recipe())

    def id(self, platform: Platform) -> str:
        """The runtime's name on hosts of this platform: the version and 12 hexadecimal digits."""
        return f"{self.version}-{_digest(self.digest, str(platform))[:12]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _recipe() -> str:
    """The build script without its comments: a better explanation must not rebuild every cluster.

    Nor must a line that says of itself that it makes nothing.
    """
    lines = remote("build.sh").splitlines()
    return "\n".join(
        line for line in lines if not line.lstrip().startswith("#") and not line.endswith(" # makes nothing")
    )


def remote(name: str) -> str:
    """A program for hosts that is sent by itself, as an argument or inside of a script."""
    return (REMOTE / name).read_text()
