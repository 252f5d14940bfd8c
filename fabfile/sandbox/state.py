"""A sandbox's directory: root's, so that nobody can replace root's files in it; the keys in it are the caller's."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import Problem

_OWN = re.compile(r"node\d+|network|(id_ed25519|known_hosts|ssh_config|proxy|site|network).*")
"""The names of files that a stopped `down` may leave."""


def make_state(state: Path) -> None:
    """Make the directory, where it is missing, so that others can reach what is theirs in it."""
    state.parent.mkdir(parents=True, exist_ok=True)
    state.mkdir(mode=0o755, exist_ok=True)
    refuse_foreign(state)
    # Only now may others enter: hosts of an older version are closed first.
    for host in state.glob("node*"):
        host.chmod(0o700)
    state.chmod(0o755)


def refuse_foreign(state: Path) -> None:
    """Raises Problem for a directory that is not a sandbox's: root would work, and remove, in somebody's files."""
    if state.is_symlink():
        raise Problem(f"{state} is a link: a sandbox makes a directory of its own there; remove the link")
    if not state.exists():
        return
    if (owner := state.stat().st_uid) != 0:
        raise Problem(
            f"{state} belongs to {_name(owner)}, who could put links there for root to follow; "
            "remove it, or set SANDBOX_STATE to another path"
        )
    if not (state / "lock").exists() and any(not _OWN.fullmatch(one.name) for one in state.iterdir()):
        raise Problem(f"{state} holds other files than a sandbox's; set SANDBOX_STATE to a path where nothing is")


def hand_over_keys(state: Path, files: Iterable[Path]) -> None:
    """Give the files to the owner of the folder around the sandbox, else to the caller of sudo."""
    around = state.parent.stat()
    owner, group = around.st_uid, around.st_gid
    if owner == 0:
        owner, group = (int(os.environ.get(name) or 0) for name in ("SUDO_UID", "SUDO_GID"))
    for file in files:
        os.chown(file, owner, group, follow_symlinks=False)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
