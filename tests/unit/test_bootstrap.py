"""Hosts that wait for another one's runtime."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from fabfile.errors import Unreachable
from fabfile.runs.outcomes import on_host
from fabfile.steps.runtime import Ship
from fabfile.tasks.distribution import promised

SHIP = Ship(Path("runtime.tar.gz"), "a" * 64, "b" * 64)


@pytest.mark.parametrize("error", [Unreachable("node1: gone"), ZeroDivisionError("a bug"), KeyboardInterrupt()])
def test_whoever_waits_for_a_runtime_is_told_when_its_maker_fails(error: BaseException) -> None:
    archive: Future[Ship] = Future()
    with pytest.raises(type(error)), promised(archive, "node1"):
        raise error

    def wait() -> None:
        archive.result(0)

    outcome = on_host("node2", wait)
    assert outcome.status == "not reached"
    assert "no Python came from node1" in outcome.cause


def test_a_runtime_that_came_stays_even_if_its_maker_fails_afterwards() -> None:
    archive: Future[Ship] = Future()
    with pytest.raises(Unreachable), promised(archive, "node1"):
        archive.set_result(SHIP)
        raise Unreachable("node1: gone")
    assert archive.result(0) == SHIP
