"""The proofs of both sides: private keys, those of the agent, and known_hosts, each read once for a run."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..inventory import Host
from .keyfile import UnusableKey, private_key
from .known_hosts import KnownHosts, known_hosts_path

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
SECURITY_KEYS = ("~/.ssh/id_ed25519_sk", "~/.ssh/id_ecdsa_sk")
"""Those that OpenSSH looks for as well."""


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


def public_halves(files: Iterable[str]) -> set[bytes]:
    """The public halves that lie beside private keys, or are named in their place."""
    found = set()
    for file in files:
        for path in (Path(f"{file}.pub").expanduser(), Path(file).expanduser()):
            with suppress(OSError, ValueError, IndexError):
                found.add(base64.b64decode(path.read_text(errors="replace").split()[1], validate=True))
    return found


def of_agent(only: Container[bytes] | None = None) -> Iterator[Any]:
    """The keys of the SSH agent, if there is one, or `only` some; it is asked to sign as long as the iterator lives.

    One that does not sign is refused by the host as a wrong one is, so that the next can be tried.
    """
    if not os.environ.get("SSH_AUTH_SOCK"):
        return
    import paramiko

    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return
    try:
        key: Any
        for key in agent.get_keys():
            if only is None or key.asbytes() in only:
                key.sign_ssh_data = partial(_signed, key.sign_ssh_data, key.get_name())
                yield key
    finally:
        agent.close()


def _signed(sign: Callable[..., bytes], kind: str, data: bytes, algorithm: str | None = None) -> bytes:
    """The signature; a void one where the agent gives none, which paramiko's thread would not survive."""
    import paramiko

    try:
        return sign(data, algorithm)
    except (paramiko.SSHException, OSError):
        void = paramiko.Message()
        void.add_string(algorithm or kind)
        void.add_string(b"\0")
        return void.asbytes()
