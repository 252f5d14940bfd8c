"""Which hosts.toml counts, and how it is called where a person has to open it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
_NAMED = re.compile(r"(?<![\w/.-])hosts\.toml\b")


def in_use() -> Path:
    """$HOSTS_TOML, else the project's own."""
    return Path(os.environ.get("HOSTS_TOML") or PROJECT / "hosts.toml")


def called(path: Path) -> str:
    """The path as it can be opened from the current folder: short where it lies there or below, else whole."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path.absolute())


def meant(texts: Iterable[str]) -> str:
    """A sentence that tells which file is meant, where one of the texts says `hosts.toml` and it is another one.

    A text that names that file as well needs none.
    """
    name = called(in_use())
    if name == "hosts.toml" or not any(_NAMED.search(text) and name not in text for text in texts):
        return ""
    return f"hosts.toml is {name} here"
