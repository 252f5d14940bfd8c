"""The programs that were stopped on purpose: a file of root's, which supervisord reads before the release's sections.

It says that they do not start by themselves. So it holds after a crash and a reboot, and whatever is deployed.
"""

from __future__ import absolute_import, print_function

import os

from . import files, locks
from .conf import parse

HEAD = "; The programs that `fab stop` has stopped: they start by `fab start` alone. Made by fab.\n"
# Of a program that is there no more, this is all: the command is replaced by the release's own.
SECTION = "\n[program:%s]\ncommand=/bin/false\nautostart=false\n"


def stopped(options):
    """Their names; only what root alone can have written is believed."""
    found = parse(files.read(options["stopped"])) if options.get("stopped") else []
    return sorted(name[len("program:") :] for name, _ in found if name.startswith("program:"))


def purpose(options):
    """From now on the programs `stop` are stopped on purpose, and `start` are not."""
    names = (set(stopped(options)) | set(options.get("stop", ()))) - set(options.get("start", ()))
    folder = os.path.dirname(options["stopped"])
    os.umask(0o022)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    text = HEAD + "".join(SECTION % name for name in sorted(names))
    locks.written(options["stopped"], text.encode("utf-8"))
    return 0
