"""The programs that run on hosts under Python, as one zip; and the scripts that run it."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .base import Payload
from .shell import as_user, cmd

REMOTE = Path(__file__).parent.parent / "remote"
DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can hold; its bytes tell nothing of when it was made."""
STDIN = "/proc/self/fd/0"
"""The path of its own zip for a program that can't open it by its name."""


MORE = {
    "keep": ("benchsite.py", "child.py", "keeper.py", "scratch.py"),
    "logs": ("chain.py", "logbook.py", "records.py"),
    "stay": ("stay.py",),
}
"""Modules that one word alone needs; they would make every other look longer."""


_packing = threading.Lock()


def shipped(word: str = "") -> Payload:
    """The zip: `python THE.zip WORD OPTIONS` runs it, with any Python from 2.6 on. Equal sources give equal bytes.

    With `word`, one of MORE, it has the modules of that one too.
    """
    # The first look at many hosts asks for it in many threads at once: one of them makes it.
    with _packing:
        return _packed(word if word in MORE else "")


@cache
def _packed(word: str) -> Payload:
    others = [name for one, names in MORE.items() if one != word for name in names]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(REMOTE.glob("*.py")):
            if path.name in others:
                continue
            # Python runs the __main__.py at the top of a zip.
            name = path.name if path.name == "__main__.py" else f"remote/{path.name}"
            archive.writestr(zipfile.ZipInfo(name, DATE), path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return Payload(content.getvalue())


def as_root(python: str, word: str, options: Mapping[str, object]) -> str:
    """A script that runs the zip, its first payload, as root."""
    return f'{cmd(python)} "$1" {cmd(word, json.dumps(options))}'


def as_work(user: str, python: str, word: str, options: Mapping[str, object]) -> str:
    """The same as the cluster's user, who can't get to the payload: it is opened by root, and only read."""
    return f'chmod 644 "$1"; {as_user(user, cmd(python, STDIN, word, json.dumps(options)))} <"$1"'
