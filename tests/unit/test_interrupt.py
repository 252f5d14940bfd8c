"""The two kinds of Ctrl-C, on processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """\
import threading, time
from fabfile.interrupt import INTERRUPTED, arm, leave
arm()
threading.Thread(target=time.sleep, args=(60,)).start()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("first", flush=True)
    {then}
leave(INTERRUPTED, "the last word")
"""


def interrupted(then: str, times: int) -> tuple[int, str]:
    """The exit status, and what was said on stderr, after so many Ctrl-Cs."""
    words = ["env", "--default-signal=INT", sys.executable, "-c", SCRIPT.format(then=then)]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        for expected in ("ready", "first")[:times]:
            assert process.stdout.readline().strip() == expected
            process.send_signal(signal.SIGINT)
        return process.wait(20), process.stderr.read()


def test_the_first_ctrl_c_lets_the_run_end_in_good_order_without_waiting_for_a_hung_thread() -> None:
    assert interrupted("pass", 1) == (130, "the last word\n")


def test_the_second_ctrl_c_ends_it_at_once_whatever_it_does() -> None:
    status, errors = interrupted("time.sleep(60)", 2)
    assert status == 130
    assert "interrupted again" in errors and "the last word" not in errors
