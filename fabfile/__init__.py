"""The project's tasks, for any `fab` that loads them; Ctrl-C and the check of this Python come first."""

# For Pythons that can't read the rest: nothing newer than 3.6, and no other import of the project before the check.
import os
import sys

from .cli.early import at_once
from .cli.needs import lacking

# As a library, this leaves Ctrl-C to others.
if os.path.basename(sys.argv[0]) in ("fab", "-m"):
    at_once()

if lacking():
    sys.stderr.write("fab: %s\n" % lacking())
    sys.exit(2)

from .cli.tree import ns

__all__ = ["ns"]
