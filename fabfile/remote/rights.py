"""Users by name and number; and acting with another user's rights."""

from __future__ import absolute_import, print_function

import contextlib
import os
import pwd
import subprocess

NOBODY = 65534


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


def heard(words, uid, **environment):
    """Exit status and output of a program that runs with that user's rights; None and the reason where it can't."""
    try:
        with open(os.devnull) as nothing:
            process = subprocess.Popen(
                words,
                stdin=nothing,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, HOME="/nonexistent", **environment),
                cwd="/",
                preexec_fn=lambda: become(uid),
            )
            out = process.communicate()[0].decode("utf-8", "replace")
    except OSError as error:
        return None, str(error)
    return process.returncode, out.strip()


def user_of(name):
    """The number of a user; None where there is none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, TypeError):
        return None


def name_of(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
