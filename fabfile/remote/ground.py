"""Runs on a host, loaded by supervise.py and doctor.py: the one place that lets root touch what others can write.

Root follows no link that somebody else can have put in its way, opens nothing but regular files, and waits for nobody. What
is in a directory of another user is read as that user, whom a link can lead nowhere that was closed before. Every name is
looked up in a directory that is held open: nobody can put something else in its place meanwhile.

`by` is the user who named a path: only with that user's rights it is read, wherever it is. Python 2.7 or 3.
"""

from __future__ import print_function

import contextlib
import errno
import glob as globs
import os
import pwd
import socket
import stat

PATH = 0o10000000  # O_PATH: a name without its content; kernels before 2.6.39 open it, hence NONBLOCK
NOFOLLOW = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
MOST = 4 << 20
LINKS = 20
NOBODY = 65534


def alone(seen):
    """Whether nobody but this process's own user can change what is in a directory."""
    return seen.st_uid == os.geteuid() and not seen.st_mode & 0o002 and (not seen.st_mode & 0o020 or seen.st_gid == os.getegid())


def inside(folder, name):
    return "/proc/self/fd/%d/%s" % (folder, name)


class Way(object):
    """A path, walked: `fd` is what stands at its end, a link itself where it is somebody else's. Close it."""

    def __init__(self, path):
        self.owner = 0
        """The first user but root in whose directory the path goes on, or ends."""
        self.ours = True
        """Whether only root can have put there what stands at its end."""
        self.fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._walk(path)
        except BaseException:
            os.close(self.fd)
            raise

    def _walk(self, path):
        names, links = parts(path), 0
        while names:
            self._note()
            name = names.pop()
            where = inside(self.fd, name)
            there = os.open(where, PATH | NOFOLLOW)
            if stat.S_ISLNK(os.fstat(there).st_mode):
                if self.ours and links < LINKS:
                    os.close(there)
                    target, links = os.readlink(where), links + 1
                    names += parts(target)
                    there = os.open("/", os.O_RDONLY | os.O_DIRECTORY) if target.startswith("/") else os.dup(self.fd)
                elif names:
                    os.close(there)
                    raise OSError(errno.ELOOP, "somebody else's link", path)
            os.close(self.fd)
            self.fd = there
        self._note_end()

    def _note(self):
        seen = os.fstat(self.fd)
        if not stat.S_ISDIR(seen.st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self.owner = self.owner or seen.st_uid
        self.ours = self.ours and alone(seen)

    def _note_end(self):
        seen = os.fstat(self.fd)
        if stat.S_ISDIR(seen.st_mode):
            self.owner = self.owner or seen.st_uid

    def close(self):
        os.close(self.fd)


def parts(path):
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


@contextlib.contextmanager
def reached(path):
    way = Way(path)
    try:
        yield way
    finally:
        way.close()


def owner(path):
    """In whose hands a path is: the first user but root on the way to what is there of it; 0 for root."""
    while True:
        try:
            with reached(path) as way:
                return way.owner
        except (IOError, OSError):
            if path in ("", "/"):
                return 0
            path = os.path.dirname(path)


def author(path):
    """Who may have written what is at a path, also in a directory that everybody can write; 0 for root alone."""
    uid = owner(path)
    try:
        with reached(path) as way:
            found = os.fstat(way.fd)
            return uid or found.st_uid or (NOBODY if found.st_mode & 0o002 else 0)
    except (IOError, OSError):
        return uid or NOBODY


def runner(path):
    """Who may run a program that root was told to run: root, if nobody else can have put it there; else who can."""
    uid = owner(path)
    try:
        with reached(path) as way:
            return uid or (0 if way.ours and alone(os.fstat(way.fd)) else NOBODY)
    except (IOError, OSError):
        return uid or NOBODY


@contextlib.contextmanager
def acting(uid):
    """With the rights of that user, where this is root."""
    if os.geteuid() != 0 or not uid:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    become(uid, os.setegid, os.seteuid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def become(uid, setgid=os.setgid, setuid=os.setuid):
    """Root's rights are gone: for good, in a process that is about to be another program."""
    if os.geteuid() != 0 or not uid:
        return
    # The kernel takes -1 for "as before": the user of a process that has ended is nobody.
    uid = uid if uid > 0 else NOBODY
    try:
        entry = pwd.getpwuid(uid)
        os.initgroups(entry.pw_name, entry.pw_gid)
        setgid(entry.pw_gid)
    except KeyError:
        os.setgroups([])
        setgid(uid)
    setuid(uid)


def user_of(name):
    """The number of a user; None where there is none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, TypeError):
        return None


def opened(path, by=0):
    """A descriptor of a regular file. Raises OSError."""
    uid = by or owner(path)
    if uid:
        with acting(uid):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    else:
        with reached(path) as way:
            if not stat.S_ISREG(os.fstat(way.fd).st_mode):
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
            return stream.read(most).decode("utf-8", "replace")
    except (IOError, OSError, TypeError, AttributeError):
        return ""


def tail(path, most, by=0, since=0):
    """The last bytes of a regular file, as text: at most so many, and none before the byte `since` of one that long."""
    try:
        with os.fdopen(opened(path, by), "rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(max(0, size - most, since if since <= size else 0))
            return stream.read(most).decode("utf-8", "replace")
    except (IOError, OSError, TypeError, AttributeError):
        return ""


def seen(path, by=0):
    """What stands at a path, as os.stat tells it; None where there is nothing. Somebody else's link is told as a link."""
    try:
        uid = by or owner(path)
        if uid:
            with acting(uid):
                return os.stat(path)
        with reached(path) as way:
            return os.fstat(way.fd)
    except (IOError, OSError, TypeError, AttributeError):
        return None


def stands(path):
    """What stands at a path itself, a link too; None where there is nothing."""
    try:
        with reached(path) as way:
            return os.fstat(way.fd)
    except (IOError, OSError):
        return None


def glob(pattern, by=0):
    """The paths that match a pattern, as the user sees them in whose hands the pattern's own folders are."""
    fixed = pattern.split("*")[0].split("?")[0].split("[")[0]
    with acting(by or owner(os.path.dirname(fixed))):
        return sorted(globs.glob(pattern))


def walk(top, most):
    """(path, its os.lstat) of what is below a directory, itself too, and of what is in it; no link is followed."""
    try:
        way = Way(top)
    except (IOError, OSError):
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
                child = child_of(fd, name)
                if child is None:
                    continue
                found = os.fstat(child)
                if stat.S_ISDIR(found.st_mode) and len(pending) < 200:
                    pending.append((os.path.join(folder, name), child))
                else:
                    os.close(child)
                    yield os.path.join(folder, name), found
        except (IOError, OSError):
            pass  # it is gone by now
        finally:
            os.close(fd)


def child_of(folder, name):
    try:
        return os.open(inside(folder, name), PATH | NOFOLLOW)
    except (IOError, OSError):
        return None


def room(path):
    """(directory, its os.statvfs, its device) of the deepest directory of a path that is there."""
    while True:
        try:
            with reached(path) as way:
                found = os.fstat(way.fd)
                if stat.S_ISDIR(found.st_mode):
                    return path, os.statvfs("/proc/self/fd/%d" % way.fd), found.st_dev
        except (IOError, OSError):
            pass
        path = os.path.dirname(path) or "/"


def connect(connection, path):
    """Connect to the very socket at a path. Raises socket.error."""
    try:
        with reached(path) as way:
            if not stat.S_ISSOCK(os.fstat(way.fd).st_mode):
                raise OSError(errno.ENOTSOCK, "%s is in its place" % kind(path))
            connection.connect("/proc/self/fd/%d" % way.fd)
    except OSError as error:
        # In Python 2 that is no socket.error.
        raise socket.error(error.errno, error.strerror)


def kind(path):
    """What stands at a path itself, in words; None where there is nothing."""
    found = stands(path)
    names = (
        (stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a directory"), (stat.S_ISREG, "a file"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in names if test(found.st_mode)), "a device") if found else None


def remove_socket(path):
    """Remove the socket at a path, and nothing else."""
    with reached(os.path.dirname(path)) as way:
        where = inside(way.fd, os.path.basename(path))
        if stat.S_ISSOCK(os.lstat(where).st_mode):
            os.unlink(where)


def give(path, uid, gid, tops):
    """Give a file or a directory to a user; why not, as one sentence, else None.

    `tops` are directories that the user is to have. Elsewhere, what only root can have put there stays root's.
    """
    try:
        with reached(path) as way:
            found = os.fstat(way.fd)
            if way.ours and path not in tops:
                return "%s: it is in a directory of root's alone" % path
            if not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1:
                return "%s: it has another name elsewhere (%d hard links), so it may be anybody's; see what it is, and remove it" % (path, found.st_nlink)
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
                return "%s: it is neither a file nor a directory; see what it is, and remove it" % path
            os.chown("/proc/self/fd/%d" % way.fd, uid, gid)
    except (IOError, OSError) as error:
        return None if error.errno == errno.ENOENT else "%s: %s" % (path, error.strerror)
    return None
