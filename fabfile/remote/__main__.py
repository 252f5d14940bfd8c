"""Stands at the top of the zip that hosts get, which Python runs by it."""

from __future__ import absolute_import, print_function

import sys

from remote.words import main

sys.exit(main(*sys.argv[1:]))
