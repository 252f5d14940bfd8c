"""The cluster's lock, through real sh on a real file system."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from fabfile.errors import Locked
from fabfile.runs.lock import Lock, Owner, _me

from .local import LocalLink


def lock(folder: Path) -> Lock:
    return Lock(LocalLink(), "demo", str(folder))


def foreign(folder: Path, *, machine: str = "elsewhere/1", pid: int = 1, age: float = 0) -> None:
    """A lock that somebody else holds, whose last sign of life was `age` seconds ago."""
    place = folder / "demo.lock"
    place.mkdir()
    owner = Owner("somebody", machine, pid, 1, "2026-01-01 00:00:00 +0000")
    (place / "owner").write_text(json.dumps(asdict(owner), sort_keys=True))
    os.utime(place / "owner", (time.time() - age, time.time() - age))


def test_it_is_held_and_then_free_again(tmp_path: Path) -> None:
    one = lock(tmp_path)
    with one.held():
        owner = one.owner()
        assert owner and owner.pid == os.getpid()
    assert one.owner() is None
    assert list(tmp_path.iterdir()) == []


def test_a_second_one_is_refused_with_the_owner_named(tmp_path: Path) -> None:
    foreign(tmp_path)
    with pytest.raises(Locked, match="demo is being changed by somebody on elsewhere"), lock(tmp_path).held():
        pytest.fail("two hold it")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.lock"]


def race(folder: Path) -> list[str]:
    """What becomes of two who want it at the same moment; the winner holds it until the other one knows."""
    start, over = threading.Barrier(2), threading.Barrier(2)
    results: list[str] = []

    def run() -> None:
        start.wait(10)
        try:
            with lock(folder).held():
                results.append("won")
                over.wait(10)
        except Locked:
            results.append("lost")
            over.wait(10)

    racers = [threading.Thread(target=run) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
    return sorted(results)


def test_twenty_races_have_exactly_one_winner_each(tmp_path: Path) -> None:
    assert [race(tmp_path) for _ in range(20)] == [["lost", "won"]] * 20


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    first, held = lock(tmp_path), threading.Event()

    def hold() -> None:
        with first.held():
            held.set()
            release.wait(10)

    release = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    threading.Timer(0.3, release.set).start()
    with lock(tmp_path).held(wait=20):
        assert release.is_set()
    holder.join(10)


def test_one_without_a_sign_of_life_expires(tmp_path: Path) -> None:
    foreign(tmp_path, age=200)
    assert lock(tmp_path).owner() is None
    with lock(tmp_path).held():
        pass


def test_one_whose_process_on_this_machine_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    foreign(tmp_path, machine=_me().machine, pid=ended.pid)
    with lock(tmp_path).held():
        pass


def test_release_takes_it_away_and_says_from_whom(tmp_path: Path) -> None:
    foreign(tmp_path)
    owner = lock(tmp_path).release()
    assert owner and owner.user == "somebody"
    assert lock(tmp_path).owner() is None


def test_a_run_that_lost_its_lock_does_not_release_the_next_one(tmp_path: Path) -> None:
    mine = lock(tmp_path)
    with mine.held():
        mine.release()
        foreign(tmp_path)
    owner = mine.owner()
    assert owner and owner.user == "somebody"
