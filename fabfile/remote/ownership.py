"""The owners of files, and how they get another one."""

from __future__ import absolute_import, print_function

import errno
import os
import pwd

from . import ground, rights


def take(options):
    """A copy of one's own in the place of a file of somebody else.

    One that can't be read, or of which a copy would take more than half of the room there is, is kept beside instead.
    """
    for path in options["paths"]:
        try:
            copied(path, path + ".fresh")
            os.rename(path + ".fresh", path)
        except (IOError, OSError) as error:
            if os.path.lexists(path + ".fresh"):
                os.unlink(path + ".fresh")
            if error.errno not in (errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                raise
            os.rename(path, path + options["suffix"])
    return 0


def copied(path, fresh):
    with open(path, "rb") as old:
        room = os.statvfs(os.path.dirname(path))
        if os.fstat(old.fileno()).st_size > room.f_bavail * room.f_frsize // 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        with open(fresh, "wb") as new:
            for chunk in iter(lambda: old.read(1 << 16), b""):
                new.write(chunk)


def owners(options):
    """{path: owner}; a path that is gone, or somebody else's link, is left out."""
    found = dict((path, ground.stands(path)) for path in options["paths"])
    return dict((path, rights.name_of(seen.st_uid)) for path, seen in found.items() if seen)


def give(options):
    """Give paths to a user; tells which of them must not be given, and why."""
    user = pwd.getpwnam(options["user"])
    why = [ground.give(path, user.pw_uid, user.pw_gid, options["tops"]) for path in options["paths"]]
    print("\n".join(one for one in why if one))
    return 1 if any(why) else 0
