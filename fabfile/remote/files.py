"""How root reads files and directories in which others can write; see ground.py."""

from __future__ import absolute_import, print_function

import errno
import glob as globs
import os
import stat

from . import ground, rights, texts

MOST = 4 << 20


def opened(path, by=0):
    """A descriptor of a regular file. Raises OSError."""
    uid = by or ground.owner(path)
    if uid:
        with rights.acting(uid):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    else:
        with ground.reached(path) as way:
            if not stat.S_ISREG(way.found().st_mode):
                raise OSError(errno.EINVAL, "no regular file", path)
            fd = os.open("/proc/self/fd/%d" % way.fd, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "no regular file", path)
    return fd


def read(path, by=0, most=MOST):
    """The text of a regular file, its first bytes at least; empty where there is none that may be read."""
    try:
        with os.fdopen(opened(path, by), "rb") as stream:
            return texts.text(stream.read(most))
    except (IOError, OSError, TypeError, AttributeError):
        return ""


def tail(path, most, by=0, since=0):
    """The last bytes of a regular file as text: `most` at most, none before byte `since` of one that long."""
    try:
        with os.fdopen(opened(path, by), "rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(max(0, size - most, since if since <= size else 0))
            return texts.text(stream.read(most))
    except (IOError, OSError, TypeError, AttributeError):
        return ""


def seen(path, by=0):
    """The last bytes of a regular file as text: `most` of them, and none before byte `since` of one that long."""
    try:
        uid = by or ground.owner(path)
        if uid:
            with rights.acting(uid):
                return os.stat(path)
        with ground.reached(path) as way:
            return way.found()
    except (IOError, OSError, TypeError, AttributeError):
        return None


def glob(pattern, by=0):
    """The paths that match a pattern, as the user sees them in whose hands the pattern's own folders are."""
    fixed = pattern.split("*")[0].split("?")[0].split("[")[0]
    with rights.acting(by or ground.owner(os.path.dirname(fixed))):
        return sorted(globs.glob(pattern))


def walk(top, most):
    """(path, its os.lstat) of a directory and of all below it; no link is followed."""
    try:
        way = ground.Way(top)
    except (IOError, OSError):
        return
    if way.name:
        way.close()
        found = ground.stands(top)
        if found:
            yield top, found
        return
    pending = [(top, way.fd)]
    count = 0
    while pending:
        folder, fd = pending.pop()
        try:
            here = os.fstat(fd)
            yield folder, here
            names = sorted(os.listdir("/proc/self/fd/%d" % fd)) if stat.S_ISDIR(here.st_mode) else []
            for name in names:
                count += 1
                if count > most:
                    names = []
                    break
                try:
                    child = ground.held(ground.inside(fd, name))
                    found = os.lstat(ground.inside(fd, name)) if child is None else os.fstat(child)
                except (IOError, OSError):
                    continue  # it is gone by now
                if child is not None and stat.S_ISDIR(found.st_mode) and len(pending) < 200:
                    pending.append((os.path.join(folder, name), child))
                else:
                    ground.shut(child)
                    yield os.path.join(folder, name), found
        except (IOError, OSError):
            pass  # it is gone by now
        finally:
            os.close(fd)


def room(path):
    """(directory, its os.statvfs, its device) of the deepest directory of a path that is there."""
    while True:
        try:
            with ground.reached(path) as way:
                found = way.found()
                if stat.S_ISDIR(found.st_mode):
                    return path, os.statvfs("/proc/self/fd/%d" % way.fd), found.st_dev
        except (IOError, OSError):
            pass
        path = os.path.dirname(path) or "/"


def link(path):
    try:
        with rights.acting(ground.owner(path)):
            return os.readlink(path)
    except OSError:
        return None
