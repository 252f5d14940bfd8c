"""Which of the two makes a connection, where hosts.toml leaves it open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .authenticate import key_files
from .keyfile import LockedKey, SecurityKey, UnusableKey
from .keys import SECURITY_KEYS, Keys, of_agent
from .way import WayIn


def by_openssh(way: WayIn, keys: Keys) -> bool:
    """Whether the OpenSSH client is to make it; else paramiko tries first. Raises Unreachable."""
    if way.host.ssh is not None:
        return way.host.ssh == "openssh"
    return way.host.legacy_ssh or way.settings.only_openssh or _certified(way, keys) or _by_security_key(way, keys)


def _certified(way: WayIn, keys: Keys) -> bool:
    """Whether its key is trusted by an authority's certificate alone."""
    known = keys.known(way.host)
    return bool(known.authority(way.known_as)) and not known.keys(way.known_as)


def _by_security_key(way: WayIn, keys: Keys) -> bool:
    """Whether there are keys to try, and each of them needs its security key (FIDO)."""
    found = list(_files(way, keys))
    if False not in found and way.host.key is None:
        found += [key.get_name().startswith("sk-") for key in of_agent()]
    return bool(found) and all(found)


def _files(way: WayIn, keys: Keys) -> Iterator[bool]:
    files = (*key_files(way), *(() if way.host.key else SECURITY_KEYS))
    for path in (Path(file).expanduser() for file in files):
        try:
            keys.private(path, way.flags.passphrase)
        except SecurityKey:
            yield True
        except LockedKey:
            yield False
        except UnusableKey:
            continue
        else:
            yield False
