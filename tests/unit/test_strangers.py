"""What other people's supervisords look like, and that no step touches them."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fabfile.errors import Problem
from fabfile.remote import daemons, logs, processes, strangers
from fabfile.steps.base import Found, Step
from fabfile.steps.daemon import Supervisord
from fabfile.steps.programs import Programs
from fabfile.steps.supervisor import Leftovers, Place, Sockets, Untouched

from . import sights

PLACE = Place("work", "/home/work/h", "/home/work/l", "/etc/supervisord.conf", "/tmp/s.sock", "/opt/python")
STEPS: tuple[Step, ...] = (
    Untouched(PLACE),
    Sockets(PLACE),
    Leftovers(PLACE),
    Supervisord(PLACE, "digest"),
    Programs(PLACE, (("scheduler", "r"),), frozenset({"scheduler"})),
)
OURS = "; supervisord of the pyspider cluster demo. Made by fab from hosts.toml: change it there.\n"


def answer(**more: object) -> Found:
    base: dict[str, Any] = {
        "supervisord": {"answers": False, "errno": 111},
        "leftovers": [{"pid": 9, "ticks": 1, "name": "shop", "ours": False}],
    }
    return sights.found(**base | more)


HOLDER = {"pid": 7, "user": "root", "conf": "/etc/supervisord.conf", "holds": "conf", "running": ["shop"]}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize(
    ("more", "named"),
    [
        (
            {"strangers": [HOLDER], "foreign_conf": ["shop"]},
            r"/etc/supervisord.conf is somebody else's \(supervisord, pid 7 of root, runs shop\); .*supervisord_conf",
        ),
        ({"foreign_conf": ["a", "b"]}, r"somebody else's \(it names a, b, and no supervisord runs with it now\)"),
        ({"strangers": [HOLDER | {"running": []}]}, r"pid 7 of root, runs no program"),
        ({"strangers": [HOLDER | {"holds": "socket"}]}, r"on /tmp/s.sock answers .*: \[cluster\] socket"),
    ],
)
def test_no_step_touches_a_supervisord_of_somebody_else(step: Step, more: dict[str, object], named: str) -> None:
    with pytest.raises(Problem, match=f"nothing was changed here: .*{named}"):
        step.diff(answer(**more))


def test_a_process_that_this_project_did_not_start_is_no_leftover_of_ours() -> None:
    assert Leftovers(PLACE).diff(answer()) == []
    ours = [{"pid": 9, "ticks": 1, "name": "scheduler", "ours": True}]
    assert len(Leftovers(PLACE).diff(answer(leftovers=ours))) == 1


def test_an_empty_configuration_under_which_nothing_runs_may_be_replaced() -> None:
    assert Untouched(PLACE).diff(answer(foreign_conf=[])) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        (OURS + "[program:x]\n", None),
        ("[supervisord]\n[include]\nfiles = d/*.ini\n", ["mail", "shop"]),
        ("[supervisord]\n[include]\n; a comment\nfiles: %(here)s/d/s*.ini\n", ["shop"]),
        ("[include]\nfiles = none/*.ini\n  d/m.ini\n", ["mail"]),
        ("[program:a]\n[eventlistener:b]\n[fcgi-program:c]\n[group:d]\n;[program:e]\n", ["a", "b", "c"]),
        ("[supervisord]\n", []),
        ("[include]\nFiles = %(ENV_SHOPS)s/s*.ini\n", ["shop"]),
        ("[include]\nfiles = %(here)s/%(host_node_name)s/*.ini\n", ["own"]),
        ("[include]\nfiles = d%%/*.ini\n", ["odd"]),
        ("[include]\nfiles = %(ENV_ELSE)s/*.ini d/m.ini\n", ["mail", "the programs of %(ENV_ELSE)s/*.ini"]),
    ],
)
def test_the_programs_of_a_foreign_configuration_are_found(
    tmp_path: Path, text: str | None, wanted: list[str] | None
) -> None:
    (tmp_path / "d").mkdir()
    for name, file in (("shop", "s"), ("mail", "m")):
        (tmp_path / "d" / f"{file}.ini").write_text(f"[program:{name}]\ncommand=/bin/sleep 1\n")
    for folder, name in ((platform.node(), "own"), ("d%", "odd")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.ini").write_text(f"[program:{name}]\n")
    path = tmp_path / "supervisord.conf"
    if text is not None:
        path.write_text(text)
    daemon = Process(7, 1, "supervisord", "-c", str(path), SHOPS=f"{tmp_path}/d")
    assert strangers.foreign_sections(str(path), daemon) == wanted


class Process:
    """A line of the host's table."""

    def __init__(self, pid: int, parent: int, *words: str, **environment: str) -> None:
        self.pid, self.parent, self.words, self.environment, self.alive = pid, parent, list(words), environment, True
        self.ticks, self.uid = 1, 0


