"""The words of each supervisorctl of a host to the supervisord that runs there."""

from __future__ import absolute_import, print_function

import os
import re

from . import ground, processes, rights
from .reach import SECONDS

FOLDERS = ("/usr/local/bin", "/usr/bin", "/opt/pyspider/current/bin")


def clients(sight, where, table):
    """The words of each supervisorctl of another installation than the live supervisord's: [{path, status, says}].

    Decided by exit status: 5 is another version of the API, 3 a supervisord that does not know its commands.
    """
    if not sight["supervisord"]["answers"]:
        return []
    daemon = table.get(sight["supervisord"]["pid"])
    # The owner of that socket may name any process.
    if daemon is None or not processes.is_supervisord(daemon):
        return []
    script = next((word for word in daemon.words[:3] if os.path.basename(word) == "supervisord"), "")
    beside = os.path.realpath(os.path.join(os.path.dirname(script), "supervisorctl"))
    folders = os.environ.get("PATH", "").split(":") + list(FOLDERS)
    paths = set(os.path.realpath(os.path.join(folder, "supervisorctl")) for folder in folders if folder.startswith("/"))
    others = [path for path in paths if os.access(path, os.X_OK) and (path != beside or changed(path, daemon))]
    # A file of others, the configuration too (its plugins are any code), gets no more rights than they have.
    uid = processes.uid_of(daemon.pid) or ground.author(where["conf"])
    return [
        dict(asked_by(path, where, uid or ground.runner(path)), path=path, beside=beside) for path in sorted(others)
    ]


def changed(path, process):
    """Whether a file is younger than a process."""
    boot = re.search(r"^btime (\d+)$", processes.kernel("/proc/stat"), re.MULTILINE)
    try:
        return os.stat(path).st_mtime > int(boot.group(1)) + process.ticks / float(os.sysconf("SC_CLK_TCK")) + 1
    except (OSError, AttributeError):
        return False


def asked_by(client, where, uid):
    words = ["timeout", str(SECONDS), client, "-c", where["conf"], "-s", "unix://" + where["socket"], "pid"]
    status, says = rights.heard(words, uid, PYTHONDONTWRITEBYTECODE="1")
    return {"status": status, "says": says[:300]}
