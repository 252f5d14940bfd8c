"""Answers of many hosts arrive at once: the first of them are parsed by several threads in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fabfile.inventory import Fleet

from .patients import facts_of

PROJECT = Path(__file__).parent.parent.parent
# Each child is a fresh process: the types are as the import left them.
SCRIPT = """\
import json, os, sys, threading
import msgspec
from fabfile.{module} import {name} as Kind
ANSWER = json.load(sys.stdin)
sys.setswitchinterval(1e-6)

def parse(together):
    together.wait()
    msgspec.convert(ANSWER, Kind)

for _ in range(40):
    child = os.fork()
    if child == 0:
        together = threading.Barrier(6)
        threads = [threading.Thread(target=parse, args=(together,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        sys.exit("a child ended with %d" % status)
"""


ADDRESS = {"scheme": "redis", "host": "192.0.2.1", "port": 6379, "path": "0", "odd_password": False}
MYSQL = {"errno": 0, "error": None}


def crashes(module: str, name: str, answer: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module=module, name=name)],
        cwd=PROJECT,
        input=json.dumps(answer),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def test_doctors_first_answers_are_parsed_at_once(fleet: Fleet) -> None:
    facts = facts_of(fleet, fleet.hosts[0])
    assert crashes("doctor.facts", "Facts", facts) == ""
    assert crashes("steps.sight", "Sight", facts["sight"]) == ""


def test_the_first_answers_about_stores_are_parsed_at_once() -> None:
    assert crashes("doctor.answers", "StoreAddress", ADDRESS) == ""
    assert crashes("steps.logins", "StoresAnswer", {"mysql": {"a": MYSQL, "b": MYSQL}, "redis": {"error": None}}) == ""
