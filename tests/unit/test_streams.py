"""Output that nobody takes any more: processes of their own, with real pipes, disks and descriptors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .local import PROJECT

LOST = ("a reader that is gone", "a full disk", "closed")
CUT = "fab: not all of the output is there: stdout can't be written: no space left on device"
WORK = """\
import sys
from pathlib import Path
from types import SimpleNamespace
from invoke.exceptions import Exit
from fabfile.runs.run import Run
from fabfile.runs.streams import ending, go_on, open_closed, watch
from fabfile.runs.target import Target
from tests.unit.local import FileStep, LocalLink, OneLink, fleet

open_closed()
watch()
go_on()
places = [Path(name) for name in sys.argv[1:]]
config = SimpleNamespace(run=SimpleNamespace(dry=False))
run = Run(Target(fleet(), fleet().hosts[:1], (), OneLink(LocalLink()), config))
for place in places:
    run.converge(run.look(lambda _: [FileStep(place, "new")]))
try:
    run.finish()
    status = 0
except Exit as error:
    status = error.code
print("the end", file=sys.stderr)
sys.exit(ending(status))
"""


def ran(words: list[str], lost: str, number: int, **environment: str) -> tuple[int, str]:
    """The exit status of a command whose output on this descriptor is lost from the start, and its other output."""
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    target = {"a reader that is gone": write, "a full disk": full}.get(lost, subprocess.DEVNULL)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {number}>&-', "sh", *words] if lost == "closed" else words,
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=target if number == 1 else subprocess.PIPE,
        stderr=target if number == 2 else subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write)
    os.close(full)
    return done.returncode, done.stderr if number == 1 else done.stdout


@pytest.mark.parametrize("lost", LOST)
def test_work_goes_on_to_its_end_where_its_progress_is_lost(tmp_path: Path, lost: str) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    status, report = ran([sys.executable, "-c", WORK, *map(str, places)], lost, 2)
    assert (status, [place.read_text() for place in places]) == (0, ["new", "new"]), report
    assert "write first" in report and "1 changed" in report


@pytest.mark.parametrize(("lost", "expected"), list(zip(LOST, (0, 1, 0), strict=True)))
def test_work_goes_on_to_its_end_where_its_report_is_lost(tmp_path: Path, lost: str, expected: int) -> None:
    """A report that is cut by a full disk is not taken for a whole one."""
    places = [tmp_path / "first", tmp_path / "second"]
    status, said = ran([sys.executable, "-c", WORK, *map(str, places)], lost, 1)
    assert (status, [place.read_text() for place in places]) == (expected, ["new", "new"]), said
    assert ("writing it" in said, "the end" in said, CUT in said) == (True, True, expected == 1)


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A hosts.toml of hosts on loopback, where nothing answers."""
    text = (PROJECT / "hosts.toml").read_text().replace('address = "10.77.0.', 'port = 9\naddress = "127.0.77.')
    (tmp_path / "hosts.toml").write_text(re.sub("^key = .*$", "", text, flags=re.MULTILINE))
    return str(tmp_path / "hosts.toml")


FAB = [sys.executable, "-m", "fabfile"]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("words", [("status",), ("deploy",), ("deploy", "--json")])
def test_the_exit_status_is_the_same_where_stderr_is_lost(nobody: str, words: tuple[str, ...], lost: str) -> None:
    status, report = ran([*FAB, *words], lost, 2, HOSTS_TOML=nobody)
    assert (status, "connection refused" in report) == (3, True), report


@pytest.mark.parametrize(
    ("words", "statuses"),
    [(("status",), (130, 1, 3)), (("status", "--json"), (130, 1, 3)), (("deploy",), (3, 3, 3))],
)
def test_a_look_ends_where_stdout_is_lost_and_a_change_does_not(
    nobody: str, words: tuple[str, ...], statuses: tuple[int, ...]
) -> None:
    for lost, expected in zip(LOST, statuses, strict=True):
        status, said = ran([*FAB, *words], lost, 1, HOSTS_TOML=nobody)
        assert (status, "Traceback" in said) == (expected, False), (lost, said)
        assert (lost == "a full disk") == (CUT in said)
        assert said.count("fab: going on without the cluster's lock") == ("deploy" in words)


def test_what_fabric_prints_by_itself_ends_as_well_as_a_task(nobody: str) -> None:
    assert [ran([*FAB, "--list"], lost, 1, HOSTS_TOML=nobody) for lost in LOST] == [(130, ""), (1, f"{CUT}\n"), (0, "")]
