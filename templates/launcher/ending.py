"""The end that was asked for: by a signal or by RPC. A second signal ends the process at once."""

from __future__ import absolute_import

import os
import signal

from . import lines


def listen(ending, quit):
    """From now on INT and TERM begin the end: take nothing new, finish what is in hand."""

    own = os.getpid()

    def told(number, _frame):
        if os.getpid() != own:
            # A process that a script has forked ends as it would elsewhere.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if ending and not ending.recent():
            lines.last()
            os._exit(1)
        ending.begin()
        quit()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
        signal.siginterrupt(number, False)
