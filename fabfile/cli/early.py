"""The answer to a Ctrl-C before anything is begun and after all is done: one line, and the process ends at once.

It uses nothing newer than Python 3.6, and no import that takes time: it is to be the first thing that happens.
"""

import os

try:
    import _signal as signal  # type: ignore[import-not-found]
except ImportError:
    import signal


def ended(_number, _frame, write=os.write, leave=os._exit):
    # type: (object, object, object, object) -> None
    # Names of its own: a module's are gone when Python shuts down.
    try:
        write(2, b"fab: interrupted\n")  # type: ignore[operator]
    finally:
        leave(130)  # type: ignore[operator]


ended.of_fab = True  # type: ignore[attr-defined]


def at_once():
    # type: () -> None
    """Let a Ctrl-C end this process from now on, unless it is ignored, or belongs to somebody else."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler or getattr(before, "of_fab", False):
        signal.signal(signal.SIGINT, ended)
    if hasattr(signal, "pthread_sigmask"):
        # The script fabfile/cli/fab lets it wait until here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
