"""The proofs of both sides: private keys, those of the agent, and known_hosts, each read once for a run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..inventory import Host
from .keyfile import UnusableKey, private_key
from .known_hosts import KnownHosts, known_hosts_path

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


class Keys:
    """The known_hosts files and private keys of a run: each is read once, not once for every host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, KnownHosts] = {}
        self._private: dict[tuple[Path, str | None], Any] = {}

    def known(self, host: Host) -> KnownHosts:
        """The keys that are trusted for a host. Raises Unreachable."""
        path = known_hosts_path(host)
        with self._lock:
            if path not in self._known:
                self._known[path] = KnownHosts(path)
            return self._known[path]

    def private(self, path: Path, passphrase: str | None) -> Any:
        """The private key in a file, with its certificate where there is one. Raises UnusableKey, also LockedKey."""
        with self._lock:
            known = self._private.get((path, passphrase))
            if known is None:
                try:
                    known = private_key(path, passphrase)
                except UnusableKey as error:
                    known = error
                self._private[path, passphrase] = known
        if isinstance(known, UnusableKey):
            raise known
        return known


def of_agent() -> Iterator[Any]:
    """The keys of the SSH agent, if there is one; it is asked to sign as long as the iterator lives."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return
    import paramiko

    agent = paramiko.Agent()
    try:
        yield from agent.get_keys()
    finally:
        agent.close()
