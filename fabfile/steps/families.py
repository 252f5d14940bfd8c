"""The families of distributions, as one table: package manager, names of packages and services, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Name = str | tuple[str, ...]
"""A package, or alternatives: the first that the host can get is installed, any of them will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Distributions whose packages have the same names. Users are made by useradd on all of them."""

    ids: tuple[str, ...]
    """The words of os-release (ID, ID_LIKE) by which they are known."""
    tools: tuple[str, ...]
    """Their package managers; the first that is there works."""
    files: tuple[str, ...] = ()
    """Files by which those are known that have no os-release yet."""
    packages: Mapping[str, tuple[Name, ...]]
    """By set: `runtime` is the libraries that a runtime is linked with, `build` the packages that the host which builds
    it needs on top, `phantomjs` the libraries of its binary, `chromium` what renders in its place, `firewall` the
    filter; the stores' sets have their roles' names."""
    services: Mapping[str, tuple[str, ...]]
    """By store, the names of its service."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Sets that bootstrap does not install there, with the reason."""


# Of alternatives, the newest release's name comes first.
DEBIAN = Family(
    ids=("debian", "ubuntu"),
    files=("/etc/debian_version",),
    tools=("apt-get",),
    packages={
        "runtime": (
            *("ca-certificates", "libsqlite3-0", ("libncursesw6", "libncursesw5"), "libbz2-1.0", "zlib1g"),
            *(("libssl3t64", "libssl3", "libssl1.1", "libssl1.0.0"), ("libffi8", "libffi7", "libffi6")),
            ("libreadline8t64", "libreadline8", "libreadline7", "libreadline6"),
            ("libcurl4t64", "libcurl4", "libcurl3"),
        ),
        "build": (
            *("gcc", "libc6-dev", "make", "libssl-dev", "zlib1g-dev", "libbz2-dev", "libreadline-dev"),
            *("libsqlite3-dev", ("libncurses-dev", "libncurses5-dev"), "libffi-dev", "libcurl4-openssl-dev"),
        ),
        "mysql": (("mariadb-server", "default-mysql-server", "mysql-server"), ("mariadb-client", "mysql-client")),
        "redis": (("redis-server", "valkey-server"),),
        "phantomjs": ("libfontconfig1", "libfreetype6"),
        "chromium": ("chromium", "fonts-liberation"),
        "firewall": (("nftables", "iptables"),),
    },
    services={"mysql": ("mariadb", "mysql"), "redis": ("redis-server", "valkey-server")},
)
# CentOS 6 and 7 (yum), RHEL, Rocky and Alma 8 and 9, Fedora (dnf).
REDHAT = Family(
    ids=("rhel", "fedora", "centos"),
    files=("/etc/redhat-release",),
    tools=("dnf", "yum"),
    packages={
        "runtime": (
            *("ca-certificates", ("openssl-libs", "openssl"), "libffi", "readline", "ncurses-libs", "bzip2-libs"),
            *(("libcurl", "libcurl-minimal"), ("sqlite-libs", "sqlite"), ("zlib", "zlib-ng-compat")),
        ),
        "build": (
            *("gcc", "make", "tar", "gzip", "openssl-devel", "bzip2-devel", "readline-devel", "sqlite-devel"),
            *("ncurses-devel", "libffi-devel", "libcurl-devel", ("zlib-devel", "zlib-ng-compat-devel")),
        ),
        "mysql": (("mariadb-server", "mysql-server"), ("mariadb", "mysql")),
        "redis": (("redis", "valkey"),),
        "phantomjs": ("fontconfig", "freetype"),
        # Fedora's, and for the others EPEL's.
        "chromium": ("chromium",),
        "firewall": (("nftables", "iptables"),),
    },
    services={"mysql": ("mariadb", "mysqld"), "redis": ("redis", "valkey")},
)
SUSE = Family(
    ids=("suse", "opensuse", "sles"),
    files=("/etc/SuSE-release",),
    tools=("zypper",),
    packages={
        "runtime": (
            *(
                "ca-certificates",
                "ca-certificates-mozilla",
                "libsqlite3-0",
                ("libopenssl3", "libopenssl1_1", "libopenssl1_0_0"),
            ),
            *(("libffi8", "libffi7", "libffi4"), ("libreadline8", "libreadline7", "libreadline6")),
            *(("libncurses6", "libncurses5"), ("libbz2-1", "libbz2"), "libcurl4", ("libz1", "libz-ng-compat1")),
        ),
        "build": (
            *("gcc", "make", "tar", "gzip", ("libopenssl-devel", "libopenssl-3-devel"), "libbz2-devel"),
            *("readline-devel", "sqlite3-devel", "ncurses-devel", "libffi-devel", "libcurl-devel"),
            ("zlib-devel", "zlib-ng-compat-devel"),
        ),
        "mysql": ("mariadb", "mariadb-client"),
        "redis": (),
        "phantomjs": ("fontconfig", "libfreetype6"),
        "chromium": ("chromium",),
        "firewall": (("nftables", "iptables"),),
    },
    services={"mysql": ("mariadb", "mysql")},
    refused={
        "redis": "openSUSE runs Redis and Valkey as instances (redis@NAME), which bootstrap does not set up: make one "
        "by hand, and name it in hosts.toml by [stores.redis] host"
    },
)
# Known for its reason alone.
ALPINE = Family(
    ids=("alpine", "postmarketos"),
    files=("/etc/alpine-release",),
    tools=("apk",),
    packages=dict.fromkeys(DEBIAN.packages, ()),
    services={},
    refused=dict.fromkeys(DEBIAN.packages, "the C library of this host is musl, and the pinned packages are for glibc"),
)
PROVIDED: Mapping[str, tuple[str, ...]] = {
    "mariadb-server": ("mysql-server", "virtual-mysql-server"),
    "mariadb-client": ("mysql-client", "virtual-mysql-client", "virtual-mysql-client-core"),
}
"""By package of Debian's kin, the names that others provide (Provides) which do the same: mysql-server-8.0 (Ubuntu),
mysql-community-server (Oracle), percona-server-server. The core of a server is no such: it brings no service."""
HEAVY: Mapping[str, int] = {"gcc": 170, "libc6-dev": 20, "mariadb-server": 190, "mariadb": 190, "redis-server": 6}
"""Megabytes of packages with all that they bring along, as measured on Debian 12; of any other one it is LIGHT."""
LIGHT = 2
FAMILIES: Mapping[str, Family] = {"debian": DEBIAN, "redhat": REDHAT, "suse": SUSE, "alpine": ALPINE}
TOOLS = tuple(tool for family in FAMILIES.values() if family is not ALPINE for tool in family.tools)


