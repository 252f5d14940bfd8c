"""The Python that a deploy starts programs with: right, left by a rollback, yet to come, none; programs on another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabfile import plan
from fabfile.errors import Problem
from fabfile.inventory import load
from fabfile.remote.look import by_another_runtime
from fabfile.runs.engine import look
from fabfile.runs.run import Looked
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.runtime import Runtime, named
from fabfile.steps.runtime_in_use import RuntimeInUse
from fabfile.steps.runtime_spec import Platform, RuntimeSpec
from fabfile.tasks.due import wrong_python

from .local import LocalLink, fleet
from .test_due import HOSTS

SPEC = RuntimeSpec("2.7.18", "a" * 64, "b" * 64)
STEP = RuntimeInUse(SPEC)
WANTED = SPEC.id(Platform("debian", "12", "x86_64", "glibc 2.36"))
OLD = "2.7.18-0123456789ab"


def answer(current: str, *complete: str) -> Found:
    head = ("os_id=debian", "os_version=12", "arch=x86_64", "libc=glibc 2.36", f"current={current}")
    return Found(0, "\n".join([*head, *(f"complete={one}" for one in complete), "end="]))


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (answer(f"runtimes/{WANTED}", WANTED), []),
        (answer(f"runtimes/{WANTED}", WANTED, OLD), []),
        (answer(f"runtimes/{OLD}", WANTED, OLD), [f"make Python {WANTED} current"]),
        # The step that needs one tells it.
        (answer(""), []),
    ],
)
def test_the_wanted_one_is_used_where_it_is_there(found: Found, wanted: list[str]) -> None:
    assert [one.says for one in STEP.diff(found)] == wanted
    assert wrong_python(Looked((STEP,), (found,))) is None


def test_programs_begin_on_no_older_one(tmp_path: Path) -> None:
    found = answer(f"runtimes/{OLD}", OLD)
    with pytest.raises(Problem, match=f"has Python {OLD}, .* wants {WANTED}; run `fab bootstrap`") as refused:
        STEP.diff(found)
    assert str(wrong_python(Looked((STEP,), (found,)))) == str(refused.value)
    with pytest.raises(CannotLook):
        STEP.diff(Found(0, found.text.removesuffix("end=")))


def test_its_look_tells_of_this_machine_what_the_runtimes_own_look_tells() -> None:
    step = Runtime(SPEC, user="nobody")
    (light, whole) = look(LocalLink(), [STEP, step])
    assert named(SPEC, light)[1:] == named(SPEC, whole)[1:]


def test_it_is_asked_before_each_new_release_and_of_no_host_with_stores_alone(tmp_path: Path) -> None:
    one = fleet()
    for steps in (plan.deploy(one, one.hosts[0]), plan.new_release(one, one.hosts[0])):
        names = [step.name for step in steps]
        assert names.index("Python in use") < names.index("release")
    path = tmp_path / "hosts.toml"
    path.write_text(HOSTS)
    apart = load(path)
    assert not any(isinstance(step, RuntimeInUse) for step in plan.deploy(apart, apart.host("stores")))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[types.SimpleNamespace]:
    """A process by a program in a folder of runtimes, which goes meanwhile."""
    program = tmp_path / "runtimes" / OLD / "bin" / "python2.7"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen(["sleep", "60"], executable=program) as process:
        try:
            yield types.SimpleNamespace(pid=process.pid)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("own", "another"),
    [
        (f"runtimes/{OLD}/bin/python2.7", False),
        (f"runtimes/{WANTED}/bin/python2.7", True),
        (f"elsewhere/{WANTED}/bin/python2.7", False),
    ],
)
def test_a_process_on_another_python_of_ours_is_told(
    running: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, another: bool
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / own))
    assert by_another_runtime(running) == another
    shutil.rmtree(tmp_path / "runtimes")
    assert by_another_runtime(running) == another
    assert not by_another_runtime(types.SimpleNamespace(pid=os.getpid()))
    assert not by_another_runtime(types.SimpleNamespace(pid=1 << 30))