@pytest.mark.parametrize(
    ("words", "environment", "text", "server", "holds"),
    [
        (("-c", "CONF"), {}, "[supervisord]\n", {}, "conf"),
        (("--configuration=CONF",), {}, "[supervisord]\n", {}, "conf"),
        (("-c", "CONF"), {}, None, {}, "conf"),
        (("-c", "CONF"), {}, OURS, {}, None),
        (("-c", "CONF"), {"PYSPIDER_SUPERVISORD": "d"}, "[supervisord]\n", {}, None),
        (("-c", "/other"), {}, "[supervisord]\n", {}, None),
        (("-c", "/other"), {}, OURS, {"pid": 7}, "socket"),
        (("-c", "/other"), {"PYSPIDER_SUPERVISORD": "d"}, OURS, {"pid": 7}, None),
        (("-c", "CONF"), {}, OURS, {"pid": 7}, None),
    ],
)
def test_a_supervisord_is_known_by_its_mark_or_by_the_configuration_it_runs_with(
    tmp_path: Path,
    words: tuple[str, ...],
    environment: dict[str, str],
    text: str | None,
    server: dict[str, int],
    holds: str | None,
) -> None:
    conf = tmp_path / "s.conf"
    if text is not None:
        conf.write_text(text)
    given = [word.replace("CONF", str(conf)) for word in words]
    table = {
        7: Process(7, 1, "/usr/bin/python3", "/usr/bin/supervisord", *given, **environment),
        8: Process(8, 7, "/bin/sleep", "9", SUPERVISOR_PROCESS_NAME="shop"),
    }
    options = {"conf": str(conf), "socket": "/tmp/s.sock"}
    running = daemons.running(table, options)
    found = strangers.strangers(table, options, server, running)
    assert [one["holds"] for one in found] == ([holds] if holds else [])
    assert all(one["running"] == ["shop"] for one in found)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("-n", "/etc/supervisord.conf"),
        ("-nc /a", "/a"),
        ("-c/a", "/a"),
        ("--conf /a", "/a"),
        ("--configuration=/a -n", "/a"),
        ("-l /x -c /a", "/a"),
        ("-l -c", "/etc/supervisord.conf"),
    ],
)
def test_the_options_of_a_supervisord_are_read_as_it_reads_them(words: str, wanted: str) -> None:
    assert daemons.configuration(Process(1, 0, "python", "/none/bin/supervisord", *words.split())) == wanted


def test_without_the_option_a_supervisord_runs_with_the_file_beside_it_or_where_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "venv/etc").mkdir(parents=True)
    (tmp_path / "shop").mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path / "shop") as process:
        program = f"{tmp_path}/venv/bin/supervisord"
        begun = Process(process.pid, 0, "python3", program)
        for path in ("shop/supervisord.conf", "venv/etc/supervisord.conf"):
            (tmp_path / path).touch()
            assert daemons.configuration(begun) == f"{tmp_path}/{path}"
        assert daemons.configuration(Process(process.pid, 0, program, "-c", "x")) == f"{tmp_path}/shop/x"
        process.kill()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("/usr/bin/python3 /usr/bin/supervisord -n", True),
        ("python2.7 -u /usr/bin/supervisord", True),
        ("supervisord -c /etc/supervisord.conf", True),
        ("/usr/libexec/platform-python /usr/bin/supervisord", True),
        ("tail -f supervisord", False),
        ("vi /etc/init.d/supervisord", False),
        ("systemctl stop supervisord", False),
        ("python3 manage.py x supervisord", False),
        ("", False),
    ],
)
def test_who_only_names_supervisord_is_none(words: str, wanted: bool) -> None:
    assert processes.is_supervisord(Process(1, 0, *words.split())) == wanted


@pytest.mark.skipif(os.getuid() != 0, reason="only root changes its root")
def test_a_path_in_a_container_is_another_file(tmp_path: Path) -> None:
    table = {}
    with contextlib.ExitStack() as stack:
        for root in ("/", str(tmp_path)):
            code = f"import os; os.chroot({root!r}); print(flush=True); import time; time.sleep(60)"
            words = [sys.executable, "-c", code]
            process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout and process.stdout.readline()
            table[process.pid] = Process(process.pid, 1, "supervisord", "-c", "/c")
        found = daemons.running(table, {"conf": "/c"})
    assert [one["pid"] for one in found] == list(table)[:1]


def test_a_configuration_that_would_hide_that_of_somebody_else_is_refused(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "supervisord.conf", tmp_path / "theirs.conf"
    searched = (str(ours), str(theirs))
    assert strangers.hidden(str(ours), searched) is None
    theirs.write_text("[supervisord]\n")
    assert strangers.hidden(str(ours), searched) == str(theirs)
    assert strangers.hidden("/etc/other.conf", searched) is strangers.hidden(str(theirs), searched) is None
    ours.write_text(OURS)
    assert strangers.hidden(str(ours), searched) is None
    with pytest.raises(Problem, match=r"/etc/supervisord.conf would come before /x, which is somebody else's"):
        Untouched(PLACE).diff(answer(hidden="/x"))


@pytest.mark.parametrize(
    ("since", "wanted"),
    [(0, ["old", "new ä"]), (4, ["new ä"]), (11, []), (99, ["old", "new ä"])],
)
def test_only_the_lines_since_the_start_are_shown(tmp_path: Path, since: int, wanted: list[str]) -> None:
    log = tmp_path / "processor1.log"
    log.write_bytes("old\nnew ä\n".encode())
    assert logs.logged(str(log), since) == wanted
    assert logs.log_sizes(str(tmp_path)) == {"processor1": 11}