def package_names(*sets: str) -> dict[str, tuple[Name, ...]]:
    """By family, the names in these sets, in this order."""
    return {name: tuple(one for each in sets for one in family.packages[each]) for name, family in FAMILIES.items()}


def refusals(*sets: str) -> dict[str, str]:
    """By family, why one of these sets is not installed there."""
    found = ((name, family.refused.get(one, "")) for name, family in FAMILIES.items() for one in sets)
    return {name: why for name, why in found if why}


def services(store: str) -> tuple[str, ...]:
    """All names of a store's service, of which a host knows one."""
    found = (one for family in FAMILIES.values() for one in family.services.get(store, ()))
    return tuple(dict.fromkeys(found))


def known() -> str:
    """A script that prints `family NAME TOOL`, or `family none`.

    A host is of the family that it says; others carry the tools of several. A name that nobody knows is told by the
    tools: apt-get counts only where dpkg manages itself.
    """
    return _KNOWN.format(
        by_id="\n".join(_by_id(name, family) for name, family in FAMILIES.items()),
        by_file="\n".join(_by_file(name, family) for name, family in FAMILIES.items()),
        by_tool="\n".join(_by_tool(name, family) for name, family in FAMILIES.items()),
    )


_KNOWN = """\
family=
is() {{
  name=$1; shift
  [ -z "$family" ] || return 0
  for tool; do command -v "$tool" >/dev/null && {{ family="$name $tool"; return 0; }}; done
  return 0
}}
own=
# One that no shell reads says nothing, and ends its own subshell alone.
[ ! -r /etc/os-release ] || own=$(. /etc/os-release >/dev/null 2>&1; echo " ${{ID-}} ${{ID_LIKE-}} ") || own=
for word in $own; do
  case $word in
{by_id}
  esac
done
{by_file}
{by_tool}
echo "family ${{family:-none}}"
"""


def _by_id(name: str, family: Family) -> str:
    words = "|".join(f"{one}|{one}-*" for one in family.ids)
    return f"    {words}) is {name} {' '.join(family.tools)} ;;"


def _by_file(name: str, family: Family) -> str:
    return "\n".join(f"[ ! -e {one} ] || is {name} {' '.join(family.tools)}" for one in family.files)


def _by_tool(name: str, family: Family) -> str:
    asked = "dpkg-query -W dpkg >/dev/null 2>&1 && " if "apt-get" in family.tools else ""
    return f"{asked}is {name} {' '.join(family.tools)} || :"
