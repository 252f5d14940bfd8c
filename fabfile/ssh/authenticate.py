"""A login on a paramiko transport: key after key, then the password."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .keyfile import LockedKey, SecurityKey, UnusableKey
from .keys import DEFAULT_KEYS, Keys, of_agent, public_halves
from .way import WayIn


def authenticate(transport: Any, way: WayIn, keys: Keys, unusable: list[UnusableKey]) -> None:
    """Try key after key, then the password. Raises paramiko's AuthenticationException when none is accepted.

    The keys that were to be tried and can't be are added to `unusable`.
    """
    import paramiko

    last: Exception = paramiko.AuthenticationException("no key to try")
    more: list[str] = []
    try:
        for key in _candidates(way, keys, unusable):
            try:
                if not (more := transport.auth_publickey(way.host.user, key)):
                    return
            except (paramiko.AuthenticationException, paramiko.SSHException) as error:
                last = error
                if not transport.is_active() or isinstance(error, paramiko.BadAuthenticationType):
                    break
    except UnusableKey as error:
        last = error
    if way.flags.password and transport.is_active():
        more = transport.auth_password(way.host.user, way.flags.password)
        if not more:
            return
    raise paramiko.AuthenticationException(f"it also wants {', '.join(more)}") if more else last


def _candidates(way: WayIn, keys: Keys, unusable: list[UnusableKey]) -> Iterator[Any]:
    """hosts.toml's key; without one the agent's, then those of the flags, ssh_config and ~/.ssh.

    With IdentitiesOnly of ssh_config the agent's are those whose public half is in one of the files.

    Raises UnusableKey for hosts.toml's own, LockedKey where there is nothing but locked ones.
    """
    locked: LockedKey | None = None
    if way.host.key is not None:
        try:
            yield keys.private(way.host.key, way.flags.passphrase)
            return
        except LockedKey as error:
            # The agent may hold it unlocked.
            locked = error
    yield from of_agent(public_halves(key_files(way)) if way.settings.only_these_keys else None)
    for path in key_files(way) if way.host.key is None else ():
        try:
            yield keys.private(Path(path).expanduser(), way.flags.passphrase)
        except LockedKey as error:
            locked = error
            unusable.append(error)
        except UnusableKey as error:
            if path not in DEFAULT_KEYS or Path(path).expanduser().exists():
                unusable.append(error)
    if locked:
        raise locked


def unusable_keys(way: WayIn, keys: Keys) -> list[UnusableKey]:
    """Those of the files that are named for a host, or there, and that nobody can use without more."""
    found: list[UnusableKey] = []
    for file in key_files(way):
        path = Path(file).expanduser()
        try:
            keys.private(path, way.flags.passphrase)
        except SecurityKey:
            continue
        except UnusableKey as error:
            if file not in DEFAULT_KEYS or path.exists():
                found.append(error)
    return found


def tried(way: WayIn, unusable: Sequence[UnusableKey]) -> str:
    """The end of a sentence about a login: with which keys it was tried."""
    bad = {Path(str(error).partition(": ")[0]).expanduser() for error in unusable}
    there = [(file, Path(file).expanduser()) for file in key_files(way)]
    files = [file for file, path in there if path.exists() and path not in bad]
    agent = ["the agent's keys"] if way.host.key is None and os.environ.get("SSH_AUTH_SOCK") else []
    password = ["the password"] if way.flags.password else []
    every = [*agent, *files, *password]
    return f"; tried: {', '.join(every)}" if every else "; there was no key to try"


def key_files(way: WayIn) -> tuple[str, ...]:
    """The files of private keys: hosts.toml's, or else those of flags, ssh_config and ~/.ssh."""
    if way.host.key is not None:
        return (str(way.host.key),)
    return way.key_files if way.settings.only_these_keys and way.key_files else (*way.key_files, *DEFAULT_KEYS)
