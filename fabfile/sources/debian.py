"""Python 2.7's source out of Debian's bullseye source package: the same bytes as python.org's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ..errors import Problem
from .kept import Source

VERSION = "2.7.18"
"""The one version that Debian's mirrors carry."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIMIT = 300.0

# Nothing of this machine's own apt is written: lists, cache and status are private. The rest of
# its configuration (proxy, certificates) applies. apt's own user could not enter a 0700 folder.
_CONFIG = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "";
Acquire::Languages "none";
"""


def from_debian(version: str) -> Source:
    """The source package of Debian 11, from the mirror that this machine's apt already uses."""

    def fetch(scratch: Path) -> Path:
        if version != VERSION:
            raise Problem(f"Debian has {VERSION}, not {version}")
        if shutil.which("apt-get") is None:
            raise Problem("this machine has no apt")
        return _fetch(_mirror(), scratch)

    return Source("debian", fetch)


def _mirror() -> str:
    output = _run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"])
    for line in output.splitlines():
        origin, _, rest = line.partition("|")
        label, _, address = rest.partition("|")
        if (origin, label) == ("Debian", "Debian") and address:
            return address
    raise Problem("this machine's apt knows no Debian mirror; if it should, run `apt-get update`")


def _fetch(mirror: str, scratch: Path) -> Path:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    (scratch / "sources.list").write_text(f"deb-src {signed}{mirror} bullseye main\n")
    config = scratch / "apt.conf"
    config.write_text(_CONFIG.format(folder=scratch))
    _run(["apt-get", "update", "-q"], config)
    _run(["apt-get", "source", "-q", "--download-only", "--tar-only", "python2.7/bullseye"], config, scratch)
    found = list(scratch.glob("python2.7_*.orig.tar.gz"))
    if len(found) != 1:
        raise Problem("the source package holds no single original tarball")
    return found[0]


def _run(command: list[str], config: Path | None = None, folder: Path | None = None) -> str:
    environment = dict(os.environ, LC_ALL="C", **({"APT_CONFIG": str(config)} if config else {}))
    try:
        done = subprocess.run(
            command, env=environment, cwd=folder, timeout=LIMIT, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"{' '.join(command[:2])} takes longer than {LIMIT:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Problem(f"{' '.join(command[:2])}: exit status {done.returncode}: {last}")
    return done.stdout
