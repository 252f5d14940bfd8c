"""Which Python 2.7 a host's OpenSSL allows: known before the minutes of a compilation that would end without ssl."""

from __future__ import annotations

from .runtime_spec import remote
from .shell import cmd, lines

SINCE = (2, 7, 13)
"""The first Python 2 whose ssl and hashlib are written for OpenSSL 1.1, which 3 still has: its changelog, bpo-26470."""


def question(version: str) -> str:
    """A script that prints the line `to_build_with=VERSION`, OpenSSL's; empty where this Python takes every OpenSSL."""
    return "" if _takes_all(version) else lines(remote("openssl.sh"), 'echo "to_build_with=$(openssl_version)"', "")


def refusal(version: str, openssl: str) -> str:
    """Why this Python can't be built with that OpenSSL, as one sentence; empty where it can, or nothing is known."""
    if _takes_all(version) or not openssl or openssl.startswith(("0.", "1.0.")):
        return ""
    return _SENTENCE % (version, openssl)


def barrier(version: str) -> str:
    """A script that ends with the same sentence and status 1 in front of the build; empty where none is needed."""
    if _takes_all(version):
        return ""
    told = cmd("printf", _SENTENCE + "\\n", version)
    judged = f'case $found in ""|0.*|1.0.*) ;; *) {told} "$found"; exit 1 ;; esac'
    return lines(remote("openssl.sh"), "found=$(openssl_version)", judged)


_SENTENCE = (
    "Python %s has no ssl with this host's OpenSSL %s: 2.7.13 is the first that compiles with OpenSSL 1.1 and later; "
    "in [python] of hosts.toml name version 2.7.18 with its sha256, or take out both lines, which means the same"
)


def _takes_all(version: str) -> bool:
    return tuple(map(int, version.split("."))) >= SINCE
