"""Where what was fetched or built once is kept: outside the project, in the user's XDG cache."""

from __future__ import annotations

import os
from pathlib import Path

from .owner import own_folder, own_home


def cache_dir(*parts: str) -> Path:
    """A folder of this project's cache, made (readable by its owner alone) where it is missing."""
    usual = own_home() / ".cache"
    root = Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser()
    folder = own_folder(root, usual).joinpath("pyspider-fabfile", *parts)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
