"""Logs that are followed over links that break: what is asked again, what is printed, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.exceptions import Exit

from fabfile.errors import Problem, Unreachable
from fabfile.inventory import Host
from fabfile.ssh.protocol import Event, Message
from fabfile.tasks import following
from fabfile.tasks.following import Following
from fabfile.tasks.telling import Wanted

from .local import content, fleet


@dataclass
class Link:
    """Each exchange tells the next part, then ends as that says."""

    parts: Iterator[tuple[list[dict[str, Any]], Exception]]
    places: list[Any] = field(default_factory=list)
    """Where each exchange was asked to go on."""

    def open(self) -> None:
        pass

    def exchange(self, message: Message, on_event: Callable[[Event], None]) -> Any:
        self.places.append(json.loads(content(message.payloads[0]))["places"])
        lines, end = next(self.parts)
        for line in [{"clock": time.time()}, *lines]:
            on_event(Event("line", 0, json.dumps(line)))
        raise end


def named(at: list[int] | None = None) -> dict[str, Any]:
    return {"log": 0, "program": "processor1", "path": "/a.log", "at": at}


def said(text: str, end: int) -> dict[str, Any]:
    return {"log": 0, "s": 1_764_150_000.0 + end, "l": "I", "m": "a:1", "x": [text], "at": [7, end, 1]}


LIVE = {"live": True}


class Links:
    def __init__(self, **links: Link) -> None:
        self.links, self.stopped = links, False

    def __getitem__(self, host: Host) -> Link:
        return self.links[host.name]

    def stop(self) -> None:
        self.stopped = True


def follow(links: Links, **wanted: Any) -> None:
    hosts = [host for host in fleet().hosts if host.name in links.links]
    chosen: Any = SimpleNamespace(fleet=fleet(), links=links)
    programs = {host.name: () for host in hosts}
    with pytest.raises(Exit) as end:
        Following(chosen, hosts, programs, Wanted(follow=True, json=True, **wanted)).go_on()
    assert end.value.code == 1
    assert links.stopped


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSES", (0.0,))


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    out, err = capsys.readouterr()
    return [json.loads(line)["text"] for line in out.splitlines()], err.splitlines()


LOST, REFUSED = Unreachable("node1: the connection was lost"), Problem("node1: sudo refuses")


def test_a_host_that_was_lost_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    first = [named(), said("there", 10), named([7, 10, 1]), LIVE, said("a", 20)]
    link = Link(iter([(first, LOST), ([], LOST), ([named(), said("b", 30), named([7, 30, 1]), LIVE], REFUSED)]))
    follow(Links(node1=link))
    out, err = printed(capsys)
    assert out == ["there", "a", "b"]
    assert link.places == [None, {"/a.log": [7, 20, 1]}, {"/a.log": [7, 20, 1]}]
    assert err == [
        "fab: node1: the connection was lost; trying again",
        "fab: node1: here again",
        "fab: node1: sudo refuses",
    ]


def test_the_words_of_a_host_that_is_lost_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Links(node1=Link(iter([([named()], Problem("node1: x\x1b[2J\ny"))]))))
    assert printed(capsys)[1] == [r"fab: node1: x\x1b[2J\ny"]


def test_what_was_told_before_a_host_was_followed_is_told_anew_where_it_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = [named(), said("there", 10)]
    link = Link(iter([(first, LOST), ([*first, named([7, 10, 1]), LIVE], REFUSED)]))
    follow(Links(node1=link))
    assert printed(capsys)[0] == ["there"]
    assert link.places == [None, None]


def test_the_first_records_of_all_hosts_are_the_last_so_many_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    def host(*ends: int) -> Link:
        lines = [named(), *(said(f"{end}", end) for end in ends), named([7, 99, 1]), LIVE]
        return Link(iter([(lines, REFUSED)]))

    follow(Links(node1=host(1, 4, 6), node2=host(2, 3, 5)), count=4)
    assert printed(capsys)[0] == ["3", "4", "5", "6"]


def test_a_bug_in_one_hosts_answer_hides_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    good = Link(iter([([named(), said("a", 1), named([7, 1, 1]), LIVE], REFUSED)]))
    bad = Link(iter([([said("of no log", 1)], REFUSED)]))
    follow(Links(node1=good, node2=bad))
    out, err = printed(capsys)
    assert out == ["a"]
    assert any(line.startswith("fab: node2: this is a bug, please report it: KeyError") for line in err)
