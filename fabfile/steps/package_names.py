"""The names of all packages that hosts need: one table for all families of distributions."""

from __future__ import annotations

from collections.abc import Mapping

Name = str | tuple[str, ...]
"""A package, or alternatives: the first that the host can get is installed, any of them will do."""

NAMES: Mapping[str, Mapping[str, tuple[Name, ...]]] = {
    # Of alternatives, the newest release's name comes first.
    "debian": {
        "runtime": (
            *("ca-certificates", "libsqlite3-0", "libncursesw6", "libbz2-1.0", "zlib1g"),
            *(("libssl3t64", "libssl3", "libssl1.1"), ("libffi8", "libffi7")),
            *(("libreadline8t64", "libreadline8"), ("libcurl4t64", "libcurl4")),
        ),
        "build": (
            *("gcc", "libc6-dev", "make", "libssl-dev", "zlib1g-dev", "libbz2-dev", "libreadline-dev"),
            *("libsqlite3-dev", "libncurses-dev", "libffi-dev", "libcurl4-openssl-dev"),
        ),
        "mysql": (("mariadb-server", "default-mysql-server", "mysql-server"), ("mariadb-client", "mysql-client")),
        "redis": (("redis-server", "valkey-server"),),
        "phantomjs": ("libfontconfig1", "libfreetype6"),
        "firewall": (("nftables", "iptables"),),
    },
    "redhat": {
        "runtime": (
            *("ca-certificates", "openssl-libs", "libffi", "readline", "ncurses-libs", "bzip2-libs"),
            *(("libcurl", "libcurl-minimal"), ("sqlite-libs", "sqlite"), ("zlib", "zlib-ng-compat")),
        ),
        "build": (
            *("gcc", "make", "tar", "gzip", "openssl-devel", "bzip2-devel", "readline-devel", "sqlite-devel"),
            *("ncurses-devel", "libffi-devel", "libcurl-devel", ("zlib-devel", "zlib-ng-compat-devel")),
        ),
        "mysql": (("mariadb-server", "mysql-server"), ("mariadb", "mysql")),
        "redis": (("redis", "valkey"),),
        "phantomjs": ("fontconfig", "freetype"),
        "firewall": (("nftables", "iptables"),),
    },
}
"""By family and set. `runtime` is the libraries that a runtime is linked with, `build` the packages that the host
which builds it needs on top, `phantomjs` the libraries of its binary, `firewall` the filter; the stores' sets have
their roles' names."""


def package_names(*sets: str) -> dict[str, tuple[Name, ...]]:
    """By family, the names in these sets, in this order."""
    return {family: tuple(name for one in sets for name in known[one]) for family, known in NAMES.items()}
