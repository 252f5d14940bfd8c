"""The turns in which programs restart."""

from __future__ import annotations

from collections import Counter

import pytest

from fabfile.inventory import Program
from fabfile.inventory.turns import Turn, turns


def programs(words: str) -> list[Program]:
    """`fetcher processor2`: a fetcher and two processors."""
    found = []
    for word in words.split():
        role = word.rstrip("0123456789")
        for number in range(1, int(word[len(role) :] or 1) + 1):
            found.append(Program(f"{role}{number}", role, number, None, f"/l/{role}{number}.log"))
    return found


def shown(turn: Turn) -> dict[str, str]:
    return {host: " ".join(one.name for one in several) for host, several in turn.items()}


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        # A part of each role runs on, whichever hosts have it.
        (["scheduler webui", "fetcher processor2", "fetcher processor2"], ["01", "2"]),
        (["scheduler"], ["0"]),
        (["processor"] * 4, ["01", "23"]),
        (["processor"] * 3, ["0", "1", "2"]),
        (["", "", ""], ["012"]),
    ],
)
def test_at_most_half_of_a_role_restarts_at_once(hosts: list[str], wanted: list[str]) -> None:
    chosen = {str(number): programs(words) for number, words in enumerate(hosts)}
    running = Counter(one.role for several in chosen.values() for one in several)
    made = turns(chosen, running)
    assert sorted(host for turn in made for host in turn) == sorted(chosen)
    for turn in made:
        down = Counter(one.role for several in turn.values() for one in several)
        assert all(count <= max(1, running[role] // 2) for role, count in down.items())
    assert ["".join(turn) for turn in made] == wanted


def test_a_host_that_has_all_of_a_role_is_taken_in_parts() -> None:
    made = turns({"a": programs("fetcher processor3"), "b": programs("webui")}, {"fetcher": 1, "processor": 3})
    assert [shown(turn) for turn in made] == [
        {"a": "fetcher1 processor1", "b": "webui1"}, {"a": "processor2"}, {"a": "processor3"},
    ]  # fmt: skip


def test_hosts_outside_count_where_they_run() -> None:
    assert len(turns({"a": programs("processor2")}, {"processor": 4})) == 1
    assert len(turns({"a": programs("processor2")}, {"processor": 2})) == 2


def test_a_host_whose_supervisord_restarts_is_not_taken_in_parts() -> None:
    made = turns({"a": programs("processor4"), "b": programs("processor")}, {"processor": 5}, whole=["a"])
    assert [shown(turn) for turn in made] == [{"a": "processor1 processor2 processor3 processor4"}, {"b": "processor1"}]
