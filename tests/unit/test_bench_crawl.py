"""The book-keeping of `./run bench crawl`: its sites have the pages that they should, and its figures judge nobody well
who is not."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from fabfile.inventory import load

from ..bench.contenders import PROJECT
from ..bench.crawl import course, report
from ..bench.crawl.contenders import HAND, OURS, SCRAPY, Contender, Crawl, Stored
from ..bench.crawl.course import Course, Failed, Race, Run, complete, judge
from ..bench.crawl.hand import script
from ..bench.crawl.main import COMMAND, QUICK, SHAPES, main, races, save
from ..bench.crawl.pages import Shape
from ..bench.crawl.place import STORES, Place, described
from ..bench.crawl.report import CHAIN, FLAT, IDLE_A_MINUTE
from ..bench.crawl.site import Seen, Told
from ..bench.crawl.spent import MYSQL, REDIS, between, component
from ..bench.crawl.spent import SCRAPY as SCRAPY_PROCESS
from ..bench.section import begin, replaced, section

ABOUT = {
    "cores": 2,
    "scrapy": "2",
    "scrapy_redis": "0.9",
    "load_before": "0",
    "load_after": "1",
    "round_trips": "0.1 ms (near)",
}


def ran(wall: float, cpu: float = 1.0, pages: int = 100) -> Run:
    return Run(wall, pages, {"scheduler": cpu})


def levels(shape: Shape) -> list[int]:
    """The number of pages at each distance from the first."""
    seen, now, found = {0}, [0], []
    while now:
        found.append(len(now))
        now = list(dict.fromkeys(one for page in now for one in shape.links(page) if one not in seen))
        seen.update(now)
    return found


@pytest.mark.parametrize("shape", [*SHAPES, *QUICK])
def test_all_pages_of_a_site_can_be_reached_from_its_first_one(shape: Shape) -> None:
    assert sum(levels(shape)) == shape.pages
    depth = {"chain": shape.pages - 1, "flat": 1, "mix": 5 if shape.pages > 1000 else 3}[shape.kind]
    assert len(levels(shape)) - 1 == depth


def test_the_pages_of_the_mix_are_large_and_full_of_links() -> None:
    shape = Shape("mix", 2000)
    for number in (0, 1, 250, 1999):
        page = shape.html(number).decode()
        assert 49_000 < len(page) < 51_000
        assert [int(one) for one in re.findall('href="([0-9]+)"', page)] == shape.links(number)
        assert len(shape.links(number)) == 100


def test_the_site_counts_each_request_of_a_crawl() -> None:
    seen = Seen()
    for path in ("/chain/3/a/0", "/chain/3/a/1", "/chain/3/a/1", "/chain/3/b/0"):
        assert seen.answer(path).startswith(b"HTTP/1.1 200 ")
    told = Told(**json.loads(seen.told("a")))
    assert (told.asked, told.distinct, told.first > 0) == (3, 2, True)
    assert seen.answer("/robots.txt").startswith(b"HTTP/1.1 404 ")
    assert Told(**json.loads(seen.told("c"))) == Told(0.0, 0, 0)


@pytest.mark.parametrize(("told", "stored"), [
    (Told(1, 10, 10), Stored(9, 9)), (Told(1, 10, 10), Stored(11, 10)), (Told(1, 11, 10), Stored(10, 10)),
    (Told(1, 9, 9), Stored(10, 10)), (Told(1, 10, 10), Stored(10, 10, open=1)), (Told(0, 0, 0), Stored()),
])  # fmt: skip
def test_a_run_with_a_lost_a_doubled_or_an_open_page_does_not_count(told: Told, stored: Stored) -> None:
    with pytest.raises(Failed):
        judge(10, told, stored)
    judge(10, Told(1, 10, 10), Stored(10, 10))


def test_a_run_without_all_programs_or_beside_another_s_does_not_count() -> None:
    wanted = {"fetcher": 2, "phantomjs": 1}
    two = {(1, 1): ("fetcher", 1.0), (2, 1): ("fetcher", 1.0), (3, 1): (MYSQL, 9.0)}
    complete(wanted, two | {(4, 1): ("phantomjs", 0.0), (5, 1): ("phantomjs", 0.0)})
    for found in ({(1, 1): ("fetcher", 1.0)}, two | {(6, 1): (SCRAPY_PROCESS, 0.0)}):
        with pytest.raises(Failed):
            complete(wanted, found)


class Slow:
    """A site that was asked for all pages, and a contender that stores one page each time it is looked at."""

    def __init__(self, most: int) -> None:
        self.site, self.most, self.rows = self, most, 0

    def told(self, crawl: str) -> Told:
        return Told(1.0, 10, 10)

    def stored(self, crawl: Crawl) -> Stored:
        self.rows = min(self.rows + 1, self.most)
        return Stored(self.rows, self.rows)


@pytest.mark.parametrize("most", [10, 7])
def test_a_slow_crawl_is_waited_for_and_one_that_stands_still_is_not(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(course, "POLL_SECONDS", 0.05)
    slow = Slow(most)
    followed = Course(cast(Place, slow)).followed(cast(Contender, slow), Crawl(Shape("chain", 10), "x"))
    assert followed[1].rows == most


def verdict(done: report.Samples, part: str) -> tuple[str, bool]:
    (found,) = [(value, kept) for promise, value, kept in report.verdicts(done) if part in promise]
    return found


def test_a_promise_is_judged_by_the_ratio_of_the_medians() -> None:
    hand = [ran(100), ran(110), ran(90)]
    done = {CHAIN: {OURS: [ran(5), ran(50), ran(4)], HAND: hand, SCRAPY: [ran(2), ran(1.9), ran(9)]}}
    assert verdict(done, HAND) == ("0.05 (turns 0.0444-0.455)", True)
    assert verdict(done, SCRAPY)[1] is True
    done = {CHAIN: {OURS: [ran(6.1)] * 3, HAND: hand}}
    assert verdict(done, HAND)[1] is False
    assert len(list(report.verdicts(done))) == 1


def test_more_pages_a_second_are_better_and_less_cpu_is() -> None:
    ours, hand = Run(10, 3001, {"fetcher": 5}), Run(20.1, 3001, {"fetcher": 10})
    done = {FLAT: {OURS: [ours], HAND: [hand]}}
    assert verdict(done, "pages/s >= 2")[1] is True and verdict(done, "CPU a page")[1] is True
    done = {FLAT: {OURS: [hand], HAND: [ours]}}
    assert verdict(done, "pages/s >= 2")[1] is False and verdict(done, "CPU a page")[1] is False


def test_a_failed_run_of_ours_breaks_the_promise_and_a_failed_rival_proves_none() -> None:
    lost = Run(fault="99 of 100")
    assert verdict({CHAIN: {OURS: [ran(1), lost], HAND: [ran(100)] * 2}}, HAND) == ("1 of 2 runs failed", False)
    assert verdict({CHAIN: {OURS: [ran(1)], HAND: [lost]}}, HAND) == (f"{HAND} failed", False)
    assert "1.00 (1.00-1.00)" in report.race_text(CHAIN, {OURS: [ran(1), lost], HAND: [lost]})
    assert "1 of 2" in report.race_text(CHAIN, {OURS: [ran(1), lost]})


def test_idleness_is_the_programs_without_the_stores() -> None:
    idle = Run(60, 0, {"scheduler": 0.6, "webui": 0.3, MYSQL: 30, REDIS: 30}, commands=150)
    done = {IDLE_A_MINUTE: {OURS: [idle]}}
    assert verdict(done, "CPU <= 2") == ("1.50 (1.50-1.50)", True)
    assert verdict(done, "Redis <= 200")[1] is True
    assert verdict({IDLE_A_MINUTE: {OURS: [Run(60, 0, {"scheduler": 1.3}, 201)]}}, "CPU <= 2")[1] is False


def test_every_promise_is_about_a_race_that_is_run() -> None:
    names = {race.name for some in races(quick=False, only="").values() for race in some}
    assert {target.race for target in report.TARGETS} <= names
    assert len(names) == 10
    assert [race.name for some in races(quick=True, only="5 ms").values() for race in some] == [
        Race(shape, 5.0).name for shape in QUICK
    ]


def test_a_race_that_there_is_not_makes_no_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing like it"]) == 2
    assert main(["--list", "--only", "5 ms"]) == 0
    assert capsys.readouterr().out.count("stores 5 ms away") == len(SHAPES)


def test_by_hand_as_many_programs_run_and_the_stores_are_alone(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(described((PROJECT / "hosts.toml").read_text()))
    fleet, started = load(path), Counter[str]()
    for host in fleet.hosts:
        programs = list(fleet.programs(host))
        lines = script(host, programs).splitlines()[1:]
        roles = [line.split("config.json ")[1].split()[0] for line in lines]
        assert roles == [program.role for program in programs]
        assert all("setsid setpriv --reuid=work " in line and " & " in line for line in lines)
        started.update(roles)
    (stores,) = (host for host in fleet.hosts if host.roles.get("mysql") or host.roles.get("redis"))
    assert stores.name == STORES and not fleet.programs(stores)
    assert started.total() == 11 and started == Counter(
        program.role for host in load(PROJECT / "hosts.toml").hosts for program in fleet.programs(host)
    )


@pytest.mark.parametrize(("words", "wanted"), [
    ("/opt/p/bin/python /h/current/run.py -c /h/config.json fetcher --xmlrpc-port 24444", "fetcher"),
    ("/opt/p/bin/python /opt/p/bin/pyspider -c /srv/hand/config.json result_worker", "result_worker"),
    ("/opt/pyspider/bin/phantomjs --ssl-protocol=any x.js 25555", "phantomjs"),
    ("/opt/p/bin/python /opt/p/bin/supervisord -n -c /etc/supervisord.conf", "supervisord"),
    ("/usr/sbin/mariadbd --user=mysql", MYSQL), ("/usr/bin/redis-server 10.77.0.14:6379", REDIS),
    ("/v/bin/python -m scrapy runspider spider.py", SCRAPY_PROCESS),
    ("sshd: root", ""), ("sh -c true", ""), ("/sbin/init", ""), ("", ""),
])  # fmt: skip
def test_a_process_is_known_by_its_command_line(words: str, wanted: str) -> None:
    assert component(words.split()) == wanted


def test_what_a_process_used_before_is_not_counted() -> None:
    before = {(1, 1): ("fetcher", 2.0), (2, 1): (MYSQL, 3.0)}
    after = {(1, 1): ("fetcher", 2.5), (2, 9): (MYSQL, 1.0), (3, 1): ("fetcher", 0.25)}
    assert between(before, after) == {"fetcher": 0.75, MYSQL: 1.0}


def test_only_the_own_section_of_a_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What draws it is installed for ./run bench alone.
    drawn: list[Path] = []
    monkeypatch.setattr(report, "picture", lambda _done, path: drawn.append(path))
    page = tmp_path / "benchmark.md"
    page.write_text(f"# Before\n\n{begin(COMMAND)}outdated figures\n<!-- end -->\nafter\n")
    done = {CHAIN: {OURS: [ran(1), Run(fault="99 of 100")], HAND: [ran(100)] * 2}}
    save(done, dict(ABOUT), tmp_path)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith("after\n") and "outdated" not in text
    assert "NOT met" in text and "run 2: 99 of 100" in text
    assert json.loads((tmp_path / "crawl.json").read_text())["runs"][CHAIN][OURS][0]["cpu"] == {"scheduler": 1.0}
    assert section(text, COMMAND) in replaced("other\n", COMMAND, report.markdown(done, ABOUT))
    assert drawn == [tmp_path / "crawl.png"]
