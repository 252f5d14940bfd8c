"""The account: what a host answers, and what is then missing."""

from __future__ import annotations

import subprocess

import pytest

from fabfile.engine import converge
from fabfile.errors import Problem
from fabfile.steps.account import Account
from fabfile.steps.base import CannotLook, Found

from .local import LocalLink

RIGHT = "user 1000 /home/work\ngroups work\nhome 41ed work work"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (RIGHT, []),
        ("absent", ["make user work"]),
        (RIGHT.replace("groups work", "groups users work adm"), []),
        (RIGHT.replace("groups work", "groups users"), ["make group work and put its user in it"]),
        (RIGHT.replace("41ed work work", ""), ["make /home/work"]),
        (RIGHT.replace("41ed work work", "41ed root root"), ["give /home/work to work"]),
        (RIGHT.replace("/home/work", "/srv/old home").replace("41ed work work", ""), ["make /srv/old home"]),
    ],
)
def test_only_what_is_wrong_is_changed(answer: str, says: list[str]) -> None:
    actions = Account("work").diff(Found(0, answer))
    assert [action.says for action in actions] == says
    for action in actions:
        assert subprocess.run(["sh", "-n"], input=action.script.encode(), check=False).returncode == 0


def test_a_new_user_gets_the_home_and_the_shell_that_were_asked_for() -> None:
    (action,) = Account("work", "/srv/w", "/bin/bash").diff(Found(0, "absent"))
    assert "useradd -M -d /srv/w -s /bin/bash -g work work" in action.script


def test_a_user_that_is_root_is_refused() -> None:
    with pytest.raises(Problem, match="is root on this host"):
        Account("toor").diff(Found(0, "user 0 /root\ngroups root\nhome 41c0 root root"))


@pytest.mark.parametrize("answer", ["", "sh: id: not found", "user 1000\ngroups work"])
def test_an_answer_that_makes_no_sense_is_not_taken_for_a_missing_user(answer: str) -> None:
    with pytest.raises(CannotLook):
        Account("work").diff(Found(0, answer))


def test_this_machine_is_really_asked() -> None:
    outcome = converge(LocalLink(), [Account("no-such-user-here")], lambda _: None, dry=True)
    assert outcome.changes == ("make user no-such-user-here",)
    with pytest.raises(Problem, match="is root"):
        converge(LocalLink(), [Account("root")], lambda _: None, dry=True)
