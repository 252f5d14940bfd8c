"""The words by which a supervisord that does not run would refuse its own configuration."""

from __future__ import absolute_import, print_function

from . import ground, interpreters, rights
from .reach import SECONDS

# Without a directory for temporary files it would try one by a file of its own, and a look changes nothing.
READ = (
    "import sys, tempfile; tempfile.tempdir = '/'; "
    "from supervisor.options import ServerOptions; ServerOptions().realize(['-c', sys.argv[1]])"
)
"""supervisord's first act: it reads its configuration, and ends with 2 where that can't be used."""
REFUSED = 2


def refusal(own, layout):
    """The first line of supervisord's complaint; empty where it takes the configuration, or can't be asked."""
    path = layout["supervisord"]
    python = interpreters.interpreter([path]) if path else None
    if not own or not python:
        return ""
    # A configuration names plugins, which are any code: nothing runs here with more rights than its writers have.
    uid = rights.user_of(layout["user"]) or own["by"] or ground.author(own["path"])
    uid = uid or ground.runner(path) or ground.runner(python)
    status, says = rights.heard(["timeout", str(SECONDS), python, "-B", "-c", READ, own["path"]], uid)
    return says.partition("\n")[0][:300] if status == REFUSED else ""
