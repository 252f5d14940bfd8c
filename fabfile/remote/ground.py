"""The one place that lets root touch files that others can write.

Root follows no link that somebody else can have put in its way, opens nothing but regular files, and waits for nobody.
A file in a directory of another user is read as that user, whom a link can lead nowhere that was closed before. Every
name is looked up in a directory that is held open: nobody can put something else in its place meanwhile.

`by` is the user that named a path: it is read with that user's rights only, wherever it is.
"""

from __future__ import absolute_import, print_function

import contextlib
import errno
import os
import socket
import stat

from . import rights

PATH = 0o10000000  # O_PATH: a name without its content
# Kernels before 2.6.39 do not know it, and open what is there: hence NONBLOCK, and `name` in a Way.
NOFOLLOW = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
LINKS = 20
SHARED = "%s: it has another name elsewhere (%d hard links), so it may be anybody's; see what it is, and remove it"


def alone(seen):
    """Whether nobody but this process's own user can change the content of a directory."""
    return (
        seen.st_uid == os.geteuid()
        and not seen.st_mode & 0o002
        and (not seen.st_mode & 0o020 or seen.st_gid == os.getegid())
    )


def inside(folder, name):
    return "/proc/self/fd/%d/%s" % (folder, name)


class Way(object):
    """A path, walked: `fd` is the file at its end, or a link itself where it is somebody else's. Close it.

    On an old kernel a socket or such a link can't be held open: then it is `name` in the directory `fd`.
    """

    def __init__(self, path):
        self.name = ""
        self.owner = 0
        """The first user but root in whose directory the path goes on, or ends."""
        self.ours = True
        """Whether only root can have put the file at its end there."""
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
            there = held(where)
            found = os.lstat(where) if there is None else os.fstat(there)
            if stat.S_ISLNK(found.st_mode):
                if self.ours and links < LINKS:
                    shut(there)
                    target, links = os.readlink(where), links + 1
                    names += parts(target)
                    there = os.open("/", os.O_RDONLY | os.O_DIRECTORY) if target.startswith("/") else os.dup(self.fd)
                elif names:
                    shut(there)
                    raise OSError(errno.ELOOP, "somebody else's link", path)
            if there is None:
                if names:
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                self.name = name
                return
            os.close(self.fd)
            self.fd = there
        self._note_end()

    def found(self):
        """The os.lstat of the file at its end. Raises OSError."""
        return os.lstat(inside(self.fd, self.name)) if self.name else os.fstat(self.fd)

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


def held(where):
    """A descriptor of a file itself; None where an old kernel can't have one of it: of a socket, or a link."""
    try:
        return os.open(where, PATH | NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ELOOP):
            raise
        return None


def shut(fd):
    if fd is not None:
        os.close(fd)


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
    """The user in whose hands a path is: the first but root on the way to its end; 0 for root."""
    while True:
        try:
            with reached(path) as way:
                return way.owner
        except (IOError, OSError):
            if path in ("", "/"):
                return 0
            path = os.path.dirname(path)


def author(path):
    """The user that may have written a file, also in a directory that everybody can write; 0 for root alone."""
    uid = owner(path)
    try:
        with reached(path) as way:
            found = way.found()
            return uid or found.st_uid or (rights.NOBODY if found.st_mode & 0o002 else 0)
    except (IOError, OSError):
        return uid or rights.NOBODY


def runner(path):
    """The user with whose rights a named program runs: root, if nobody else can have put it there; else that one."""
    uid = owner(path)
    try:
        with reached(path) as way:
            return uid or (0 if way.ours and alone(way.found()) else rights.NOBODY)
    except (IOError, OSError):
        return uid or rights.NOBODY


def stands(path):
    """The os.lstat of a path itself, a link too; None where there is nothing."""
    try:
        with reached(path) as way:
            return way.found()
    except (IOError, OSError):
        return None


def kind(path):
    """The kind of file at a path itself, in words; None where there is nothing."""
    found = stands(path)
    names = (
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISREG, "a file"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in names if test(found.st_mode)), "a device") if found else None


def connect(connection, path):
    """Connect to the very socket at a path. Raises socket.error."""
    try:
        with reached(path) as way:
            if not stat.S_ISSOCK(way.found().st_mode):
                raise OSError(errno.ENOTSOCK, "%s is in its place" % kind(path))
            if way.name:
                # A link that somebody puts there now leads, with that one's rights, nowhere that was closed before.
                with rights.acting(way.owner):
                    connection.connect(path)
            else:
                connection.connect("/proc/self/fd/%d" % way.fd)
    except OSError as error:
        # In Python 2 that is no socket.error.
        raise socket.error(error.errno, error.strerror)


def remove_socket(path):
    """Remove the socket at a path, and nothing else."""
    with reached(os.path.dirname(path)) as way:
        where = inside(way.fd, os.path.basename(path))
        if stat.S_ISSOCK(os.lstat(where).st_mode):
            os.unlink(where)


def give(path, uid, gid, tops):
    """Give a file or a directory to a user; why not, as one sentence, else None.

    `tops` are directories that the user is to have. Elsewhere, a file that only root can have put there stays root's.
    """
    try:
        with reached(path) as way:
            found = way.found()
            if way.ours and path not in tops:
                return "%s: it is in a directory of root's alone" % path
            if not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1:
                return SHARED % (path, found.st_nlink)
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
                return "%s: it is neither a file nor a directory; see what it is, and remove it" % path
            if way.name:
                return "%s: this kernel (before 2.6.39) can't give a socket away safely; remove it" % path
            os.chown("/proc/self/fd/%d" % way.fd, uid, gid)
    except (IOError, OSError) as error:
        return None if error.errno == errno.ENOENT else "%s: %s" % (path, error.strerror)
    return None
