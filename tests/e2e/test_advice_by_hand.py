"""Doctor and status on a cluster that somebody made by hand, and that crawls: it is understood, and left crawling.

A fix that doctor prints is typed there as it stands; afterwards doctor is silent.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from fabfile.plan import PINS
from fabfile.sources import wheelhouse

from ..waiting import until
from .by_hand import BIN, CONF, PROGRAMS, ByHand, start_again
from .faults import MENDS, SHELL, Fault, as_printed, caused_and_nothing_else, found
from .hand_faults import CONFIG, CTL, DAEMON, HAND, PIDFILE, RESTORED, SOCK, TOGETHER

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


def left(hand: ByHand) -> list[dict[str, Any]]:
    """The findings but for the web UI without a password, which this cluster's owner wants so."""
    return [one for one in found(hand) if "asks for no password" not in one["evidence"]]


def as_it_says(hand: ByHand) -> None:
    """Type every fix that is left: the tutorial's cluster has passwords for anybody, and nothing starts it at boot."""
    as_printed(hand, left(hand))


def until_found(hand: ByHand, wanted: str) -> list[dict[str, Any]]:
    """The findings as soon as that one is among them: a program that has just been stopped may take a moment."""
    deadline = time.monotonic() + 20
    seen = left(hand)
    while wanted not in [one["id"] for one in seen] and time.monotonic() < deadline:
        time.sleep(0.5)
        seen = left(hand)
    return seen


def test_root_may_start_supervisord_and_what_else_is_found_is_mended_as_it_says(hand: ByHand) -> None:
    pids = hand.alive()
    assert {one["id"] for one in found(hand)} == {"no-boot-unit", "exposed"}
    as_it_says(hand)
    assert left(hand) == []
    assert hand.alive() == pids


@pytest.fixture(scope="module")
def wheels(hand: ByHand) -> None:
    """pip finds its packages on the host, which has no way out."""
    packed = wheelhouse(PINS, print).read_bytes()
    hand.sandbox.exec("node1", "sh", "-c", "mkdir /root/wheels && tar x -C /root/wheels", input=packed)
    hand.on("node1", "printf '[global]\\nno-index = true\\nfind-links = /root/wheels\\n' >/etc/pip.conf")


@pytest.mark.usefixtures("wheels")
@pytest.mark.parametrize("faults", TOGETHER.values(), ids=TOGETHER)
def test_a_fault_is_named_and_its_fix_works_as_it_is_printed(hand: ByHand, faults: tuple[Fault, ...]) -> None:
    as_it_says(hand)
    hand.on("node1", f"cp -p {CONF} /root/kept.conf; cp -p {CONFIG} /root/kept.json")
    try:
        for fault in faults:
            hand.on("node1", HAND + fault.cause)
        seen = until_found(hand, faults[0].id)
        caused_and_nothing_else(faults, seen)
        assert not any(one["fixable"] or "fab -H" in one["fix"] for one in seen), seen
        for fault in faults:
            if fault.mend != MENDS:
                hand.on("node1", HAND + fault.mend)
        as_printed(hand, seen)
        until(lambda: left(hand) == [] and hand.running(), 60)
    except BaseException:
        start_again(hand)
        raise
    finally:
        hand.on("node1", RESTORED)


def told(hand: ByHand, *words: str) -> list[str]:
    """What status calls a problem, but for the stores' own accounts, which hosts.toml does not know."""
    stdout = hand.fab(*words, "status", "--json", status=None).stdout
    problems: list[str] = json.loads(stdout)["problems"]
    assert not [one for one in problems if "fab deploy" in one or "fab bootstrap" in one], problems
    return [one for one in problems if one.startswith(("node1:", "root@"))]


def test_status_tells_of_a_cluster_made_by_hand_what_it_sees(hand: ByHand) -> None:
    before = hand.alive()
    seen = hand.status()["hosts"]["node1"]
    assert {one["name"]: one["state"] for one in seen["programs"]} == dict.fromkeys(PROGRAMS, "RUNNING")
    assert told(hand) == []
    assert hand.alive() == before


def test_status_of_a_host_outside_hosts_toml_tells_what_runs_there_and_nothing_where_nothing_was_seen(
    hand: ByHand,
) -> None:
    stranger = f"root@{hand.sandbox.address('node1')}"
    elsewhere = hand.folder / "elsewhere.toml"
    elsewhere.write_text(hand.hosts_toml.read_text().replace(hand.sandbox.address("node1"), "192.0.2.1"))
    seen = json.loads(hand.fab("-H", stranger, "status", "--json", hosts_toml=elsewhere).stdout)
    assert seen["verdict"].startswith("what was asked is healthy; not asked: mysql, redis, the queues, ")
    assert len(seen["hosts"][stranger]["programs"]) == len(PROGRAMS)
    assert "tells what to do" not in hand.fab("-H", stranger, "doctor", status=None, hosts_toml=elsewhere).stdout
    hand.on("node1", f"{DAEMON}; {CTL} shutdown; while [ -d /proc/$p ]; do sleep 0.1; done; mv {CONF} /root/kept.conf")
    try:
        nothing = hand.fab("-H", stranger, "status", status=1, hosts_toml=elsewhere).stdout
        assert "nothing of pyspider was found here" in nothing and "unknown" in nothing
        assert "healthy" not in nothing
        # On the host that hosts.toml lists, its Python is there, and nothing else.
        fresh = hand.fab("status", status=1).stdout
        assert "! node1: bootstrapped, but nothing is deployed yet; run `fab deploy`" in fresh
        assert "demo: nothing is set up yet" in fresh and "healthy" not in fresh
    finally:
        start_again(hand)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (f"rm {SOCK}", "its socket is gone"),
        (rf"sed -i '/^\[rpcinterface/,/^supervisor.rpc/d' {CONF}; {DAEMON}; kill -HUP $p; sleep 5", "UNKNOWN_METHOD"),
        (f"{DAEMON}; kill -STOP $p", "timed out"),
    ],
)
def test_a_supervisord_that_lives_is_not_said_to_be_gone(hand: ByHand, cause: str, says: str) -> None:
    hand.on("node1", f"cp -p {CONF} /root/kept.conf")
    try:
        hand.on("node1", SHELL + cause)
        pid = hand.on("node1", f"cat {PIDFILE}").strip()
        (problem,) = [one for one in told(hand) if "supervisord" in one]
        assert f"it lives, pid {pid}: " in problem and says in problem
        assert "`fab -H node1 doctor` tells what to do" in problem
    finally:
        start_again(hand)
