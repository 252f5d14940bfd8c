"""Which host keys are trusted: those in known_hosts, and, if one wants it, those of hosts never seen before."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from .errors import Unreachable
from .inventory import Host


def known_hosts(host: Host) -> Path:
    """The file that holds the keys trusted for this host."""
    return host.known_hosts or Path("~/.ssh/known_hosts").expanduser()


class HostKeyPolicy:
    """What happens at a key that known_hosts does not hold; paramiko's own policies say so only in English."""

    def __init__(self, host: Host, where: str) -> None:
        self._host, self._where = host, where

    def missing_host_key(self, _client: Any, name: str, key: Any) -> None:
        """Add it where the host says `accept-new`; else raise Unreachable."""
        file = known_hosts(self._host)
        if self._host.host_keys == "accept-new":
            try:
                _append(file, f"{name} {key.get_name()} {key.get_base64()}\n")
            except OSError as error:
                raise Unreachable(f"{self._where}: its host key can't be added to {file}: {error.strerror}") from error
            return
        raise Unreachable(
            f"{self._where}: its host key ({key.fingerprint}) is not in {file}; check it on the host, "
            f"then add it: ssh-keyscan -p {self._host.port} {self._host.address} >>{file}"
        )


def changed_key(where: str, host: Host, error: Any) -> str:
    """The sentence for a host whose key is another than the known one (paramiko's BadHostKeyException)."""
    return (
        f"{where}: the host key has CHANGED: {known_hosts(host)} holds {error.expected_key.fingerprint}, "
        f"the host showed {error.key.fingerprint}; somebody may be in between, or the host was installed anew: "
        f"then remove the old key with ssh-keygen -f {known_hosts(host)} -R {_entry(host)}"
    )


def _entry(host: Host) -> str:
    return host.address if host.port == 22 else f"'[{host.address}]:{host.port}'"


def _append(file: Path, line: str) -> None:
    """One whole line at the end of the file, also when several connections add theirs at once."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = file.read_bytes()
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        if line.encode() not in before:
            os.write(handle, gap + line.encode())
    finally:
        os.close(handle)
