"""A password or a passphrase for ssh: from this process's memory, by SSH_ASKPASS; on no disk, in no environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..errors import Unreachable
from .way import Flags, WayIn


def told(flags: Flags) -> tuple[str, ...]:
    """ssh's options for what it may ask. A passphrase is never given to a question of a host's."""
    if flags.passphrase:
        return ("BatchMode=no", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no")
    return ("BatchMode=no" if flags.password else "BatchMode=yes",)


def environment(way: WayIn, folder: Path) -> Mapping[str, str]:
    """ssh's environment, which names what answers its question; `folder` is this user's alone.

    Raises Unreachable where it can't be told.
    """
    ours = {**os.environ, "SHELL": "/bin/sh"}
    flags = way.flags
    if flags.passphrase and flags.password:
        raise Unreachable(f"{way.where}: ssh is told a password or a passphrase, not both; put the key into an agent")
    secret = flags.passphrase or flags.password
    if not secret:
        return ours
    if not hasattr(os, "memfd_create"):
        raise Unreachable(f"{way.where}: ssh can be told no password on this system; use a key, in an agent if locked")
    answer = folder / "answer"
    answer.write_text(f"#!/bin/sh\nexec cat /proc/{os.getpid()}/fd/{_in_memory(secret)}\n")
    answer.chmod(0o700)
    # DISPLAY is for OpenSSH before 8.4.
    return {"DISPLAY": ":0", **ours, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}


@cache
def _in_memory(secret: str) -> int:
    """The handle of a file in memory, which the same user alone can open, for as long as this process lasts."""
    handle = os.memfd_create("fab", os.MFD_CLOEXEC)
    os.fchmod(handle, 0o600)
    os.write(handle, f"{secret}\n".encode())
    return handle
