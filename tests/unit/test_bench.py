"""A bench of the cluster: its ramp, the name of its limit, room for one more, and two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fabfile.bench import programs, ramp, record
from fabfile.bench.limit import BenchLimit, Gain, limit, room, tried_roles
from fabfile.bench.measured import StepMeasured, measured
from fabfile.bench.programs import SITE, ScratchStores
from fabfile.bench.ramp import NextStep, best, following, saturated
from fabfile.bench.samples import BenchProgram, HostSample, HostUse, KeeperSight, Moment, sampled, used
from fabfile.errors import Problem, WrongInput
from fabfile.inventory import Fleet
from fabfile.remote import benchsite as site
from fabfile.tasks import bench as job

from .test_program import fab

SCRATCH = ScratchStores("0a1b2c3d", "bench_0a1b2c3d", "scratch-password", 9)


def use(busy: float = 0.5, cores: int = 4, waiting: float = 0.0, **more: Any) -> HostUse:
    given = {"memory_mb": 900, "net_mbit": 10.0, "net_speed": 1000, "programs": {}, "stores": {}} | more
    return HostUse(cores=cores, busy=busy, waiting=waiting, **given)


def step(
    rate: int, pages_s: float, hosts: dict[str, HostUse] | None = None, queues: dict[str, float] | None = None
) -> StepMeasured:
    return StepMeasured(rate, 1000, 10.0, pages_s, queues or {}, hosts or {"node1": use()})


def flat(*hosts: HostUse, queues: dict[str, float] | None = None) -> BenchLimit:
    """The limit of a cluster that no longer grows."""
    named = {f"node{number}": one for number, one in enumerate(hosts, 1)}
    steps = [step(100, 70.0, named, queues), step(200, 72.0, named, queues)]
    return limit(steps, best(steps))


def test_the_rate_is_doubled_until_less_than_a_tenth_more_comes() -> None:
    steps: list[StepMeasured] = []
    rates = []
    while (wanted := following(steps, 5000)) is not None:
        rates.append(wanted.rate)
        steps.append(step(wanted.rate, min(wanted.rate, 73.0 + len(steps))))
    assert rates == [25, 50, 100, 200]
    assert saturated(steps) and best(steps).rate == 200


def test_a_step_has_the_pages_of_some_seconds_and_no_more_than_were_asked_for() -> None:
    assert following([], 5000) == NextStep(25, 200)
    assert following([step(400, 400.0)], 5000) == NextStep(800, 5000)
    assert following([], 120) == NextStep(25, 120)
    assert [NextStep(25, 200).start, NextStep(800, 300).start] == [25, 300]


def test_a_ramp_ends_where_its_pages_would_last_for_a_moment_only_and_says_how_many_it_needs() -> None:
    steps = [step(25, 25.0), step(50, 50.0)]
    assert following(steps, 299) is None and following(steps, 300) is not None
    assert not saturated(steps) and ramp.pages_for_more(steps) == 800
    assert "it kept up" in limit(steps, best(steps)).sentence and limit(steps, best(steps)).kind == "rate"


def test_a_cluster_that_falls_behind_its_rate_is_at_its_limit_after_one_step() -> None:
    busy = {"node1": use(0.99, 2)}
    assert ramp.at_limit([step(25, 22.0, busy)]) and not ramp.at_limit([step(25, 24.0, busy)])
    assert limit([step(25, 22.0, busy)], step(25, 22.0, busy)).kind == "cpu"


def test_a_role_whose_programs_take_a_whole_core_is_the_limit() -> None:
    busy = use(programs={"processor1": 0.97, "processor2": 0.95, "fetcher1": 0.3})
    found = flat(busy, queues={"fetcher2processor": 88.0})
    assert (found.kind, found.name) == ("role", "processor")
    assert found.sentence == "each processor of 2 takes 96 % of a core, and 88 messages wait for it"


@pytest.mark.parametrize(
    ("host", "queues", "kind", "name", "told"),
    [
        (use(programs={SITE: 0.9}), {}, "site", SITE, "the cluster may well be faster"),
        (use(programs={"scheduler": 0.9}), {}, "role", "scheduler", "scheduler takes 90 % of a core"),
        (use(stores={"redis": 0.93}), {}, "store", "redis", "Redis takes 93 % of a core"),
        (use(0.98, 2, programs={"processor1": 0.6}, stores={"mysql": 0.4}), {}, "cpu", "node1",
         "the CPU of node1: its 2 cores are busy to 98 % (most of it: processor1 60 % of a core, MySQL 40 % of a core, "
         "all that is not the bench's 1.0 cores)"),
        (use(0.95, 1), {}, "cpu", "node1", "its one core is busy to 95 %"),
        (use(net_mbit=85.0, net_speed=100), {}, "network", "node1", "85 of 100 Mbit/s"),
        (use(waiting=0.4, stores={"mysql": 0.1}), {}, "disk", "node1", "MySQL waits 40 % of the time"),
        (use(programs={"result_worker1": 0.1}), {"processor2result": 90.0}, "store", "mysql",
         "result_worker: 90 messages wait for it, and it uses 10 % of a core; it waits for MySQL"),
        (use(programs={"fetcher1": 0.1}), {"scheduler2fetcher": 90.0}, "queue", "fetcher", "of the site, or of Redis"),
        (use(net_mbit=85.0, net_speed=0), {}, "unknown", "", "nothing that was measured is at its limit"),
    ],
)  # fmt: skip
def test_the_limit_is_named_from_what_was_measured(
    host: HostUse, queues: dict[str, float], kind: str, name: str, told: str
) -> None:
    found = flat(host, queues=queues)
    assert (found.kind, found.name) == (kind, name)
    assert told in found.sentence


def test_a_store_has_room_where_a_core_is_free() -> None:
    at = step(100, 70.0, {"node1": use(0.9, 2), "node2": use(0.5, 4), "node3": use(0.1, 4)})
    able = {"node1": ["processor"], "node2": ["processor"], "node3": ["fetcher"]}
    assert room(at, "processor", able).host == "node2"
    assert room(at, "result_worker", able).host == "node3"
    tight = step(100, 70.0, {"node1": use(0.9, 2), "node2": use(0.5, 4, memory_mb=90)})
    assert room(tight, "processor", {"node1": ["processor"], "node2": ["processor"]}).why_not == (
        "no room: node2 has 90 MB of memory free, node1 has 0.2 cores free"
    )
    assert tried_roles() == ("fetcher", "processor", "result_worker")


def sample(at: float, results: int, cpu: float = 0.0, busy: float = 0.0) -> Moment:
    keeper = KeeperSight(at + 1000, {"processor1": BenchProgram(7, cpu, None, "")})
    host = HostSample(at=at + 1000, cores=2, busy=busy, net={"eth0": (int(at * 1e6), 0, 100)}, keeper=keeper)
    return Moment(at, results, {"fetcher2processor": results}, {"node1": host})


def test_the_middle_of_a_step_is_what_counts() -> None:
    samples = [sample(0, 0), sample(5, 100, 1, 1), sample(6, 150, 1.9, 2), sample(7, 200, 2.8, 3),
               sample(9, 900, 4.6, 5), sample(30, 1000)]  # fmt: skip
    found = measured(100, 1000, samples)
    assert (found.pages_s, found.window_s, found.seconds) == (200.0, 4.0, 30.0)
    host = found.hosts["node1"]
    assert (host.busy, host.programs, host.net_mbit, host.net_speed) == (0.5, {"processor1": 0.9}, 8.0, 100)
    assert found.queues == {"fetcher2processor": 337.5}


def test_a_short_step_counts_as_a_whole() -> None:
    found = measured(100, 100, [sample(0, 0), sample(1, 0), sample(2, 100), sample(3, 100)])
    assert (found.pages_s, found.window_s) == (100.0, 1.0)


LOOKED = """\
place bench.demo alive
place bench-mysql.demo dead
at 100.50
cores 2
stat cpu  1000 0 500 8000 300 0 100 0 0 0
memory MemFree 1
memory MemAvailable 2048000
net eth0 10 20 -1
store mysql 77 (maria) (x) S 1 77 77 0 -1 4194560 1 2 3 4 250 50 0 0 20
port 1F90
ticks 100
seen {"at": 100.1, "programs": {"fetcher1": {"pid": 9, "cpu": 1.5, "status": null, "tail": ""}}}
"""


def test_a_look_is_read() -> None:
    seen = sampled(LOOKED)
    assert (seen.at, seen.cores, seen.busy, seen.waiting, seen.memory_mb) == (100.5, 2, 16.0, 3.0, 2000)
    assert seen.places == {"bench.demo": True, "bench-mysql.demo": False}
    assert (dict(seen.net), dict(seen.stores), seen.ports) == ({"eth0": (10, 20, 0)}, {"mysql": 3.0}, {8080})
    assert seen.keeper and seen.keeper.programs["fetcher1"].cpu == 1.5
    later = HostSample(at=110.5, cores=2, busy=26.0, net={"eth1": (1, 1, 1)}, stores={"mysql": 8.0})
    assert (used(seen, later).busy, used(seen, later).stores, used(seen, later).net_speed) == (0.5, {"mysql": 0.5}, 0)


@pytest.mark.parametrize("text", ["", "at x\nstat 1\nticks 100\ncores 1\n", LOOKED.replace('"pid": 9', '"pid": "x"')])
def test_a_look_that_tells_nothing_is_a_sentence(text: str) -> None:
    with pytest.raises(Problem, match="no answer that can be read"):
        sampled(text)


def test_a_bench_has_stores_of_its_own_and_all_else_of_the_cluster(fleet: Fleet) -> None:
    made = json.loads(programs.config(fleet, SCRATCH, "/home/work/bench"))
    assert made["taskdb"].endswith("/pyspider_bench_0a1b2c3d_taskdb") and "bench_0a1b2c3d:" in made["resultdb"]
    assert made["message-queue"].endswith("/9") and made["data-path"] == "/home/work/bench/data"
    assert made["fetcher"]["xmlrpc"] is True and "webui" not in made and "phantomjs-proxy" not in made
    production = fleet.stores.mysql.password.reveal()
    assert production not in json.dumps({key: value for key, value in made.items() if key.endswith("db")})


def test_its_programs_are_the_clusters_and_listen_for_their_own_host_alone(fleet: Fleet) -> None:
    served = programs.site_host(fleet)
    taken = {programs.RPC_PORT, programs.SITE_PORT}
    count = 0
    for host in fleet.hosts:
        own, ports = programs.of_host(fleet, host, "/b", 50000, taken, served)
        count += len([name for name in own if name != SITE])
        assert not set(ports.values()) & taken and len(set(ports.values())) == len(ports)
        assert (SITE in own) == (host == served)
        for name, one in own.items():
            words: Any = one["words"]
            assert name == SITE or words[1:4] == [f"{fleet.cluster.home}/current/run.py", "-c", "/b/config.json"]
            if "--xmlrpc-port" in words:
                assert words[words.index("--xmlrpc-host") + 1] == "127.0.0.1"
    assert count == sum(programs.counts(fleet).values())
    name, more = programs.one_more(fleet, fleet.hosts[1], "fetcher", "/b", taken)
    assert name == f"fetcher{fleet.hosts[1].roles['fetcher'] + 1}" and str(programs.RPC_PORT + 1) in str(more)


def test_each_page_is_reached_once_the_first_ones_are_known() -> None:
    for pages, start in ((1, 1), (100, 1), (500, 25), (300, 300)):
        known = set(range(start))
        for number in range(pages):
            assert number in known, "a page leads to it before it is read"
            below = site.links(pages, start, number)
            assert len(below) == site.LINKS and all(0 <= one < pages for one in below)
            new = [one for one in below if one not in known]
            assert len(new) == len(set(new)) <= site.BRANCHES
            known |= set(new)
        assert known == set(range(pages))


def test_a_page_has_its_size_and_nothing_else_is_served() -> None:
    filling = site.prose(50_000)
    head, _, body = site.answer("/p/step1/500/25/7", filling, 50_000).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and f"Content-Length: {len(body)}".encode() in head
    assert 49_000 < len(body) <= 50_000 and body.count(b"<a href=") == site.LINKS and b"<title>7</title>" in body
    for path in ("/", "/p/x/500/25/500", "/p/x/500/0/1", "/p/x/5/6/1", "/p/x/../1/1", "/told/x", "/p/x/1/1/-1"):
        assert site.answer(path, filling, 50_000).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(("text", "size"), [("50k", 50_000), ("50K", 50_000), ("1m", 1_000_000), ("12345", 12345)])
def test_a_size_is_read(text: str, size: int) -> None:
    assert job.size_of(text) == size


@pytest.mark.parametrize("text", ["", "k", "9k", "6m", "50kb", "-1", "5.5k", "x"])
def test_a_size_that_is_none_is_wrong_input(text: str) -> None:
    with pytest.raises(WrongInput, match="--size"):
        job.size_of(text)


@pytest.mark.parametrize("text", ["99", "1000001", "x", ""])
def test_pages_that_are_too_few_or_too_many_are_wrong_input(text: str) -> None:
    with pytest.raises(WrongInput, match="--pages"):
        job.pages_of(text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bench.crawl", "-H", "node1"), "bench.crawl concerns the whole cluster: leave -H away"),
        (("bench.crawl", "--pages", "10"), "--pages 10: give a whole number from 100 on"),
        (("bench.crawl", "--size", "1k"), "--size 1k: give from 10k (a page has 100 links) to 5m"),
    ],
)
def test_wrong_input_is_told_before_any_host_is_asked(words: tuple[str, ...], told: str) -> None:
    result = fab(*words)
    assert (result.returncode, result.stdout) == (2, "") and told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def kept(name: str, pages_s: float, **more: Any) -> record.BenchRecord:
    hosts = {"node1": use(0.8, programs={"processor1": 0.5, "processor2": 0.5}, stores={"mysql": 0.1})}
    given = {
        "cluster": "demo", "release": "r1", "pages": 5000, "size": 50000, "instead": False,
        "programs": {"processor": 2}, "steps": [step(100, pages_s, hosts, {"fetcher2processor": 40.0})],
        "limit": BenchLimit("role", "processor", "each processor"), "gains": [Gain("fetcher", why_not="no room")],
        "seconds": 90.0,
    }  # fmt: skip
    return record.BenchRecord(name=name, **{**given, **more})


def written(folder: Path, *records: record.BenchRecord) -> None:
    for one in records:
        (folder / f"{one.name}.json").write_text(record.as_json(one))


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = kept("2026-01-02-030405", 70.0)
    written(tmp_path, made)
    assert record.read(tmp_path, made.name) == record.read(tmp_path, f"benchmarks/{made.name}.json") == made
    assert json.loads(record.as_json(made))["pages_s"] == 70.0


def test_the_two_newest_runs_are_compared_and_a_ratio_is_the_second_by_the_first(tmp_path: Path) -> None:
    written(tmp_path, kept("2026-01-01-000000", 10.0), kept("2026-01-03-000000", 84.0), kept("2026-01-02-000000", 70.0))
    first, second = record.chosen(tmp_path, ())
    assert (first.name, second.name) == ("2026-01-02-000000", "2026-01-03-000000")
    rows = {row.what: row for row in record.compared(first, second)}
    assert (rows["pages/s"].first, rows["pages/s"].second, rows["pages/s"].ratio) == ("70.0", "84.0", 1.2)
    assert (rows["processor: ms of CPU a page"].first, rows["processor: ms of CPU a page"].ratio) == ("14.3", 0.83)
    assert rows["limit"].second == "role processor" and list(record.unlike(first, second)) == []
    assert record.chosen(tmp_path, ("2026-01-03-000000", "2026-01-01-000000"))[1].best.pages_s == 10.0


def test_runs_that_are_not_alike_are_told(tmp_path: Path) -> None:
    told = list(record.unlike(kept("a", 1.0), kept("b", 1.0, cluster="other", size=10000, instead=True)))
    assert len(told) == 3 and "two clusters: demo and other" in told[0]


def test_where_there_are_no_runs_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"there is no run yet in .*: run `fab bench.crawl` first"):
        record.chosen(tmp_path / "none", ())
    written(tmp_path, kept("2026-01-01-000000", 10.0))
    with pytest.raises(WrongInput, match="there is one run only, 2026-01-01-000000"):
        record.chosen(tmp_path, ())
    with pytest.raises(WrongInput, match="give two runs, or none"):
        record.chosen(tmp_path, ("2026-01-01-000000",))
    with pytest.raises(WrongInput, match=r"no run 2026-01-01-000001 in .* \(did you mean '2026-01-01-000000'\?\)"):
        record.chosen(tmp_path, ("2026-01-01-000001", "2026-01-01-000000"))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"name": 1}'])
def test_a_file_that_is_no_result_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "2026-01-01-000000.json").write_text(text)
    with pytest.raises(Problem, match=r"it is no result of fab bench\.crawl"):
        record.read(tmp_path, "2026-01-01-000000")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_that_cannot_be_kept_is_printed_before_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    (tmp_path / "benchmarks").write_text("in the way")
    made = kept("2026-01-01-000000", 70.0)
    with pytest.raises(Problem, match=r"2026-01-01-000000\.json: the result can't be written: ") as told:
        job.keep_and_tell(tmp_path / "benchmarks", made, as_json)
    assert told.value.exit_status == 1
    shown = capsys.readouterr().out
    assert json.loads(shown)["pages_s"] == 70.0 if as_json else shown.startswith("70 pages/s\nthe limit: ")
    assert "kept in" not in shown
    job.keep_and_tell(tmp_path / "results", made, as_json)
    assert record.read(tmp_path / "results", made.name) == made
    assert (f"kept in {tmp_path}/results/{made.name}.json" in capsys.readouterr().out) is not as_json


def test_a_folder_for_no_result_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    job.try_folder(tmp_path / "benchmarks")
    job.try_folder(tmp_path / "benchmarks")
    assert list((tmp_path / "benchmarks").iterdir()) == []
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "none/benchmarks", Path("/proc/benchmarks")):
        with pytest.raises(Problem, match=r"no result can be written there: .*; nothing was measured"):
            job.try_folder(folder)
