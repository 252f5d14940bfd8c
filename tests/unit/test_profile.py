"""Profiles: stacks become shares and a picture; the far side's script leaves nothing behind."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from invoke.exceptions import Exit

from fabfile.errors import Problem, Unreachable
from fabfile.health.stacks import Frame, flame, parsed, shares
from fabfile.inventory import Fleet, Host, load
from fabfile.inventory.order import named
from fabfile.runs.options import Options
from fabfile.runs.run import Run
from fabfile.runs.target import Target
from fabfile.ssh.pool import Links
from fabfile.ssh.protocol import Event, Message
from fabfile.steps.base import CannotLook, Found, Payload
from fabfile.steps.profile import Dumping, Sampling, packed, told
from fabfile.tasks.profile import Profiling, look_into

from . import shells, sights
from .patients import PROJECT

RAW = """\
main (run.py:9);on_message (pyspider/processor.py:88);detail_page (<books>:12);text (pyquery.py:4) 52
main (run.py:9);on_message (pyspider/processor.py:88);detail_page (<books>:14) 8
main (run.py:9);on_message (pyspider/processor.py:88);index_page (<shop>:3);make_links_absolute (pyquery.py:9) 32
main (run.py:9);dumps (umsgpack.py:1) 8
not a stack
"""


def test_lines_of_scripts_have_the_share_of_all_that_they_call() -> None:
    stacks = parsed(RAW)
    assert stacks.total == 100
    found = list(shares(stacks.lines(), stacks.total))
    assert found[0] == ("52.0 %", Frame("detail_page", "<books>", 12))
    assert found[1] == ("32.0 %", Frame("index_page", "<shop>", 3)) and len(found) == 3
    assert stacks.functions()[:2] == [("text (pyquery.py)", 52), ("make_links_absolute (pyquery.py)", 32)]
    assert (stacks.of_project("books").total, stacks.of_project("other").total) == (60, 0)


def test_a_line_counts_once_in_a_stack_in_which_it_stands_twice_and_deep_stacks_are_cut() -> None:
    again = parsed("a (<p>:1);a (<p>:1) 3\n" + ";".join(["a (<p>:1)"] * 5000) + " 1\n")
    assert again.lines() == [(Frame("a", "<p>", 1), 4)]
    assert flame(again, "x").count("<g>") < 500


def test_the_picture_is_well_formed_whatever_functions_are_called() -> None:
    odd = parsed("x<&>\"'\x1b[2J\x00 (<p>:1);ok (file.py) 7\nplain 3\n")
    picture = flame(odd, "node1 <processor1>")
    root = ElementTree.fromstring(picture)
    titles = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "node1 <processor1>" and any(title.startswith("x<&>\"'") for title in titles)
    assert "\x1b" not in picture and "script" not in picture
    assert ElementTree.fromstring(flame(parsed(""), "nothing")) is not None


SPY = """#!/bin/sh
case $1 in
--version) exit 0 ;;
record) while [ "$1" != --output ]; do [ "$1" != --pid ] || p=$2; shift; done; [ "$p" != 7 ] || exit 3
  printf 'a (<p>:%s) 2\\n' "$p" >"$2" ;;
