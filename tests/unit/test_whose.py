"""Whose processes are judged: the cluster's user's, root's, and those of a supervisord of theirs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fabfile.remote import leftovers, look, machine, processes, whose

OPTIONS = {"user": "daemon", "conf": "/etc/supervisord.conf", "socket": "/s.sock"}
"""On every Linux there is a user `daemon` with the number 1, and nobody else has these two."""
WORK, ALICE, SPIDER = 1, 12345, 12346
SUPERVISORD = "/usr/bin/python /usr/bin/supervisord -c /etc/supervisord.conf"
SCHEDULER = "/usr/bin/python run.py -c c.json scheduler"


def process(pid: int, parent: int, uid: int, words: str) -> Any:
    one = processes.Process.__new__(processes.Process)
    one.pid, one.parent, one.uid, one.words = pid, parent, uid, words.split()
    one.alive, one.ticks = True, 1
    one.environment = {"SUPERVISOR_SERVER_URL": "unix:///s.sock", "PYSPIDER_RELEASE": "x"}
    return one


def table(*found: tuple[int, int, int, str]) -> dict[int, Any]:
    return {one[0]: process(*one) for one in found}


@pytest.mark.parametrize(
    ("uid", "parent", "mine"),
    [
        (WORK, 1, True),
        (0, 1, True),
        (ALICE, 1, False),
        # A program with user= of root's supervisord; one of her own supervisord.
        (SPIDER, 50, True),
        (ALICE, 60, False),
    ],
)
def test_the_clusters_are_told_from_those_that_only_look_like_it(uid: int, parent: int, mine: bool) -> None:
    live = table((50, 1, 0, SUPERVISORD), (60, 1, ALICE, SUPERVISORD), (99999, parent, uid, SCHEDULER))
    assert look.schedulers(live, OPTIONS) == ([99999] if mine else [])
    assert [one["pid"] for one in whose.others(live, OPTIONS)] == [60, *([] if mine else [99999])]
    assert [one["pid"] for one in machine.daemons(live, [OPTIONS["conf"]], OPTIONS)] == [50]


def test_nobody_elses_process_is_a_leftover_by_what_its_environment_says() -> None:
    live = table((70, 1, ALICE, SCHEDULER), (71, 1, WORK, SCHEDULER))
    assert [one["pid"] for one in leftovers.leftovers(live, OPTIONS)] == [71]


def test_the_user_of_a_process_is_who_started_it() -> None:
    assert processes.uid_of(os.getpid()) == os.getuid()
    assert processes.uid_of(1 << 30) == -1
