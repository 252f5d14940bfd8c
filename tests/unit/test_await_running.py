"""The wait for programs that were just started: it ends when they run, and when they will not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fabfile.remote import programs


class Supervisor:
    """The answers of a supervisord, one after the other; the last one stays."""

    def __init__(self, *answers: tuple[str, int]) -> None:
        self.answers: Iterator[tuple[str, int]] = iter(answers)
        self.asked = 0

    def getAllProcessInfo(self) -> list[dict[str, Any]]:
        self.asked += 1
        self.state, self.start = next(self.answers, None) or (self.state, self.start)
        return [{"name": "processor1", "statename": self.state, "start": self.start, "spawnerr": "Exited too quickly"}]


def options(folder: Path, seconds: float = 30) -> dict[str, Any]:
    (folder / "processor1.log").write_text("ImportError: no module x\n")
    return {"seconds": seconds, "wait": ["processor1"], "logs": str(folder)}


def tries(count: int) -> Sequence[tuple[str, int]]:
    """So many starts that ended at once, each seen several times."""
    return [(state, start) for start in range(count) for state in ("STARTING", "BACKOFF", "BACKOFF")]


def test_a_program_that_ends_at_each_start_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Supervisor(*tries(9))
    assert programs.await_running(server, options(tmp_path)) == 1
    assert server.asked == len(tries(programs.TRIES)) - 1
    assert capsys.readouterr().out == "processor1 is BACKOFF Exited too quickly\n  | ImportError: no module x\n"


def test_a_program_that_comes_up_at_its_last_try_is_well(tmp_path: Path) -> None:
    server = Supervisor(*tries(programs.TRIES - 1), ("STARTING", 9), ("RUNNING", 9))
    assert programs.await_running(server, options(tmp_path)) == 0


@pytest.mark.parametrize(("state", "seconds"), [("FATAL", 30), ("STARTING", 0)])
def test_what_has_ended_for_good_or_takes_too_long_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, seconds: float
) -> None:
    assert programs.await_running(Supervisor((state, 1)), options(tmp_path, seconds)) == 1
    assert capsys.readouterr().out.startswith(f"processor1 is {state}")
