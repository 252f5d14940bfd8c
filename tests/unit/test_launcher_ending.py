"""INT and TERM begin the end of a program; what a script has forked ends as it would elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
PROGRAM = f"""
import logging, os, signal, sys, time
sys.path.insert(0, {str(TEMPLATES)!r})
sys.dont_write_bytecode = True
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from launcher import ending, lines
from launcher.patience import Ending
asked, mine = [], Ending()
lines.GATHER = 60
lines.gather()
ending.listen(mine, lambda: asked.append(1))
"""
FORKS = """
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, b"begun")
    while True:
        time.sleep(0.05)
os.read(read, 5)
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1], asked)
os._exit(0)
"""
TWICE = """
os.kill(os.getpid(), signal.SIGTERM)
logging.info("last words")
mine.since -= 2
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(30)
"""


def ran(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-u", "-c", PROGRAM + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=25, check=False, env=dict(os.environ))


def test_a_process_that_a_script_has_forked_ends_by_the_signal_itself() -> None:
    assert ran(FORKS).stdout.split() == [str(int(signal.SIGTERM)), "[]"]


def test_the_second_signal_ends_at_once_and_takes_no_line_along() -> None:
    done = ran(TWICE)
    assert (done.returncode, done.stdout) == (1, "last words\n")
