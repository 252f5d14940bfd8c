"""The names in a supervisord.conf that supervisor fills in wherever they stand."""

from __future__ import absolute_import, print_function

import platform
import re

NAME = re.compile(r"%(?:%|\((here|host_node_name|ENV_[^)]*)\)s)")


def filled(value, here, environment):
    """A setting with the folder of its file, this host's name, and supervisord's environment; %% is a single %.

    A name that this environment does not know stays as it is.
    """
    known = dict(("ENV_" + name, each) for name, each in environment.items())
    known.update(here=here, host_node_name=platform.node())
    return NAME.sub(lambda match: known.get(match.group(1), match.group(0)) if match.group(1) else "%", value)
