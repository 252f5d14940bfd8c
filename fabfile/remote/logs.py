"""How long the logs of programs are, and their last lines."""

from __future__ import absolute_import, print_function

import os

from . import files, ground

TAIL_BYTES = 64 << 10


def logged(path, since):
    """The last lines that a log has got since it was `since` bytes long; older ones would only mislead."""
    # One that was rotated meanwhile is shorter, and all of it is new.
    return files.tail(path, TAIL_BYTES, since=since).splitlines()[-20:]


def log_sizes(folder):
    """How long each program's log is by now."""
    found = {}
    for path in files.glob(os.path.join(folder, "*.log")):
        seen = ground.stands(path)
        if seen:
            found[os.path.basename(path)[:-4]] = seen.st_size
    return found
