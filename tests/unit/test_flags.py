"""Flags mean the same in every task, and a word that is nearly one of them is told."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from invoke.parser import ParserContext

from fabfile import ns
from fabfile.cli.flags import SHORT
from fabfile.cli.names import TAKING, meant, with_names

from .test_program import fab

TASKS = {name: ns[name] for name in ns.task_names}
OF_THEIR_OWN = {
    "drain": "one task has nobody else who empties the queue",
    "hosts": "as many, where -H has names",
    "json": "some print lines, or say what is in the object",
    "name": "each task says what it takes as words",
    "pages": "the end of the demo, or of a step of a bench",
    "port": "each task says what another port than the usual one means",
    "role": "hosts alone, or programs as well",
    "to": "a host, or a release",
}
"""Long flags whose help differs between tasks, and why they are one flag all the same."""


def flags() -> dict[str, dict[str, Any]]:
    """Each flag of each task: its name, then the task's."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, task in TASKS.items():
        for one in task.get_arguments(ignore_unknown_help=True):
            found[one.name][name] = one
    return found


def test_a_short_flag_has_one_meaning_and_a_flag_one_short_one() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for name, tasks in flags().items():
        shorts = {tuple(short for short in one.names if len(short) == 1) for one in tasks.values()}
        assert shorts == {(SHORT[name],) if name in SHORT else ()}, name
        for short in next(iter(shorts)):
            meanings[short].add(name)
    assert {short for short, names in meanings.items() if len(names) > 1} == set()
    assert len(set(SHORT.values())) == len(SHORT)
    assert set(SHORT) <= set(flags())


def test_a_long_flag_takes_a_value_everywhere_or_nowhere() -> None:
    for name, tasks in flags().items():
        assert len({one.takes_value for one in tasks.values()}) == 1, name


def test_a_long_flag_is_told_in_the_same_words_everywhere() -> None:
    told = {name: {one.help for one in tasks.values()} for name, tasks in flags().items()}
    assert not [name for name, texts in told.items() if None in texts]
    assert {name for name, texts in told.items() if len(texts) > 1} <= set(OF_THEIR_OWN)


def test_what_takes_the_clusters_lock_can_wait_for_it() -> None:
    steps = {name for name in TASKS if name.startswith("step.")}
    assert {"doctor", "deploy", "bootstrap", "restart", "rollback", *steps} <= set(flags()["lock_wait"])


@pytest.mark.parametrize("name", ["status", "doctor", "logs", "deploy", "releases"])
def test_hosts_are_chosen_in_the_same_way(name: str) -> None:
    assert {"role", "limit", "exclude", "json"} <= {one for one, tasks in flags().items() if name in tasks}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("deplo",), "did you mean 'deploy'?"),
        (("passwords.rotat",), "did you mean 'passwords.rotate'?"),
        (("move_scheduler_",), "did you mean 'move-scheduler'?"),
        (("deploy", "--dryrun"), "did you mean '--dry-run'?"),
        (("logs", "--folow"), "did you mean '--follow'?"),
        (("status", "--jsn=x"), "did you mean '--json'?"),
        (("--promt-for-sudo-password", "status"), "did you mean '--prompt-for-sudo-password'?"),
        (("--help", "statsu"), "did you mean 'status'?"),
    ],
)
def test_the_nearest_task_or_flag_is_told(words: tuple[str, ...], hint: str) -> None:
    result = fab(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert hint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("--dry", "reload"), ("reload", "--dry"), ("-R", "deploy")])
def test_a_flag_that_would_hold_nothing_back_is_refused(words: tuple[str, ...]) -> None:
    result = fab(*words)
    assert (result.returncode, result.stdout) == (2, "") and "--dry holds nothing back here" in result.stderr
    assert "did you mean" not in fab("reload", "--dry-run").stderr


def test_where_nothing_is_near_nothing_is_told() -> None:
    assert meant("No idea what 'xyzzy' is!", TASKS, ()) == ""
    assert meant("Something else", TASKS, ()) == ""


CORE = ParserContext()


def context(name: str) -> ParserContext:
    return ParserContext(name, args=TASKS[name].get_arguments(ignore_unknown_help=True))


@pytest.mark.parametrize("name", TAKING)
def test_a_task_that_takes_names_takes_them_as_words(name: str) -> None:
    assert with_names([name, "a", "b"], [context(name)], CORE) == [name, "--name=a,b"]


def test_a_number_of_lines_is_no_name() -> None:
    done = with_names(["logs", "processor1", "-n", "20", "fetcher"], [context("logs")], CORE)
    assert done == ["logs", "-n", "20", "--name=processor1,fetcher"]
    with pytest.raises(ValueError, match="not both ways"):
        with_names(["logs", "processor1", "--name", "fetcher"], [context("logs")], CORE)
