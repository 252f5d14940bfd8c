"""The account: what a host answers, and what is then missing."""

from __future__ import annotations

import subprocess

import pytest

from fabfile.errors import Problem
from fabfile.steps.account import Account
from fabfile.steps.base import CannotLook, Found

from .local import converged

NEW = "first 1000\ngroup \nuser absent /home/work\ngroups \nhome"
RIGHT = "first 1000\ngroup 1000\nuser 1000 /home/work\ngroups work\nhome 41ed work work"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (RIGHT, []),
        (NEW, ["make user work"]),
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
    (action,) = Account("work", "/srv/w", "/bin/bash").diff(Found(0, NEW))
    assert "useradd -M -d /srv/w -s /bin/bash -g work work" in action.script


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (RIGHT.replace("user 1000", "user 0"), "user work is root on this host"),
        (RIGHT.replace("user 1000", "user 998"), "user work is an account of the system here (number 998, below 1000)"),
        (RIGHT.replace("user 1000", "user 500"), "number 500, below 1000"),
        (NEW.replace("group ", "group 42"), "group work is one of the system here (number 42"),
        (RIGHT.replace("41ed work", "41ed alice"), "/home/work, the home of user work, belongs to alice"),
        (RIGHT.replace("/home/work", "/").replace("41ed work", "41ed root"), "/, the home of user work, is root's"),
        (
            RIGHT.replace("/home/work", "/usr/bin").replace("41ed work", "41ed root"),
            "/usr/bin, the home of user work, is root's",
        ),
        (NEW + " 41ed alice alice", "/home/work, the home of user work, belongs to alice"),
        (
            RIGHT.replace("groups work", "groups work docker sudo"),
            "user work is in the group docker, sudo: crawled pages'",
        ),
        (
            RIGHT + "\nsudo yes",
            "by sudo here: crawled pages' scripts could, too; take its line out of sudoers (sudo -l -U work), or",
        ),
        (RIGHT + "\nshared alice", "/home/work, the home of user work, is that of alice as well"),
    ],
)
def test_a_user_that_can_not_be_the_clusters_is_refused(answer: str, why: str) -> None:
    with pytest.raises(Problem) as caught:
        Account("work").diff(Found(0, answer))
    assert why in str(caught.value)
    assert str(caught.value).endswith("choose another user in hosts.toml")


def test_an_old_system_counts_from_500() -> None:
    assert (
        Account("work").diff(Found(0, RIGHT.replace("first 1000", "first 500").replace("user 1000", "user 500"))) == []
    )


@pytest.mark.parametrize("answer", ["", "sh: id: not found", "user 1000\ngroups work"])
def test_an_answer_that_makes_no_sense_is_not_taken_for_a_missing_user(answer: str) -> None:
    with pytest.raises(CannotLook):
        Account("work").diff(Found(0, answer))


def test_this_machine_is_really_asked() -> None:
    outcome = converged([Account("no-such-user-here")], dry=True)
    assert outcome.changes == ("make user no-such-user-here",)
    # Not root itself, whose home nobody else may look at.
    outcome = converged([Account("daemon")], dry=True)
    assert outcome.status == "failed" and "is an account of the system" in outcome.cause
