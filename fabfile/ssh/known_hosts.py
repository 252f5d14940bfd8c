"""Which host keys are trusted: those in known_hosts, and, if one wants it, those of hosts never seen before."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Unreachable
from ..inventory import Host
from ..local import hand_over, made_folder, only_writer
from ..steps.shell import cmd


def known_hosts_path(host: Host) -> Path:
    """The file that holds the keys trusted for this host."""
    return host.known_hosts or Path("~/.ssh/known_hosts").expanduser()


def entry(address: str, port: int) -> str:
    """The name under which known_hosts holds a host."""
    return address if port == 22 else f"[{address}]:{port}"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """The public key that a host showed: its type, and the key in base64."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.text)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


class KnownHosts:
    """The keys of one known_hosts file, read once for a whole run; one may be added from any thread.

    Raises Unreachable where the file is there and can't be read. Lines that trust an authority
    (@cert-authority) trust nobody.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._plain: dict[str, dict[str, str]] = {}
        self._other: list[tuple[str, str, str]] = []
        """Hashed names and patterns, with type and key: to be tried one by one."""
        self._revoked: set[str] = set()
        self._authorities: list[tuple[str, int]] = []
        """The names for which certificates count, and the lines that say so."""
        self._lines: dict[str, int] = {}
        """Where a key stands, for the operator to look at."""
        if file.is_fifo() or file.is_socket():
            raise Unreachable(f"{file} is no regular file; host keys can't be checked without one")
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreachable(
                f"{file} can't be read: {error.strerror}; host keys can't be checked without it"
            ) from error
        for number, line in enumerate(text.splitlines(), 1):
            self._take(line.split(), number)

    def _take(self, words: list[str], number: int) -> None:
        if len(words) >= 4 and words[0] == "@revoked":
            self._revoked.add(words[3])
        if len(words) >= 4 and words[0] == "@cert-authority":
            self._authorities.append((words[1], number))
        if len(words) < 3 or words[0].startswith(("#", "@")):
            return
        names, kind, key = words[:3]
        self._lines.setdefault(key, number)
        if names.startswith("|") or set(names) & set("*?!"):
            self._other.append((names, kind, key))
            return
        for name in names.split(","):
            self._plain.setdefault(name, {}).setdefault(kind, key)

    def keys(self, name: str) -> dict[str, str]:
        """The known keys of a host by their type, in base64."""
        with self._lock:
            found = dict(self._plain.get(name, {}))
        for names, kind, key in self._other:
            if _matches(name, names):
                found.setdefault(kind, key)
        return found

    def place(self, key: str) -> str:
        """The file, and the line of a key that it held when it was read."""
        return f"line {self._lines[key]} of {self.file}" if key in self._lines else str(self.file)

    def authority(self, name: str) -> str:
        """The place of a line that trusts an authority's certificates for a host; empty where there is none."""
        lines = (number for names, number in self._authorities if _matches(name, names))
        return next((f"line {number} of {self.file}" for number in lines), "")

    def revoked(self, key: str) -> bool:
        return key in self._revoked

    def add(self, name: str, kind: str, key: str) -> None:
        """Trust a key from now on, also in later runs. Raises OSError."""
        _append(self.file, f"{name} {kind} {key}\n")
        with self._lock:
            self._plain.setdefault(name, {})[kind] = key


def _matches(name: str, names: str) -> bool:
    if names.startswith("|"):
        from paramiko import HostKeys

        return bool(HostKeys.hash_host(name, names) == names)
    patterns = names.split(",")
    refused = any(_fits(name, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
    return not refused and any(_fits(name, pattern) for pattern in patterns)


def _fits(name: str, pattern: str) -> bool:
    # `[host]:port` is no set of characters.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def algorithms(known: dict[str, str], supported: Sequence[str]) -> tuple[str, ...]:
    """The order in which to ask for host keys: first those of which one is known, so that it can be compared."""
    first = [name for name in supported if (RSA if name.startswith("rsa-sha2-") else name) in known]
    return (*first, *(name for name in supported if name not in first))


RSA = "ssh-rsa"
"""The type of an RSA key in known_hosts, whatever the signature's algorithm is called."""


def check(host: Host, name: str, known: KnownHosts, key: ShownKey, straight: str = "") -> None:
    """Accept the key that a host shows as `name`, or raise Unreachable.

    `straight` is the address at which this machine itself reaches it; empty where another machine is between.
    """
    where = f"{host.name}: {host.user}@{host.address}:{host.port}"
    shown, trusted = key.text, known.keys(name)
    if known.revoked(shown):
        raise Unreachable(f"{where}: its host key ({key.fingerprint}) is marked as revoked in {known.file}")
    if trusted.get(key.kind) == shown:
        return
    if trusted:
        raise Unreachable(_changed(where, name, known, key, trusted))
    if host.host_keys != "accept-new":
        added = f"{_first(known.file)}{_lines(straight, host.port, name, key)} >>{cmd(known.file)}"
        raise Unreachable(
            f"{where}: its host key ({key.fingerprint}) is not in {known.file}{_by_certificate(known, name)}; "
            f"check it on the host, then add it: {added}"
        )
    try:
        known.add(name, key.kind, shown)
    except OSError as error:
        raise Unreachable(f"{where}: its host key can't be added to {known.file}: {error.strerror}") from error


def _by_certificate(known: KnownHosts, name: str) -> str:
    if not (place := known.authority(name)):
        return ""
    return f" ({place} trusts an authority's certificates, which paramiko can't check; leave out ssh = \"paramiko\")"


def _first(file: Path) -> str:
    """What has to be typed before, where the file's directory is missing: ssh's own is for its owner alone."""
    return "" if file.parent.is_dir() else f"{cmd('mkdir', '-p', '-m', '700', file.parent)} && "


def _lines(straight: str, port: int, name: str, key: ShownKey) -> str:
    """A command that prints the host's keys under the name at which they are looked for."""
    if not straight:
        # A scan from here would end, or find another machine that has this address here.
        return str(cmd("echo", f"{name} {key.kind} {key.text}"))
    scan = str(cmd("ssh-keyscan", "-p", port, straight))
    return scan if name == entry(straight, port) else f"{scan} | {cmd('sed', f's/^[^ #]*/{name}/')}"


def _changed(where: str, name: str, known: KnownHosts, key: ShownKey, trusted: dict[str, str]) -> str:
    kind, text = next(_same_type_first(trusted, key.kind))
    expected = ShownKey(kind, text).fingerprint
    return (
        f"{where}: the host key has CHANGED: {known.place(text)} holds {expected}, "
        f"the host showed {key.fingerprint}; somebody may be in between, or the host was installed anew: "
        f"then remove the old key with {cmd('ssh-keygen', '-f', known.file, '-R', name)}"
    )


def _same_type_first(trusted: dict[str, str], kind: str) -> Iterator[tuple[str, str]]:
    yield from sorted(trusted.items(), key=lambda item: item[0] != kind)


def _append(file: Path, line: str) -> None:
    """One whole line at the end of the file, also when several connections add theirs at once."""
    if not file.parent.exists():
        made_folder(file.parent, parents=True)
    with only_writer(file) as handle:
        before = file.read_bytes()
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        if line.encode() not in before:
            os.write(handle, gap + line.encode())
        if not before:
            hand_over(handle, file.parent)
