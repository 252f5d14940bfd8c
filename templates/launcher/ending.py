"""The end that was asked for: by a signal or by RPC. A second signal ends the process at once."""

from __future__ import absolute_import

import os
import signal


def listen(ending, quit):
    """From now on INT and TERM begin the end: take nothing new, finish what is in hand."""

    def told(_signal, _frame):
        if ending and not ending.recent():
            os._exit(1)
        ending.begin()
        quit()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
        signal.siginterrupt(number, False)
