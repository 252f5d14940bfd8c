"""The package archive that this machine's own apt uses, as data."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Problem

KEYRINGS = Path("/usr/share/keyrings")
ROLLING = ("sid", "unstable", "testing")
_FIELDS = ("ORIGIN", "REPO_URI", "CODENAME", "RELEASE", "COMPONENT")
# How the archive may be reached and how strictly it is read; never programs to run (Pre-Invoke and its like).
_PASSED_ON = re.compile(
    r"Acquire::(Check-Valid-Until|Check-Date|Retries|ForceIPv[46]|https?::(?!.*Proxy-Auto)[\w:.-]+) "
)
_PROXY = re.compile(r'Acquire::http::Proxy "(?:http://)?([^"/]+)')


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the packages of one release come from."""

    release: str
    """The release's code name: bookworm, noble."""
    sources: tuple[str, ...]
    """Lines for a sources.list: the release with its updates and its security fixes."""
    options: tuple[str, ...]
    """Lines for an apt.conf: this machine's settings for downloads, its proxy included."""

    def direct_options(self) -> tuple[str, ...]:
        """The options without this machine's proxies and certificate files."""
        return tuple(line for line in self.options if not re.search("::(Proxy|CaInfo)", line, re.IGNORECASE))

    def upstream_proxy(self) -> str:
        """[user:password@]host:port of the proxy that this machine's apt goes through, or nothing."""
        found = (_PROXY.match(line) for line in self.options)
        return next((match[1] for match in found if match), "")


def own_archive() -> Archive:
    """This machine's. Raises Problem where apt cannot tell it."""
    system = platform.freedesktop_os_release()
    release, origin = system.get("VERSION_CODENAME", ""), system.get("ID", "").capitalize()
    sources = source_lines(_targets(), origin, release) or _updated(origin, release)
    options = _output("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire")
    chosen = [line for line in options.splitlines() if _PASSED_ON.match(line)]
    if (proxy := os.environ.get("http_proxy")) and not any(_PROXY.match(line) for line in chosen):
        chosen.append(f'Acquire::http::Proxy "{proxy}";')
    return Archive(release, sources, tuple(chosen))


def archive_of(release: str) -> Archive:
    """That of another release of this machine's distribution, from the same servers; "" is its own. Raises Problem."""
    own = own_archive()
    if release in ("", own.release):
        return own
    return replace(own, release=release, sources=other_release(own.sources, release))


def other_release(sources: tuple[str, ...], release: str) -> tuple[str, ...]:
    """The sources.list lines with another release's name, pocket by pocket; a rolling one has a single pocket."""
    lines = [re.fullmatch(r"(deb (?:\[\S+\] )?\S+ )[^- ]+(-\S+)? (.+)", line) for line in sources]
    found = [(match[1], match[2] or "", match[3]) for match in lines if match]
    wanted = [one for one in found if not one[1] or release not in ROLLING]
    return tuple(f"{where}{release}{pocket} {components}" for where, pocket, components in wanted)


def source_lines(targets: str, origin: str, release: str) -> tuple[str, ...]:
    """The sources.list lines of one release, from the answer of `apt-get indextargets`.

    Other vendors' archives, backports and proposed updates are left out.
    """
    components: dict[tuple[str, str], list[str]] = {}
    for line in targets.splitlines():
        vendor, uri, codename, name, component = line.split("|")
        # Ubuntu calls every pocket by the release's code name, so the name in the source line counts too.
        ours = vendor == origin and codename.startswith(release) and not re.search("backports|proposed", name)
        if ours and component not in components.setdefault((uri, name), []):
            components[uri, name].append(component)
    signed = _signed_by(origin)
    return tuple(f"deb {signed}{uri} {name} {' '.join(parts)}" for (uri, name), parts in components.items())


def _signed_by(origin: str) -> str:
    ring = KEYRINGS / f"{origin.lower()}-archive-keyring.gpg"
    return f"[signed-by={ring}] " if ring.is_file() else ""


def _targets() -> str:
    shape = "|".join(f"$({field})" for field in _FIELDS)
    return _output("apt-get", "indextargets", "--format", shape, "Created-By: Packages")


def _updated(origin: str, release: str) -> tuple[str, ...]:
    """The lines once more after `apt-get update`: apt names only archives whose lists it holds."""
    _output("apt-get", "update", "-qq")
    sources = source_lines(_targets(), origin, release)
    if not sources:
        raise Problem(
            f"apt on this machine has no package source of {origin or 'its distribution'} {release}: "
            "the sandbox is built from the machine's own Debian or Ubuntu archive; see /etc/apt/sources.list.d"
        )
    return sources


def _output(*argv: str) -> str:
    try:
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    except FileNotFoundError as error:
        raise Problem(f"{argv[0]} is missing: the sandbox runs on Debian or Ubuntu") from error
    if result.returncode != 0:
        raise Problem(f"{' '.join(argv[:2])} failed on this machine: {result.stderr.strip()[-300:]}")
    return result.stdout
