"""What the cluster's user can't write."""

from __future__ import absolute_import, print_function

import errno
import json
import os
import pwd
import stat

from . import ground, rights


def unwritable(wanted, name):
    """What of all that its programs write the cluster's user can't write, asked as that user; changes nothing.

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
    # Without an answer nothing is known, and so nothing refused: whoever starts the programs will tell.
    return json.loads(answer) if answer else []


def refused(wanted, uid):
    found, data = [], wanted["data"]
    files = (
        [os.path.join(data, name) for name in sorted(os.listdir(data))]
        if os.access(data, os.R_OK) and os.path.isdir(data)
        else []
    )
    while not os.path.lexists(data):
        data = os.path.dirname(data)
    for path in wanted["folders"] + [data]:
        if not os.path.isdir(path):
            why = (
                "something that is no directory stands there" if os.path.lexists(path) else "there is no such directory"
            )
            found.append({"path": path, "owner": None, "why": why, "mendable": False})
        elif not os.access(path, os.W_OK | os.X_OK):
            found.append(
                {
                    "path": path,
                    "owner": rights.name_of(os.stat(path).st_uid),
                    "why": "it may not write there",
                    "mendable": False,
                }
            )
    for path in wanted["files"] + [path for path in files if not os.path.isdir(path)]:
        try:
            # No byte is written, and a pipe that nobody reads does not hold us.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
        except (IOError, OSError) as error:
            if error.errno != errno.ENOENT:
                kind = ground.kind(path)
                why = (
                    os.strerror(error.errno).lower()
                    if kind in (None, "a file")
                    else "%s stands there, see who put it there, and move it away" % kind
                )
                found.append(dict(replaceable(path, uid), path=path, why=why))
    return found


def replaceable(path, uid):
    """Whose file it is, and whether this user may put another one there: in a directory of its own it may."""
    try:
        seen, folder = os.lstat(path), os.lstat(os.path.dirname(path))
    except OSError:
        return {"owner": None, "mendable": False}
    return {
        "owner": rights.name_of(seen.st_uid),
        "mendable": stat.S_ISREG(seen.st_mode) and stat.S_ISDIR(folder.st_mode) and folder.st_uid == uid,
    }
