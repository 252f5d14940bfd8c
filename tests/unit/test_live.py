"""The live view: rates and trends from look to look, keys, and a screen that fits."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from fabfile.health.host import HostStatus
from fabfile.health.motion import Motion
from fabfile.health.pulse import Pulse
from fabfile.health.stores import RedisReport
from fabfile.health.verdict import ClusterView
from fabfile.inventory import Fleet, load
from fabfile.inventory.roles import QUEUES
from fabfile.tasks.live import Looks, pause
from fabfile.watch import screen
from fabfile.watch.history import KEPT_SECONDS, History
from fabfile.watch.keys import Keyboard
from fabfile.watch.screen import Row, chosen, lines, trend
from fabfile.watch.selection import Selection

from . import sights
from .test_health import program, view, well

PROJECT = Path(__file__).parent.parent.parent
USED = {"at": 0.0, "cores": 2, "load": 0.5, "memory": {"bytes": 2**30, "free": 2**29}, "disks": []}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    copy = tmp_path / "hosts.toml"
    copy.write_text((PROJECT / "hosts.toml").read_text())
    return load(copy)


def answer_of(one: HostStatus) -> dict[str, Any]:
    """What the host told, to be changed and told again."""
    return {name: value for name, value in msgspec.to_builtins(one.sight).items() if value is not None}


def look(fleet: Fleet, at: float, done: int, waiting: int = 0, pid: int = 7, **more: Any) -> ClusterView:
    """A look `at` seconds after the first one."""
    hosts = well(fleet)
    for name, one in hosts.items():
        told = answer_of(one)
        told["spent"] = USED | {"at": at, "busy": at, "all": 2 * at, **more}
        told["projects"] = {"books": {"pending": 9, "success": done, "failed": 1}} if name == "node1" else {}
        told["programs"] = [program(each, pid=pid, spent={"cpu": 0.5 * at, "memory": 3 << 20}) for each in one.wanted]
        hosts[name] = HostStatus(one.host, one.wanted, True, sight=sights.sight(**told))
    pulses = {"node2/fetcher1": Pulse(pid, "fetcher", at, at, done=done)}
    redis = RedisReport(True, "7", "noeviction", dict.fromkeys(QUEUES, waiting))
    return view(fleet, hosts, redis=redis, motion=Motion(pulses=pulses))


def after(fleet: Fleet, *looks: tuple[float, int, int]) -> History:
    history = History()
    for at, done, waiting in looks:
        history.add(look(fleet, at, done, waiting), at, 1e9 + at)
    return history


def test_rates_are_told_from_two_looks_on(fleet: Fleet) -> None:
    history = after(fleet, (100, 50, 3))
    assert (history.done(), history.cpu(), history.results()) == ({}, {}, None)
    assert history.projects()[0].rate is None
    history.add(look(fleet, 102, 70, 5), 102, 1e9)
    assert history.done() == {"node2/fetcher1": 10.0} and history.by_role() == {"fetcher": 10.0}
    assert history.cpu()["node2/fetcher1"] == 0.5 and history.busy()["node1"] == 0.5
    (books,) = history.projects()
    assert (books.name, books.active, books.success, books.failed, books.rate) == ("books", 9, 70, 1, 10.0)
    assert history.queue("scheduler2fetcher") == [3, 5]


def test_a_process_that_took_the_place_of_another_one_counts_anew_and_is_told(fleet: Fleet) -> None:
    history = after(fleet, (100, 50, 0))
    history.add(look(fleet, 102, 2, pid=8), 102, 1e9)
    assert history.done() == {} and history.cpu() == {}
    assert "node2: fetcher1 was started again (pid 7, now 8)" in [one.text for one in history.events]


def test_only_the_last_minutes_are_kept(fleet: Fleet) -> None:
    history = after(fleet, (0, 0, 1), (10, 0, 2), (KEPT_SECONDS + 5, 0, 3))
    assert history.queue("scheduler2fetcher") == [2, 3]


def test_a_problem_is_an_event_when_it_begins_and_when_it_ends(fleet: Fleet) -> None:
    history, well_again = after(fleet, (0, 0, 0)), look(fleet, 4, 0)
    hosts = {one.host.name: one for one in look(fleet, 2, 0).hosts}
    hosts["node2"] = HostStatus(hosts["node2"].host, hosts["node2"].wanted, False, "node2: no route to host")
    history.add(view(fleet, hosts), 2, 1e9)
    history.add(well_again, 4, 1e9 + 2)
    assert [(one.good, "no route to host" in one.text) for one in history.events] == [(False, True), (True, True)]


def test_a_trend_is_as_high_as_its_longest_queue() -> None:
    assert trend([0, 1, 8], 8) == " ▁█" and trend([0, 0], 0) == "  "
    assert len(trend(list(range(1000)), 1000)) == 24


def typed(*keys: str) -> Selection:
    choice = Selection()
    for key in keys:
        choice = choice.after(key)
    return choice


def test_keys_order_filter_scroll_and_end(fleet: Fleet) -> None:
    assert typed("q").ended and not typed("x").ended
    assert [typed(*["s"] * times).order for times in range(6)] == ["host", "state", "cpu", "memory", "messages", "host"]
    assert typed("f", "q", "u", "back", "enter") == Selection(words="q")
    assert typed("f", "n", "escape") == Selection() == typed("f", "n", "enter", "escape")
    assert (typed("down", "down", "up").first, typed("up").first, typed("page down").first) == (1, 0, 10)
    history = after(fleet, (0, 0, 0), (2, 0, 0))
    assert {one.name for one in chosen(history, Selection(words="fetcher"))} == {"fetcher1"}


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("cpu", ["busy", "idle", "unknown"]),
        ("memory", ["idle", "busy", "unknown"]),
        ("messages", ["idle", "busy", "unknown"]),
        ("state", ["unknown", "busy", "idle"]),
    ],
)
def test_programs_come_in_the_chosen_order_and_the_unknown_last(
    monkeypatch: pytest.MonkeyPatch, order: Any, names: list[str]
) -> None:
    host = Row("node1", "", "")
    rows = [
        Row("node1", "unknown", state="FATAL"),
        Row("node1", "busy", state="RUNNING", cpu=0.9, memory=1, rate=0.0),
        Row("node1", "idle", state="RUNNING", cpu=0.0, memory=9, rate=7.0),
    ]
    monkeypatch.setattr(screen, "_rows", lambda _: [host, *rows])
    assert [one.name for one in chosen(History(), Selection(order=order))] == names


@pytest.mark.parametrize("size", [(160, 50), (80, 24), (40, 12), (20, 5)])
def test_the_screen_fits_whatever_its_size(fleet: Fleet, size: tuple[int, int]) -> None:
    history = after(fleet, (0, 0, 0), (2, 40, 7))
    shown = lines(history, Selection(), size, "a look takes 0.1 s", 1e9)
    assert len(shown) <= size[1] and all(line.cell_len <= size[0] for line in shown)
    assert "healthy" in shown[0].plain or size[0] < 40


def test_the_screen_shows_programs_queues_projects_and_no_escape_of_a_host(fleet: Fleet) -> None:
    hosts = {one.host.name: one for one in look(fleet, 2, 40, 7).hosts}
    told = answer_of(hosts["node2"]) | {"projects": {}}
    told["programs"] = [*told["programs"], program("x\x1b[2J", state="RUN\x07NING")]
    hosts["node2"] = HostStatus(hosts["node2"].host, hosts["node2"].wanted, True, sight=sights.sight(**told))
    history = after(fleet, (0, 0, 0))
    history.add(view(fleet, hosts, redis=RedisReport(True, "7", "", {"status_queue": 7})), 2, 1e9)
    text = "\n".join(line.plain for line in lines(history, Selection(), (120, 60), "", 1e9))
    assert "\x1b" not in text and "\x07" not in text
    assert "status_queue             7 ████████████████" in text
    assert "books" in text and "fetcher1" in text and "NOT healthy" in text


def test_keys_come_one_by_one_and_the_terminal_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    import termios

    main, side = os.openpty()
    with os.fdopen(side, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        before = termios.tcgetattr(side)
        with Keyboard() as keys:
            assert keys.read(0) == ""
            found = []
            for data in (b"q", b"\x1b[A", b"\x7f", b"\x01"):
                os.write(main, data)
                found.append(keys.read(5))
            assert found == ["q", "up", "back", ""]
            os.write(main, b"fab\x1b[B\x1b\r")
            assert [keys.read(5) for _ in range(6)] == ["f", "a", "b", "down", "escape", "enter"]
        assert termios.tcgetattr(side) == before
        with Keyboard() as keys:
            os.close(main)
            assert keys.read(5) == "q"


def test_a_look_that_fails_as_nobody_foresaw_is_told_and_the_next_one_is_taken(fleet: Fleet) -> None:
    told: list[str] = []

    def ended() -> None:
        told.append(looks.error)
        if len(told) == 2:
            looks.ended.set()

    looks = Looks(SimpleNamespace(fleet=fleet), ended, lambda: 0.0)  # type: ignore[arg-type]
    looks.go_on()
    assert len(told) == 2
    assert all("the last look failed (AttributeError: " in one and "is from before" in one for one in told)
    assert looks.note == looks.error


@pytest.mark.parametrize("count", [float("inf"), float("nan")])
def test_a_count_without_an_end_breaks_no_view(fleet: Fleet, count: float) -> None:
    told = answer_of(next(one for one in look(fleet, 0, 0).hosts if one.host.name == "node1"))
    told["projects"] = {"books": {"pending": count, "success": 3, "failed": count}}
    hosts = {one.host.name: one for one in look(fleet, 2, 40, 7).hosts}
    hosts["node1"] = HostStatus(hosts["node1"].host, hosts["node1"].wanted, True, sight=sights.sight(**told))
    history = after(fleet, (0, 0, 0))
    history.add(view(fleet, hosts), 2, 1e9)
    assert [(one.name, one.active, one.success) for one in history.projects()] == [("books", 0, 3)]


def test_looks_are_rarer_where_they_would_take_more_than_a_quarter_of_a_core() -> None:
    assert pause(2.0, 0.5, 0.1) == 1.5
    assert pause(2.0, 0.5, 0.76) == pytest.approx(0.76 / 0.25 - 0.5)
    assert pause(2.0, 6.0, 0.5) == 0.0
