"""This user, and files on this machine: the cache folder, written whole or not at all, by one writer at a time.

A file that root makes in somebody else's folder is given to the owner of that folder, who has to read it afterwards.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import NoCache, reason

ELSEWHERE = "set XDG_CACHE_HOME to a folder that this user can write, with room in it"


def account() -> str | None:
    """The name of this user's account; None where there is none, as in a container that has a number alone."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return None


def user_name() -> str:
    """This user's name for people: that of the environment or of the account; `uid N` where there is neither."""
    # Python from 3.13 on raises OSError.
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return f"uid {os.getuid()}"


def has_home() -> bool:
    """Whether `~` can be known."""
    try:
        Path("~").expanduser()
    except RuntimeError:
        return False
    return True


def cache_dir(*parts: str) -> Path:
    """A folder of this project's cache, made (readable by its owner alone) where it is missing. Raises NoCache."""
    usual = own_home() / ".cache"
    root = Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser()
    folder = own_folder(root, usual).joinpath("pyspider-fabfile", *parts)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NoCache(f"{folder}: can't be made: {reason(error)}; {ELSEWHERE}") from error
    return folder


@contextmanager
def cached(path: Path) -> Iterator[None]:
    """The reads and writes of a file or folder of the cache. Raises NoCache in place of OSError."""
    try:
        yield
    except BrokenPipeError:
        # That is the terminal's, to which the work is told meanwhile.
        raise
    except OSError as error:
        raise NoCache(f"{path}: can't be read or written: {reason(error)}; make room there, or {ELSEWHERE}") from error


def made_folder(path: Path, *, parents: bool = False) -> None:
    """Make a folder for its owner alone where it is missing, with `parents` those above it too; root's is handed over.

    Raises OSError; where `link_flag` forbids a link, also for one.
    """
    if parents and not path.parent.exists():
        made_folder(path.parent, parents=True)
    path.mkdir(mode=0o700, exist_ok=True)
    handle = folder_handle(path)
    try:
        hand_over(handle, path.parent)
    finally:
        os.close(handle)


@contextmanager
def put_whole(target: Path) -> Iterator[Path]:
    """A path for a new file or folder, which takes the place of `target` by one rename when the block ends well.

    Otherwise nothing of it is left. The new one is invisible to others until then. Raises OSError.
    """
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}.new-"))
    try:
        fresh = scratch / target.name
        yield fresh
        fresh.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Put the text in place of a file's content by one rename; it is on the disk before. Raises OSError."""
    folder = folder_handle(path.parent)
    try:
        _write_in(folder, path, text, mode)
    finally:
        os.close(folder)


def _write_in(folder: int, path: Path, text: str, mode: int) -> None:
    # Below the opened folder: nobody can put another one in its place meanwhile.
    scratch = f"{path.name}.new-{os.getpid()}"
    with suppress(FileNotFoundError):
        os.unlink(scratch, dir_fd=folder)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            # The umask is for files of which nobody has said who may read them.
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
            hand_over(stream.fileno(), folder)
        os.replace(scratch, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=folder)
        raise


@contextmanager
def only_writer(path: Path, mode: int = 0o600) -> Iterator[int]:
    """The file (made where it is missing) or folder, opened, with its lock: waits for other processes.

    Raises OSError, for a file also where its folder is missing.
    """
    while True:
        handle = folder_handle(path) if path.is_dir() else _file_handle(path, mode)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The process that held the lock before may have removed or replaced the file.
            if _leads_to(path, handle):
                yield handle
                return
        finally:
            os.close(handle)


def _file_handle(path: Path, mode: int) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | link_flag(path.parent), mode)


def _leads_to(path: Path, handle: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(handle))


def is_root() -> bool:
    return os.geteuid() == 0


def folder_handle(folder: Path) -> int:
    """The folder, opened. Raises OSError; where `link_flag` forbids a link, also for one."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | link_flag(folder.parent))


def link_flag(folder: Path) -> int:
    """O_NOFOLLOW where root opens a file in somebody else's folder, in which a link may stand for it; else 0."""
    return os.O_NOFOLLOW if is_root() and folder.stat().st_uid != 0 else 0


def hand_over(handle: int, above: Path | int) -> None:
    """Give an open file or folder that root has made to the owner of the folder `above` it; nothing for other users."""
    if not is_root():
        return
    owner = os.stat(above)  # noqa: PTH116  an opened folder has no Path
    if os.fstat(handle).st_uid == 0 != owner.st_uid:
        os.fchown(handle, owner.st_uid, owner.st_gid)


def own_home() -> Path:
    """This user's home. sudo may leave HOME as the caller's: the caller could not read root's files there."""
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
