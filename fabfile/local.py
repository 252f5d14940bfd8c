"""Files on this machine: the cache folder, and to whom a file belongs that root makes in somebody else's folder."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """A folder of this project's cache, made (readable by its owner alone) where it is missing."""
    usual = own_home() / ".cache"
    root = Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser()
    folder = own_folder(root, usual).joinpath("pyspider-fabfile", *parts)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def is_root() -> bool:
    return os.geteuid() == 0


def folder_handle(folder: Path) -> int:
    """The folder, opened. Raises OSError; where `link_flag` forbids a link, also for one."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | link_flag(folder.parent))


def link_flag(folder: Path) -> int:
    """O_NOFOLLOW where root opens something in a folder of somebody else, who may have put a link there; else 0."""
    return os.O_NOFOLLOW if is_root() and folder.stat().st_uid != 0 else 0


def hand_over(handle: int, above: Path) -> None:
    """Give an open file or folder that root has made to the owner of the folder `above` it; nothing for other users."""
    if not is_root():
        return
    owner = above.stat()
    if os.fstat(handle).st_uid == 0 != owner.st_uid:
        os.fchown(handle, owner.st_uid, owner.st_gid)


def own_home() -> Path:
    """This user's home. sudo may leave HOME to the caller's: what root writes there, the caller could not read."""
    home = Path("~").expanduser()
    if is_root() and _owner(home) != 0:
        return Path(pwd.getpwuid(0).pw_dir)
    return home


def own_folder(folder: Path, otherwise: Path) -> Path:
    """The folder, unless this is root and the folder is, or would be, in a place of somebody else."""
    return otherwise if is_root() and _owner(folder) != 0 else folder


def _owner(folder: Path) -> int:
    """The owner of the folder, or of the nearest one above it that exists."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return there.stat().st_uid