dump) echo "dump of $3"; exit 1 ;;
esac
"""


@pytest.mark.parametrize("shell", shells.KINDS)
def test_each_process_has_its_own_answer_and_nothing_is_left(shell: str, tmp_path: Path) -> None:
    spy, home = tmp_path / "spy", tmp_path / "home"
    spy.write_text(SPY)
    home.mkdir()
    binary = packed(spy)
    payload = tmp_path / "payload"
    payload.write_bytes(binary.content)  # type: ignore[arg-type]  # it is bytes, as packed() makes it
    for step, wanted in (
        (Sampling(binary, (5, 7), 1), [(True, "a (<p>:5) 2\n"), (False, "")]),
        (Dumping(binary, (5,)), [(False, "dump of 5\n")]),
    ):
        script = step.probe().script.replace("/opt/pyspider ", "/nowhere ")
        done = subprocess.run(
            [shells.shell(shell), "-c", f"set -- {payload}\n{script}"],
            env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        answers = told(Found(done.returncode, done.stdout + done.stderr), step.pids)
        assert [(answers[pid].ok, answers[pid].text) for pid in step.pids] == wanted
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("text", ["", "7 0 !!!\n", "8 0 H4sI\n", "no directory for programs\n"])
def test_an_answer_that_is_none_is_told(text: str) -> None:
    with pytest.raises(CannotLook):
        told(Found(0, text), (7,))


class Spied(Links):
    """Hosts whose programs run, or don't, and a py-spy that looks into some of them."""

    def __init__(self, pids: dict[str, int | None], refused: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.pids, self.refused = pids, refused

    def __getitem__(self, _host: Host) -> Any:
        return self

    def exchange(self, message: Message, _on_event: Callable[[Event], None]) -> dict[int, Found]:
        script = message.script.decode()
        if "py-spy" not in script:
            programs = [
                {"name": name, "state": "RUNNING" if pid else "STOPPED", "pid": pid, "release": "r1"}
                for name, pid in self.pids.items()
            ]
            return {0: sights.found(programs=programs)}
        rows = [self.row(int(pid)) for pid in re.findall(r"[0-9]+", re.findall(r"for pid in ([0-9 ]+); do", script)[0])]
        return {0: Found(0, "\n".join(rows))}

    def row(self, pid: int) -> str:
        status, text = (1, "Permission denied (os error 13)") if pid in self.refused else (0, "a (run.py:3) 9\n")
        return f"{pid} {status} {base64.b64encode(gzip.compress(text.encode())).decode()}"

    def tunnel(self, *_: object) -> Any:
        raise Unreachable("node2: no route to host")

    def rest(self) -> None:
        pass


@pytest.fixture
def here(tmp_path: Path) -> Fleet:
    path = tmp_path / "hosts.toml"
    path.write_text((PROJECT / "hosts.toml").read_text())
    return load(path)


def profiled(fleet: Fleet, links: Links, *words: str) -> Run:
    """A run that looks into programs of node2."""
    hosts = (fleet.named("node2"),)
    config = SimpleNamespace(run=SimpleNamespace(dry=False))
    run = Run(Target(fleet, hosts, (), links, config), Options(), progresses=False)
    look_into(run, named(fleet, hosts, (), words), Payload(b""), Profiling(seconds=9))
    return run


@pytest.mark.parametrize(
    ("pids", "refused", "cause"),
    [
        ({"processor1": 5, "processor2": 7}, (), ""),
        ({"processor1": 5, "processor2": 7}, (7,), "py-spy could not look into processor2: its own words are above"),
        ({"processor1": 5, "processor2": None}, (), "not running: processor2; `fab status` tells why"),
        (
            {"processor1": 5, "processor2": None, "fetcher1": 9},
            (9,),
            "py-spy could not look into fetcher1: its own words are above; not running: processor2",
        ),
    ],
)
def test_a_program_that_was_not_looked_into_is_named_and_fails_the_run_after_the_others_were_shown(
    here: Fleet,
    capsys: pytest.CaptureFixture[str],
    pids: dict[str, int | None],
    refused: tuple[int, ...],
    cause: str,
) -> None:
    if cause:
        with pytest.raises(Exit) as ended:
            profiled(here, Spied(pids, refused), *pids)
        assert ended.value.code == 1
    else:
        profiled(here, Spied(pids, refused), *pids)
    shown = capsys.readouterr()
    assert "node2 processor1\n  9 samples at work in 9 s" in shown.out
    assert shown.out.count("Permission denied") == len(refused)
    assert " ".join(cause.split()) in " ".join((shown.out + shown.err).split())
    graphs = [path.name for path in (here.path.parent / "profiles").iterdir()]
    assert len(graphs) == len([pid for pid in pids.values() if pid and pid not in refused])


def test_the_tables_are_shown_also_where_no_flame_graph_can_be_written(
    here: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.path.parent / "profiles").write_text("in the way")
    with pytest.raises(Problem, match=r"profiles/.*\.svg: the flame graph can't be written: ") as told_at_last:
        profiled(here, Spied({"processor1": 5, "processor2": 7}), "processor")
    assert told_at_last.value.exit_status == 1
    shown = capsys.readouterr()
    for name in ("processor1", "processor2"):
        assert f"node2 {name}\n  9 samples at work" in shown.out
    assert shown.out.count("100.0 %  a (run.py)") == 2
