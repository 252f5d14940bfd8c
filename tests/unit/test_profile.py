"""Profiles: stacks become shares and a picture; the far side's script leaves nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fabfile.health.stacks import Frame, flame, parsed, shares
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.profile import Dumping, Sampling, packed, told

from . import shells

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
