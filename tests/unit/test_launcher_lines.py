"""Log lines are written together, none is lost, and one of an error is not kept back."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..waiting import eventually

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import lines  # type: ignore[import-not-found]

TEMPLATES = Path(lines.__file__).parent.parent


class Pipe:
    """A stream that keeps each write by itself."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> None:
        self.writes.append(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", pipe)
    return pipe


@pytest.fixture
def logger(pipe: Pipe) -> Iterator[logging.Logger]:
    logger = logging.getLogger("gathered")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%y"))
    logger.handlers = [handler]
    lines.gather()
    yield logger
    logger.handlers[0].end(os.getpid())  # type: ignore[attr-defined]
    logger.handlers = []


def words(pipe: Pipe) -> list[str]:
    return [line.partition(" ")[2] for line in "".join(pipe.writes).splitlines()]


def test_lines_are_written_together_after_a_moment(pipe: Pipe, logger: logging.Logger) -> None:
    for number in range(10):
        logger.info("line %d", number)
    assert eventually(lambda: len(words(pipe)) == 10)
    assert words(pipe) == [f"line {number}" for number in range(10)]
    assert len(pipe.writes) < 10


def test_a_warning_goes_out_at_once_after_the_lines_before_it(
    pipe: Pipe, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "GATHER", 60)
    logger.info("before")
    logger.warning("now")
    assert words(pipe) == ["before", "now"]


def test_the_time_is_that_of_each_line(pipe: Pipe, logger: logging.Logger) -> None:
    for created in (0.0, 0.5, 86400 * 400.0):
        record = logger.makeRecord("gathered", logging.WARNING, "", 0, "x", (), None)
        record.created = created
        logger.handle(record)
    assert [line[:2] for line in pipe.writes] == ["70", "70", "71"]


def test_milliseconds_stay(pipe: Pipe) -> None:
    made = lines.SameSecond(logging.Formatter().formatTime)
    record = logging.makeLogRecord({"created": 1.25, "msecs": 250.0})
    assert made(record).endswith(",250")


@pytest.mark.parametrize("end", ["pass", "sys.exit(3)", "raise KeyError(1)", "logging.error('end'); os._exit(1)"])
def test_no_line_is_lost_at_the_end_of_a_program(end: str) -> None:
    program = f"""
import logging, os, sys
sys.path.insert(0, {str(TEMPLATES)!r})
sys.dont_write_bytecode = True
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from launcher import lines
lines.GATHER = 60 if "_exit" in {end!r} else 0.01
lines.gather()
logging.info("last words")
{end}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines()[0] == "last words"


def test_a_stream_that_fails_loses_its_own_lines_only_and_raises_nothing(pipe: Pipe, logger: logging.Logger) -> None:
    working, pipe.write = pipe.write, broken  # type: ignore[method-assign]
    logger.warning("lost")
    logger.info("lost too")
    assert eventually(lambda: not logger.handlers[0].lines)  # type: ignore[attr-defined]
    pipe.write = working  # type: ignore[method-assign]
    logger.info("again")
    assert eventually(lambda: words(pipe) == ["again"])


def broken(_: str) -> None:
    raise ValueError("I/O operation on closed file")


def test_a_process_that_was_forked_while_lines_were_written_can_log(logger: logging.Logger) -> None:
    gathered = logger.handlers[0]
    gathered.acquire()
    child = os.fork()
    if child == 0:
        # Another thread of the parent holds the lock, for this one.
        threading.Thread(target=logger.warning, args=("of the child",), daemon=True).start()
        time.sleep(0.5)
        os._exit(0 if gathered.pid == os.getpid() and not gathered.lines else 1)  # type: ignore[attr-defined]
    gathered.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Microseconds(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return f"{record.created % 1:.6f}"


@pytest.mark.parametrize(
    ("formatter", "known"), [(logging.Formatter("%(asctime)s", "%S"), True), (Microseconds(), False), (None, False)]
)
def test_a_formatter_that_tells_the_time_in_its_own_way_goes_on_to(formatter: logging.Formatter, known: bool) -> None:
    assert lines.plain(formatter) is known


def test_a_forked_process_writes_its_own_lines_only(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    gathered = logger.handlers[0]
    monkeypatch.setattr(lines, "GATHER", 60)
    logger.info("of the parent")
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "w") as stream:
            gathered.stream = stream  # type: ignore[attr-defined]
            logger.info("of the child")
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        assert [line[3:] for line in stream.read().splitlines()] == ["of the child"]
