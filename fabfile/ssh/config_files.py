"""The files of ssh_config: read with all that they include, and told from one another host by host."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import WrongInput, reason

SYSTEM = Path("/etc/ssh/ssh_config")
_DEEPEST = 16
"""As OpenSSH has it."""
_INCLUDE = re.compile(r"\s*include(?:\s+|\s*=\s*)(.*)", re.IGNORECASE)
_LINE = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*?)\s*$")
_HARMLESS = {
    *("host", "sendenv", "setenv", "hashknownhosts", "forwardagent", "addkeystoagent", "loglevel", "compression"),
    *("gssapiauthentication", "gssapidelegatecredentials", "forwardx11", "forwardx11trusted", "visualhostkey"),
    *("serveraliveinterval", "serveralivecountmax", "tcpkeepalive", "connecttimeout", "connectionattempts"),
    *("controlmaster", "controlpath", "controlpersist", "stricthostkeychecking", "userknownhostsfile"),
}
"""Where there is nothing but these, a login is as hosts.toml says."""

BEYOND_PARAMIKO = (
    *("identityagent", "securitykeyprovider", "certificatefile", "hostbasedauthentication"),
    *("bindaddress", "bindinterface", "addressfamily", "proxyusefdpass"),
    *("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms", "casignaturealgorithms"),
    *("pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"),
)
"""Keywords that change a login, and that paramiko has no way to follow."""


@dataclass
class ConfigFiles:
    """Copies of the files in `folder`, in which each Include names copies; their lines keep their numbers.

    A path that begins with ~, or is relative, starts at HOME, as everywhere in this project.
    """

    folder: Path
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Every keyword in small letters, with its arguments."""
    originals: dict[Path, Path] = field(default_factory=dict)
    """By the name of a copy."""
    tops: list[Path] = field(default_factory=list)
    """The copies that no other one includes."""

    @property
    def includes(self) -> bool:
        """Whether one includes another."""
        return len(self.originals) > len(self.tops)

    @property
    def top(self) -> Path:
        """The file that leads to all others."""
        return self.folder / "top"

    def add(self, file: Path, base: Path, depth: int = 0) -> Path:
        """Copy a file, and all that it includes from `base` on. Raises WrongInput."""
        copy = self.folder / str(len(self.originals))
        self.originals[copy] = file
        self.tops += [copy] if depth == 0 else []
        copy.write_bytes("".join(self._copied(_text(file), base, depth)).encode("utf-8", "surrogateescape"))
        return copy

    def _copied(self, text: str, base: Path, depth: int) -> Iterator[str]:
        for line in text.splitlines():
            include = _INCLUDE.match(line)
            if include is None:
                if found := _LINE.match(line):
                    self.lines.append((found[1].lower(), found[2]))
                elif line.strip() and not line.lstrip().startswith("#"):
                    self.lines.append(("", line))
                yield f"{line}\n"
            else:
                copies = [self.add(path, base, depth + 1) for path in _named(include[1], base) if depth < _DEEPEST]
                yield "".join(["Include", *(f' "{path}"' for path in copies), "\n"]) if copies else "\n"

    @cached_property
    def matters(self) -> bool:
        """Whether anything in them could change a login, or can't be read."""
        return any(keyword not in _HARMLESS or arguments.count('"') % 2 for keyword, arguments in self.lines)

    @cached_property
    def beyond_paramiko(self) -> bool:
        """Whether one of them says, for any host, what paramiko can't follow."""
        return any(keyword in BEYOND_PARAMIKO for keyword, _ in self.lines)

    @cached_property
    def kerberos(self) -> bool:
        """Whether one of them asks for logins by Kerberos; many systems do, also where there is none."""
        return any(line == ("gssapiauthentication", "yes") for line in self.lines)

    def like(self, address: str) -> tuple[object, ...]:
        """A value that is equal for addresses which the files can't tell apart."""
        if self._one_by_one:
            return (address,)
        return tuple(_fits(address, pattern) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> list[str]:
        found = []
        for keyword, arguments in self.lines:
            if keyword in ("host", "match"):
                found += [word.lstrip("!") for word in re.split(r'[\s,"=]+', arguments) if word]
        return list(dict.fromkeys(found))

    @cached_property
    def _one_by_one(self) -> bool:
        """Whether a Match can depend on more than patterns of the name."""
        matches = [arguments.lower() for keyword, arguments in self.lines if keyword == "match"]
        if any("%" in one for one in matches) or any(keyword == "canonicalizehostname" for keyword, _ in self.lines):
            return True
        return self.renames and any(re.search(r"\bhost\b", one) for one in matches)

    @cached_property
    def renames(self) -> bool:
        """Whether a HostName is made from the name that was given."""
        return any(keyword == "hostname" and "%" in arguments for keyword, arguments in self.lines)

    def told(self, text: str) -> str:
        """A text in which the copies have the names of the originals."""
        for copy, original in reversed(self.originals.items()):
            text = re.sub(rf"{re.escape(str(copy))}(?!\d)", str(original), text)
        return text


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise WrongInput(f"ssh_config: {file}: {reason(error)}") from error


def _named(arguments: str, base: Path) -> list[Path]:
    try:
        words = shlex.split(arguments, comments=True)
    except ValueError as error:
        raise WrongInput(f"ssh_config: Include {arguments}: {error}") from error
    return [path for word in words for path in _globbed(base / Path(word).expanduser()) if path.is_file()]


def _globbed(pattern: Path) -> list[Path]:
    return sorted(Path("/").glob(str(pattern).lstrip("/")))


def _fits(address: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(address.lower(), pattern.lower())
