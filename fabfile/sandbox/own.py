"""The sandbox of this checkout, or the one that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import WrongInput
from .image import Init
from .sandbox import Sandbox

PROJECT = Path(__file__).parent.parent.parent


def state() -> Path:
    """The directory of the sandbox."""
    return Path(os.environ.get("SANDBOX_STATE") or PROJECT / ".sandbox").absolute()


def sandbox() -> Sandbox:
    """The project's own, or the one that SANDBOX_STATE (a directory) and SANDBOX_NETWORK (10.77.N) name."""
    return Sandbox(state(), os.environ.get("SANDBOX_NETWORK") or "10.77.0")


INITS: dict[str, Init] = {"systemd": "systemd", "none": "none"}


def inits(text: str) -> Init | dict[str, Init] | None:
    """`systemd` or `none` for all hosts, or by name: `node1=systemd,node2=none`. Raises WrongInput."""
    if not text or text in INITS:
        return INITS.get(text)
    pairs = [word.strip().partition("=") for word in text.split(",")]
    if any(not name or init not in INITS for name, _, init in pairs):
        raise WrongInput(f"--init takes systemd, none, or NAME=systemd,NAME=none …, not {text!r}")
    return {name: INITS[init] for name, _, init in pairs}
