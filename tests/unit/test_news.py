"""`fab watch`: which changes are told, when, and that none is lost. Tables of looks; no clock but the given one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from fabfile.doctor.findings import Finding
from fabfile.doctor.findings import View as Examined
from fabfile.errors import Locked, Problem
from fabfile.health.motion import Motion
from fabfile.health.pulse import Pulse
from fabfile.health.redis import RedisReport
from fabfile.health.stores import MySQLReport
from fabfile.inventory import Fleet
from fabfile.watch import kept, outbox, seen, speed
from fabfile.watch.changes import Known, News, Observed, changes, pending, span
from fabfile.watch.outbox import MOST, Outbox

from .test_health import changed, program, sight, view, well

FAULT = {"node2/processor1": "node2: processor1 is FATAL"}
BLIND = frozenset({"node2"})


def told(looks: Sequence[tuple[float, Observed]], patience: float = 60) -> list[tuple[float, str]]:
    """The messages of looks at these times."""
    known: Mapping[str, Known] = {}
    found: list[tuple[float, str]] = []
    for at, observed in looks:
        known, news = changes(known, observed, at, patience)
        found += [(at, one.kind) for one in news]
    return found


@pytest.mark.parametrize(
    ("looks", "wanted"),
    [
        ("", []),
        ("x", []),
        ("xx", []),
        ("xxx", [(60, "new")]),
        ("xxxxxx", [(60, "new")]),
        ("xxx.", [(60, "new")]),
        ("xxx...", [(60, "new"), (120, "gone")]),
        ("x..", [(60, "brief")]),
        ("x....", [(60, "brief")]),
        ("x.x.x.x", [(60, "new")]),
        ("x.x.x.x....", [(60, "new"), (240, "gone")]),
        ("xxx.x.x.x.xx", [(60, "new")]),
        ("x??", []),
        ("x????.", [(150, "brief")]),
        ("xxx?????", [(60, "new")]),
        ("xxx?????x", [(60, "new")]),
        ("xxx?????..", [(60, "new"), (240, "gone")]),
        ("???", []),
        ("...", []),
    ],
)
def test_a_fault_is_told_once_it_lasts_and_its_end_once_that_lasts(looks: str, wanted: list[tuple[float, str]]) -> None:
    """One look every 30 seconds: x sees the fault, . does not, ? sees nothing of its host."""
    signs = {"x": Observed(FAULT), ".": Observed(), "?": Observed(blind=BLIND)}
    assert told([(30.0 * number, signs[sign]) for number, sign in enumerate(looks)]) == wanted


def test_without_patience_everything_is_told_at_once() -> None:
    looks = [(0.0, Observed(FAULT)), (30.0, Observed())]
    assert told(looks, patience=0) == [(0, "new"), (30, "gone")]


def test_a_message_has_the_last_words_of_its_fault_and_how_long_it_lasted() -> None:
    known, _ = changes({}, Observed({"cluster/mysql": "mysql: refused"}), 0, 60)
    known, _ = changes(known, Observed({"cluster/mysql": "mysql: no answer"}), 40, 60)
    _, news = changes(known, Observed(), 100, 60)
    assert [str(one) for one in news] == ["BRIEF mysql: no answer (it lasted 40 s)"]


def test_no_text_steers_a_terminal_or_passes_for_another_message() -> None:
    _, (one,) = changes({}, Observed({"node2/processor1": "it says \x1b[2J\nOVER node1\u202e"}), 0, 0)
    assert str(one) == "NEW it says ?[2J OVER node1?"


def test_a_clock_that_was_put_back_silences_nothing() -> None:
    looks = [(9000.0, Observed(FAULT)), (10.0, Observed(FAULT)), (70.0, Observed(FAULT))]
    assert told(looks) == [(70, "new")]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (600, "10 min"), (7300, "2 h"), (200000, "2 d")]
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_doctor_looks_again_soon_while_one_of_its_findings_is_to_be_told() -> None:
    untold = {"node1@doctor/disk-full": Known("", 0, 300)}
    away = {"node1@doctor/disk-full": Known("", 0, 300, told=True)}
    assert pending(untold, "@doctor", 300) and pending(away, "@doctor", 600)
    assert not pending(away, "@doctor", 300) and not pending({"node1/x": Known("", 0, 0)}, "@doctor", 300)


@pytest.mark.parametrize(
    ("at", "known", "due"),
    [
        (1299, {}, False),
        (1300, {}, True),
        (900, {}, True),
        (1059, {"a@doctor/x": Known("", 990, 1000)}, False),
        (1060, {"a@doctor/x": Known("", 990, 1000)}, True),
        (1060, {"a@doctor/x": Known("", 0, 1000, told=True)}, False),
        (1060, {"a@doctor/x": Known("", 0, 700, told=True)}, True),
        (1060, {"a/x": Known("", 990, 1000)}, False),
    ],
)
def test_doctor_looks_every_five_minutes_and_soon_again_after_a_change(
    at: float, known: dict[str, Known], due: bool
) -> None:
    assert kept.Remembered(known, doctor_at=1000).doctor_due(at, 300, 60) is due


def keys(observed: Observed) -> list[str]:
    return sorted(observed.faults)


def test_a_healthy_cluster_has_no_fault(fleet: Fleet) -> None:
    observed = seen.of_status(view(fleet, well(fleet)), None)
    assert observed == Observed()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (program("processor1", state="FATAL", why="exited too quickly"), "processor1"),
        (program("processor1", state="BACKOFF", why="Exited"), "processor1"),
        (program("processor1", log=False), "processor1"),
    ],
)
def test_a_program_keeps_its_key_whatever_is_wrong_with_it(fleet: Fleet, wrong: dict[str, object], name: str) -> None:
    hosts = well(fleet)
    node2 = hosts["node2"]
    assert node2.sight
    rest = [program(one.name) for one in node2.sight.programs if one.name != name]
    hosts["node2"] = changed(node2, programs=[wrong, *rest])
    assert keys(seen.of_status(view(fleet, hosts), None)) == [f"node2/{name}"]


def test_of_a_host_that_is_away_its_absence_alone_is_told(fleet: Fleet) -> None:
    hosts = well(fleet)
    gone = hosts["node2"]
    hosts["node2"] = type(gone)(gone.host, gone.wanted, False, "node2: no answer")
    observed = seen.of_status(view(fleet, hosts), None)
    assert keys(observed) == ["node2@ssh/reach"] and not observed.sees("node2/processor1")
    assert observed.sees("node3/processor1") and observed.sees("mysql@cluster/fault")


def test_stores_and_schedulers_are_the_clusters(fleet: Fleet) -> None:
    hosts = well(fleet)
    node3 = hosts["node3"]
    hosts["node3"] = changed(node3, schedulers=[99])
    whole = view(fleet, hosts, redis=RedisReport(False, problem="no connection"))
    assert keys(seen.of_status(whole, None)) == ["redis@cluster/fault", "schedulers@cluster/fault"]


def test_a_dead_host_with_the_stores_is_one_fault(fleet: Fleet) -> None:
    hosts = well(fleet)
    gone = hosts["node1"]
    hosts["node1"] = type(gone)(gone.host, gone.wanted, False, "node1: no answer")
    down = {"mysql": MySQLReport(False, problem="no connection"), "redis": RedisReport(False, problem="no connection")}
    observed = seen.of_status(view(fleet, hosts, **down), None)
    assert keys(observed) == ["node1@ssh/reach"]
    unknown = ("mysql", "redis", "webui", "scheduler", "fetcher", "scheduler2fetcher", "tasks", "crawl")
    assert not any(observed.sees(f"{name}@cluster/fault") for name in unknown)
    assert observed.sees("schedulers@cluster/fault")


def test_a_queue_that_stood_still_is_not_over_because_redis_is_silent(fleet: Fleet) -> None:
    silent = seen.of_status(view(fleet, well(fleet), redis=RedisReport(False, problem="no connection")), None)
    assert keys(silent) == ["redis@cluster/fault"] and not silent.sees("scheduler2fetcher@cluster/fault")
    known = {"scheduler2fetcher@cluster/fault": Known("it holds 9", 0, 0, told=True)}
    assert changes(known, silent, 900, 60)[1] == []


def test_where_no_host_answers_nothing_is_said_of_the_stores(fleet: Fleet) -> None:
    hosts = {name: type(one)(one.host, one.wanted, False, "no answer") for name, one in well(fleet).items()}
    observed = seen.of_status(view(fleet, hosts, redis=RedisReport(False, problem="x")), None)
    assert keys(observed) == ["node1@ssh/reach", "node2@ssh/reach", "node3@ssh/reach"]
    assert not observed.sees("redis@cluster/fault")


def test_a_host_that_was_not_asked_keeps_its_faults(fleet: Fleet) -> None:
    hosts = {"node1": well(fleet)["node1"]}
    observed = seen.of_status(view(fleet, hosts), None)
    assert observed.sees("node1/x") and not observed.sees("node2/x") and not observed.sees("node2@ssh/reach")


def finding(name: str, host: str = "node1", evidence: str = "97 %") -> Finding:
    return Finding(name, host, evidence, "", "rm it", False)


def test_findings_are_told_but_those_of_status(fleet: Fleet) -> None:
    found = [
        finding("disk-full", evidence="97 % of / are used"), finding("disk-full", evidence="/var: 99 %"),
        finding("unreachable"), finding("hung"), finding("memory"), finding("memory"),
        finding("log-missing", evidence="'processor2' has none"),
    ]  # fmt: skip
    observed = seen.of_doctor(fleet, Examined(fleet, ()), found)
    wanted = ["disk-full /", "disk-full /var", "log-missing processor2", "memory", "memory#2"]
    assert keys(observed) == [f"node1@doctor/{name}" for name in wanted]
    assert observed.faults["node1@doctor/disk-full /var"] == "node1: disk-full: /var: 99 %; fix: rm it"
    assert not observed.sees("node2@doctor/memory"), "doctor has not seen it"


def test_two_supervisords_are_named_by_the_word_not_the_number(fleet: Fleet) -> None:
    hosts = well(fleet)
    hosts["node2"] = changed(hosts["node2"], supervisords=[{"pid": 1}, {"pid": 2}])
    assert keys(seen.of_status(view(fleet, hosts), None)) == ["node2/supervisords"]


def pulses(done: int, pid: int = 7) -> dict[str, Pulse]:
    return {"node2/fetcher1": Pulse(pid, "fetcher", 0, 0, done=done), "node2/processor1": Pulse(8, "processor", 0, 0)}


def crawl(*rates: tuple[float, float]) -> speed.Speed:
    """The speed after so many seconds each at so many pages a second, with a look every 30 s."""
    done, now, found = 0.0, 0.0, speed.speed_after(None, pulses(0), 0)
    for seconds, rate in rates:
        for _ in range(round(seconds / 30)):
            now, done = now + 30, done + 30 * rate
            found = speed.speed_after(found, pulses(round(done)), now)
    assert found
    return found


@pytest.mark.parametrize(
    ("rates", "waiting", "fallen"),
    [
        ([(1200, 10)], 50, False),
        ([(1200, 10), (600, 0)], 50, True),
        ([(1200, 10), (600, 1)], 50, True),
        ([(1200, 10), (600, 5)], 50, False),
        ([(1200, 10), (30, 0)], 50, False),
        ([(1200, 10), (600, 0)], 0, False),
        ([(300, 10), (200, 0)], 50, False),
        ([(1200, 0.01), (600, 0)], 50, False),
        ([(1200, 10), (36000, 1)], 50, False),
    ],
    ids=["steady", "stands", "crawls", "half", "a pause", "at its end", "just begun", "always slow", "the new usual"],
)
def test_a_crawl_that_falls_far_below_its_usual_rate_is_a_fault(
    rates: list[tuple[float, float]], waiting: int, fallen: bool
) -> None:
    assert bool(crawl(*rates).fallen(waiting)) is fallen


def test_a_restarted_fetcher_counts_from_nought() -> None:
    first = speed.speed_after(speed.speed_after(None, pulses(1000), 0), pulses(1300), 30)
    assert first and first.lately == 10
    again = speed.speed_after(first, pulses(300, pid=9), 60)
    assert again and again.lately == 10


@pytest.mark.parametrize("now", [60.0, 30.0, 10.0, 9000.0])
def test_a_gap_or_a_clock_put_back_changes_no_rate(now: float) -> None:
    before = speed.Speed(30.0, {"node2/fetcher1 7": 100}, 5.0, 5.0, 900.0)
    after = speed.speed_after(before, pulses(250), now)
    assert after and after.usual == pytest.approx(5.0)


def test_without_a_pulse_the_speed_is_as_it_was() -> None:
    before = speed.Speed(30.0, {}, 5.0, 5.0, 900.0)
    assert speed.speed_after(before, {}, 60) is before and speed.speed_after(None, {}, 60) is None


def test_a_slow_crawl_is_a_fault_of_the_cluster(fleet: Fleet) -> None:
    queues = RedisReport(True, "7", "noeviction", {"scheduler2fetcher": 9})
    whole = view(fleet, well(fleet), redis=queues, motion=Motion())
    assert keys(seen.of_status(whole, crawl((1200, 10), (600, 0)))) == ["crawl@cluster/fault"]


def news(number: int) -> News:
    return News("new", f"node2/p{number}", f"node2: p{number} is FATAL", float(number))


def test_an_outbox_is_bounded_and_counts_what_it_drops() -> None:
    box = Outbox().with_new([news(number) for number in range(MOST + 3)])
    assert len(box.waiting) == MOST and box.dropped == 3 and box.waiting[0] == news(3)
    assert "3 older messages were dropped" in outbox.text("demo", box.waiting[:1], box.dropped)


def test_deliveries_that_fail_are_tried_again_after_a_growing_pause() -> None:
    box, pauses = Outbox().with_new([news(1)]), []
    for _ in range(7):
        box = box.failed("no", 1000.0)
        pauses.append(box.after - 1000)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    assert not box.due(1599) and box.due(1600) and box.due(500), "a clock put back does not silence it"
    assert box.waiting == (news(1),) and box.why == "no"


def test_news_that_come_while_a_delivery_is_under_way_still_wait_after_it() -> None:
    sent = Outbox().with_new([news(1), news(2)])
    batch = sent.batch(10_000)
    after = sent.with_new([news(3)]).delivered(sent, batch)
    assert after == Outbox((news(3),))


def test_what_was_dropped_during_a_delivery_is_told_by_the_next_one() -> None:
    sent = Outbox().with_new([news(number) for number in range(MOST)])
    batch = sent.batch(100)
    after = sent.with_new([news(MOST), news(MOST + 1)]).delivered(sent, batch)
    assert after.dropped == 2 and after.waiting[-1] == news(MOST + 1)


@pytest.mark.parametrize(("bytes_", "count"), [(1, 1), (60, 1), (110, 2), (10_000, 5)])
def test_a_batch_fits_where_it_goes_but_is_never_empty(bytes_: int, count: int) -> None:
    assert len(Outbox().with_new([news(number) for number in range(5)]).batch(bytes_)) == count


def test_what_is_known_is_kept_over_the_end_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    assert kept.recalled(path) == kept.Remembered()
    memory = kept.Remembered(
        {"cluster/mysql": Known("x", 1, 2, told=True)}, crawl((60, 1)), {"webhook": Outbox((news(1),))}, 5.0
    )
    kept.keep(path, memory)
    assert kept.recalled(path) == memory and path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"known": 3}', '{"known": {"a": {"text": 1}}}'])
def test_a_damaged_memory_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(text)
    with pytest.raises(Problem, match=r"demo\.json: is damaged .* remove it"):
        kept.recalled(path)


def test_only_one_process_watches_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    with kept.alone(path), pytest.raises(Locked, match="watches this cluster from here already"), kept.alone(path):
        pass
    with kept.alone(path):
        pass


def test_each_cluster_and_hosts_toml_has_a_memory_of_its_own(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from dataclasses import replace

    other = replace(fleet, path=tmp_path / "hosts.toml")
    renamed = replace(fleet, cluster=msgspec.structs.replace(fleet.cluster, name="other"))
    assert len({kept.place(fleet), kept.place(other), kept.place(renamed)}) == 3


def test_a_view_of_nothing_sees_no_end(fleet: Fleet) -> None:
    """Before the first bootstrap a cluster's stores are not judged."""
    hosts = {name: type(one)(one.host, one.wanted, True) for name, one in well(fleet).items()}
    whole = view(fleet, hosts, complete=False)
    assert not seen.of_status(whole, None).sees("mysql@cluster/fault")
    assert sight() is not None
