"""Doctor and status on a cluster that somebody made by hand, and that crawls: it is understood, and left crawling.

A fix that doctor prints is typed there as it stands; afterwards doctor is silent.
"""

from __future__ import annotations

import time

import pytest

from .by_hand import BIN, ByHand
from .faults import SHELL, found

pytestmark = pytest.mark.e2e

# Alice's processes are called as pyspider's are; her config.json is a FIFO, her Python never says a word.
ALICE = f"""
useradd -m alice; cd /home/alice; mkfifo config.json; mkdir bin
printf 'import time\\ntime.sleep(900)\\n' >run.py; cp run.py supervisord
printf '#!/bin/sh\\nexec sleep 900\\n' >bin/python; chmod 755 bin/python; chown -R alice: .
for words in 'run.py -c /home/alice/config.json scheduler' 'run.py -c config.json webui' \\
  'supervisord -c /etc/supervisord.conf'; do
  setsid su alice -s /bin/sh -c "cd /home/alice; export PATH=/home/alice/bin:/usr/bin:/bin PYSPIDER_RELEASE=x
    export SUPERVISOR_SERVER_URL=unix:///home/work/supervisor/supervisor.sock
    exec bash -c 'exec -a /home/alice/bin/python {BIN}/python $words'" >/dev/null 2>&1 </dev/null &
done
settled '[ $(pgrep -c -u alice -f ^/home/alice/bin/python) = 3 ]'
"""


def test_processes_of_another_user_are_named_and_neither_judged_nor_asked(hand: ByHand) -> None:
    before, healthy = found(hand), hand.status()["problems"]
    hand.on("node1", SHELL + ALICE)
    try:
        begun = time.monotonic()
        told = found(hand)
        assert time.monotonic() - begun < 30
        (warning,) = [one for one in told if one["id"] == "other-user"]
        assert warning["warning"] and not warning["fixable"]
        assert all(f"{role} (pid " in warning["evidence"] for role in ("scheduler", "webui", "supervisord"))
        assert warning["evidence"].startswith("of alice: ")
        assert [one for one in told if one is not warning] == before
        seen = hand.status()
        assert seen["problems"] == healthy
        assert len(seen["warnings"]) == 3 and all(" of alice looks like pyspider's" in one for one in seen["warnings"])
    finally:
        hand.on("node1", "pkill -KILL -u alice; userdel -rf alice || true")
