"""The files by which root's own programs on a host work together: locks, and files that are whole or not at all."""

from __future__ import absolute_import, print_function

import contextlib
import fcntl
import os


@contextlib.contextmanager
def alone(options):
    """Nobody else of this project's starts a supervisord here meanwhile."""
    lock = locked(place(options, "start.lock"), wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def place(options, ending):
    """A file of this cluster's, in the folder where only root writes."""
    return os.path.join(options.get("folder", ""), "%s.%s" % (options.get("unit"), ending))


def locked(path, wait):
    """A descriptor that holds the lock of that path; None where another process has it, or its folder is missing."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    fcntl.fcntl(lock, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (IOError, OSError):
        os.close(lock)
        return None
    return lock


def written(path, content):
    """A file of root's, whole or not at all."""
    new = path + ".new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as stream:
        stream.write(content)
    os.rename(new, path)
