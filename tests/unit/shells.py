"""The kinds of sh that hosts have, as far as this machine has them too, each under a path of its own."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

KINDS = {"dash": "dash", "bash": "bash --posix", "busybox": "busybox sh", "mksh": "mksh"}


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fab-shells-")


@cache
def _path(kind: str) -> str:
    path = Path(_folder().name) / kind
    path.write_text(f'#!/bin/sh\nexec {KINDS[kind]} "$@"\n')
    path.chmod(0o755)
    return str(path)


def there() -> tuple[str, ...]:
    """Those that are installed; `./run test` installs them all."""
    return tuple(kind for kind, words in KINDS.items() if shutil.which(words.split()[0]))


def shell(kind: str) -> str:
    """What stands for /bin/sh; skips the test where it is not installed."""
    assert kind in KINDS
    if kind not in there():
        pytest.skip(f"{kind} is not installed")
    return _path(kind)
