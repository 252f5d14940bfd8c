"""The two kinds of Ctrl-C, on processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent

SCRIPT = """\
import tempfile, threading, time
from fabfile.cli.interrupt import arm, leave
from fabfile.errors import INTERRUPTED
arm()
threading.Thread(target=time.sleep, args=(60,)).start()
try:
    kept = tempfile.TemporaryDirectory()
    print("ready", flush=True)
    while True:
        time.sleep(0.1)
except KeyboardInterrupt:
    print("first", flush=True)
    {then}
leave(INTERRUPTED, "the last word")
"""


def interrupted(then: str, times: int, folder: Path) -> tuple[int, str]:
    """The exit status, and what was said on stderr, after so many Ctrl-Cs; temporary files are in that folder."""
    words = ["env", "--default-signal=INT", f"TMPDIR={folder}", sys.executable, "-c", SCRIPT.format(then=then)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        for expected in ("ready", "first")[:times]:
            assert process.stdout.readline().strip() == expected
            process.send_signal(signal.SIGINT)
        return process.wait(20), process.stderr.read()


def test_the_first_ctrl_c_lets_the_run_end_in_good_order_without_waiting_for_a_hung_thread(tmp_path: Path) -> None:
    assert interrupted("pass", 1, tmp_path) == (130, "the last word\n")
    assert list(tmp_path.iterdir()) == []


def test_the_second_ctrl_c_ends_it_at_once_whatever_it_does(tmp_path: Path) -> None:
    status, errors = interrupted("while True: time.sleep(0.1)", 2, tmp_path)
    assert status == 130
    assert "interrupted again" in errors and "the last word" not in errors


EARLY = """\
import signal, sys
signal.signal(signal.SIGINT, {before})
sys.argv[0] = {name!r}
import fabfile
print(repr(signal.getsignal(signal.SIGINT)))
"""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("/usr/bin/fab", "signal.default_int_handler", "function ended"),
        ("/usr/bin/fab", "signal.SIG_IGN", "SIG_IGN"),
        ("/usr/bin/fab", "print", "function print"),
        ("/usr/bin/pytest", "signal.default_int_handler", "function default_int_handler"),
    ],
)
def test_only_in_fab_and_only_where_nobody_else_answers_a_ctrl_c_it_is_answered(
    name: str, before: str, after: str
) -> None:
    script = EARLY.format(name=name, before=before)
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert after in done.stdout
