"""The phantomjs binary that renders pages with JavaScript."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Problem
from .base import Action, CannotLook, Found, Payload, Probe
from .room import PROGRAMS, SCRATCH, Need
from .runtime_spec import ARCH
from .shell import assign, cmd, lines

PHANTOMJS = "/opt/pyspider/bin/phantomjs"
ENVIRONMENT: Mapping[str, str] = {"OPENSSL_CONF": "/dev/null"}
"""phantomjs 2.1.1 carries OpenSSL 1.0.1, which ends at once where the host's openssl.cnf names OpenSSL 3's
providers, as Ubuntu's does (`could not load the shared library: libproviders.so`)."""

INSTALL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class PhantomJSBinary:
    """The binary with this checksum is at PHANTOMJS, root's, executable by everyone, and starts."""

    binary: Path
    sha256: str
    name: str = "phantomjs"

    def probe(self) -> Probe:
        script = lines(
            f'echo "file=$({cmd("stat", "-c", "%a %U", PHANTOMJS)} 2>/dev/null)"',
            f'echo "sha256=$({cmd("sha256sum", PHANTOMJS)} 2>/dev/null)"',
            'echo "arch=$(uname -m)"',
            f"if {_TRIAL.quiet()}; then echo starts=yes; else echo starts=no; fi",
        )
        return Probe(script)

    def diff(self, found: Found) -> Sequence[Action]:
        known = dict(line.partition("=")[::2] for line in found.text.splitlines())
        if not {"file", "sha256", "starts"} <= known.keys():
            raise CannotLook(f"phantomjs: the host's answer is cut short: {found.text[-300:]!r}")
        if known.get("arch", ARCH) != ARCH:
            raise Problem(f"phantomjs: there is a binary for {ARCH} alone, and this host is {known['arch']}")
        if known["file"] != "755 root" or known["sha256"] != f"{self.sha256}  {PHANTOMJS}":
            return [self._install()]
        # A library is missing: either one of this run's packages brings it, or the trial says which.
        return [] if known["starts"] == "yes" else [Action("try phantomjs", str(_TRIAL))]

    def needs(self, found: Found) -> list[Need]:
        """The room that it takes where it is missing."""
        if f"sha256={self.sha256} " in found.text:
            return []
        size = self.binary.stat().st_size >> 20
        return [Need(PROGRAMS, size, "PhantomJS"), Need(SCRATCH, size, "PhantomJS on its way")]

    def _install(self) -> Action:
        script = lines(
            "umask 022",
            assign("TARGET", PHANTOMJS),
            assign("SHA256", self.sha256),
            cmd("mkdir", "-p", posixpath.dirname(PHANTOMJS)),
            'cp "$1" "$TARGET.new"',
            'chown root:root "$TARGET.new"; chmod 755 "$TARGET.new"',
            'echo "$SHA256  $TARGET.new" | sha256sum -c --quiet -',
            'mv -f "$TARGET.new" "$TARGET"',
            _TRIAL,
        )
        return Action(f"install {PHANTOMJS}", script, (Payload(self.binary),), limit=INSTALL_SECONDS)


_TRIAL = cmd("env", *(f"{key}={value}" for key, value in ENVIRONMENT.items()), PHANTOMJS, "--version")
