"""Under a Python that can't run the tasks, `fab` says so in one sentence."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fabfile.cli.needs import PACKAGES, PYTHON

PROJECT = Path(__file__).parent.parent.parent

AS_FABRIC = """\
import sys
sys.argv = ["fab", "--list"]
{before}
from fabric.main import program
program.run()
"""
AS_MODULE = """\
import runpy, sys
{before}
runpy.run_module("fabfile", run_name="__main__", alter_sys=True)
"""


def ended(script: str, *flags: str) -> str:
    """What is said by a Python that can't run the tasks: one line."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("fab: the tasks in ")
    assert "use ./run fab in place of fab" in done.stderr
    return done.stderr


@pytest.mark.parametrize("way", [AS_FABRIC, AS_MODULE])
def test_an_old_python_is_told_which_one_is_needed(way: str) -> None:
    said = ended(way.format(before="import fabric.main; sys.version_info = (3, 9, 2, 'final', 0)"))
    assert "need Python 3.11 or newer, and this is 3.9.2;" in said


@pytest.mark.parametrize("way", [AS_FABRIC, AS_MODULE])
def test_a_fab_without_the_packages_is_told_which_ones_are_missing(way: str) -> None:
    said = ended(way.format(before="sys.modules['msgspec'] = sys.modules['rich'] = None"))
    assert f"need msgspec, rich, which {sys.executable} does not have;" in said


def test_a_python_without_any_package_is_told_so_too() -> None:
    assert "need fabric, invoke, jinja2," in ended(AS_MODULE.format(before=""), "-S")


@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("redis", "3.5.3", "redis 5 or newer"),
        ("fabric", "2.7.1", "fabric 3.2.3"),
        ("invoke", "3.0", "invoke 2.2.1"),
    ],
)
def test_another_environment_with_other_versions_is_told_them(
    tmp_path: Path, package: str, version: str, said: str
) -> None:
    about = tmp_path / f"{package}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    before = f"sys.path.insert(0, {str(tmp_path)!r}); sys.prefix = '/usr'"
    assert f"need {said}, and {sys.executable} has others;" in ended(AS_MODULE.format(before=before))


@pytest.mark.parametrize("name", ["__init__", "cli/__init__", "cli/early", "cli/needs"])
def test_what_says_so_can_be_read_by_old_pythons(name: str) -> None:
    text = (PROJECT / "fabfile" / f"{name}.py").read_text()
    tree = ast.parse(text, feature_version=(3, 6))
    imports = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in imports


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={PYTHON[0]}.{PYTHON[1]}"
    wanted = {text.replace("==", ">=") for text in project["dependencies"]}
    assert {f"{name}>={least}" for name, least in PACKAGES.items()} == wanted
