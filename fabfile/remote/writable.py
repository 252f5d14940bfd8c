"""The paths that the cluster's user can't write."""

from __future__ import absolute_import, print_function

import errno
import json
import os
import pwd
import stat

from . import ground, rights


def unwritable(wanted, name):
    """The paths among those of its programs that the cluster's user can't write, asked as that user; changes nothing.

    `wanted` is {"files": [...], "folders": [...], "data": a folder with files, made where there is none}. The answer is
    [{path, owner, why, mendable}]; a file is mendable where the user may put another one in its place.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return []
    back, forth = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(back)
            os.initgroups(name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.write(forth, json.dumps(refused(wanted, user.pw_uid)).encode("ascii"))
        finally:
            os._exit(0)
    os.close(forth)
    with os.fdopen(back, "rb") as stream:
        answer = stream.read().decode("ascii")
    os.waitpid(child, 0)
    # Without an answer nothing is known, and so nothing refused: the start of the programs will tell.
    return json.loads(answer) if answer else []


def refused(wanted, uid):
    data = wanted["data"]
    kept = [path for path in inside(data) if not os.path.isdir(path)]
    seen = [refused_folder(path) for path in wanted["folders"] + [nearest(data)]]
    seen += [refused_file(path, uid) for path in wanted["files"] + kept]
    return [one for one in seen if one]


def inside(folder):
    """The paths in a folder; none where it is missing, or can't be read."""
    readable = os.access(folder, os.R_OK) and os.path.isdir(folder)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if readable else []


def nearest(path):
    """The path, or the nearest one above it that exists."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def refused_folder(path):
    if not os.path.isdir(path):
        there = os.path.lexists(path)
        why = "something that is no directory stands there" if there else "there is no such directory"
        return {"path": path, "owner": None, "why": why, "mendable": False}
    if os.access(path, os.W_OK | os.X_OK):
        return None
    owner = rights.name_of(os.stat(path).st_uid)
    return {"path": path, "owner": owner, "why": "it may not write there", "mendable": False}


def refused_file(path, uid):
    try:
        # No byte is written, and a pipe that nobody reads does not hold us.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            return dict(replaceable(path, uid), path=path, why=reason(path, error))
    return None


def reason(path, error):
    kind = ground.kind(path)
    if kind in (None, "a file"):
        return os.strerror(error.errno).lower()
    return "%s stands there, see who put it there, and move it away" % kind


def replaceable(path, uid):
    """The owner of a file, and whether this user may put another one there: in a directory of its own it may."""
    try:
        seen, folder = os.lstat(path), os.lstat(os.path.dirname(path))
    except OSError:
        return {"owner": None, "mendable": False}
    return {
        "owner": rights.name_of(seen.st_uid),
        "mendable": stat.S_ISREG(seen.st_mode) and stat.S_ISDIR(folder.st_mode) and folder.st_uid == uid,
    }
