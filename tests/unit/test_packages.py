"""Packages: what a host answers, and what is then missing."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from fabfile.errors import Problem
from fabfile.inventory.roles import ROLES
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.package_names import NAMES, package_names
from fabfile.steps.packages import Packages

from .local import converged

ROLES_SETS = {role.packages for role in ROLES.values() if role.packages}
WANTED = Packages({"debian": ["gcc", ("libssl3t64", "libssl3")], "redhat": ["gcc", ("openssl3", "openssl")]})
DEBIAN = "family debian apt-get\n"


@pytest.mark.parametrize("family", ["debian", "redhat"])
def test_every_family_has_every_set_that_a_host_may_need(family: str) -> None:
    assert set(NAMES[family]) == {"runtime", "build", "firewall"} | ROLES_SETS
    assert package_names("redis", "phantomjs")[family] == (*NAMES[family]["redis"], *NAMES[family]["phantomjs"])
    assert package_names("redis").keys() == {"debian", "redhat"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (DEBIAN + "has gcc\nhas libssl3", []),
        (DEBIAN + "has gcc\nhas libssl3t64", []),
        (DEBIAN + "has libssl3", ["install packages gcc"]),
        (DEBIAN + "has gcc", ["install packages libssl3t64 or libssl3"]),
        (DEBIAN, ["install packages gcc, libssl3t64 or libssl3"]),
        ("family redhat dnf\nhas gcc\nhas openssl", []),
        ("family redhat yum\nhas openssl", ["install packages gcc"]),
    ],
)
def test_what_is_missing_is_installed_and_any_alternative_will_do(answer: str, says: list[str]) -> None:
    assert [action.says for action in WANTED.diff(Found(0, answer))] == says


@pytest.mark.parametrize("tool", ["dnf", "yum"])
def test_the_family_decides_the_tool(tool: str) -> None:
    (action,) = WANTED.diff(Found(0, f"family redhat {tool}\nhas openssl3"))
    assert f"{tool} -y install gcc" in action.script
    assert "apt-get" not in action.script


def test_an_unknown_family_is_said_with_the_tools_that_were_looked_for() -> None:
    with pytest.raises(Problem, match="none of apt-get, dnf, yum"):
        WANTED.diff(Found(0, "family none"))
    with pytest.raises(Problem, match="no package names are known"):
        Packages({"debian": ["gcc"]}).diff(Found(0, "family redhat dnf"))


@pytest.mark.parametrize("answer", ["", "sh: 1: Syntax error", "family"])
def test_an_answer_without_a_family_is_not_taken_for_a_bare_host(answer: str) -> None:
    with pytest.raises(CannotLook):
        WANTED.diff(Found(2, answer))


def test_every_script_is_valid_posix_shell_and_quotes_its_names() -> None:
    odd = Packages({"debian": ["a b", ("$(x)", "y;z")], "redhat": ["a b", ("$(x)", "y;z")]})
    for family in ("debian apt-get", "redhat dnf"):
        (action,) = odd.diff(Found(0, f"family {family}"))
        for script in (odd.probe().script, action.script):
            assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
            assert "'a b'" in script and "'$(x)' 'y;z'" in script


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg here")
def test_this_machine_is_looked_at_and_needs_nothing() -> None:
    step = Packages({"debian": ["dpkg", ("no-such-package", "apt")]})
    assert converged([step]).status == "ok"
    missing = Packages({"debian": ["no-such-package"]})
    outcome = converged([missing], dry=True)
    assert outcome.changes == ("install packages no-such-package",)
