"""The launcher's scheduler decides as pyspider's does, and asks MySQL less often: under the hosts' own Python."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabfile.steps.shell import cmd

from .conftest import Cluster

pytestmark = pytest.mark.e2e

SCRIPTS = Path(__file__).parent / "on_hosts"
FOLDER = "/tmp/on_hosts"
RELEASE = "/home/work/distri_pyspider/current"
ROUNDS = 300
DATA_TOO_LONG = 1406
"""MySQL's errno."""


def on_host(cluster: Cluster, script: str, *words: str) -> Any:
    """What a script prints in the end, under the Python and with the launcher of node1."""
    packed = subprocess.run(["tar", "-C", SCRIPTS, "-c", "."], capture_output=True, check=True).stdout
    python = f"/opt/pyspider/current/bin/python -B {FOLDER}/{script} {RELEASE}/config.json {RELEASE} {' '.join(words)}"
    line = f"mkdir -p {FOLDER} && tar -x -C {FOLDER} && HOME=/root {python}"
    told = cluster.sandbox.exec("node1", "sh", "-c", line, input=packed, limit=120)
    return json.loads(told.stdout.splitlines()[-1])


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_same_messages_lead_to_the_same_requests_rows_and_counts(cluster: Cluster, seed: int) -> None:
    """New tasks of all kinds, statuses that come in any order, a clock that jumps: as pyspider's own scheduler."""
    found = on_host(cluster, "rounds.py", str(seed), str(ROUNDS))
    plain, kept = found["roundsplain"], found["roundskept"]
    assert len(plain["sent"]) > ROUNDS / 2
    assert kept["sent"] == plain["sent"]
    assert kept["rows"] == plain["rows"]
    for window, counted in plain["counts"].items():
        assert kept["counts"][window]["roundskept"] == counted["roundsplain"], window


@pytest.fixture
def forgiving(cluster: Cluster) -> Iterator[None]:
    """A MySQL that is not strict, as those of before 5.7: what it can't hold it cuts short, and warns."""

    def sql(words: str) -> str:
        return cluster.on("node1", str(cmd("mariadb", "--user=root", "-N", "-e", words))).strip()

    before = sql("SELECT @@GLOBAL.sql_mode")
    sql("SET GLOBAL sql_mode = ''")
    yield
    sql(f"SET GLOBAL sql_mode = '{before}'")


@pytest.mark.usefixtures("forgiving")
def test_rows_are_read_and_written_together_and_fail_by_themselves(cluster: Cluster) -> None:
    found = on_host(cluster, "ledger.py")
    tasks, results = found["tasks"], found["results"]
    first = {"taskid": "first", "url": "http://x/first", "status": 1, "schedule": {}}
    assert tasks["read"] == [None, first, first]
    assert tasks["read together"] == [None, first]
    assert tasks["requests"] == {"read": 1, "write": 1}
    assert tasks["there"] == {"status": 2, "track": {"a": "中"}}
    assert tasks["seen at once"]["taskid"] == "seen"
    refused = [("bad", "insert"), ("t2", "update"), ("t3", "update")]
    assert tasks["refused"] == [[*one, DATA_TOO_LONG] for one in refused]
    assert tasks["after"] == [1, None, 2, 1, 1] and tasks["count"] == 53
    assert results["requests"] == 1 and results["count"] == 49
    assert results["twice"] == {"url": "http://x/49", "result": {"title": 49}}
    assert results["failed"] == [1, 2] and results["error"] == DATA_TOO_LONG
    assert results["good"] == {"url": "http://x"}


@pytest.mark.usefixtures("forgiving")
def test_connections_that_are_lost_again_and_again_cost_no_result(cluster: Cluster) -> None:
    """One that is made anew has its database, and is strict. An outage is no statement at which connections end."""
    found = on_host(cluster, "cuts.py")
    assert found == [*range(13), DATA_TOO_LONG]


def test_a_page_without_a_turn_at_its_renderer_is_asked_for_again(cluster: Cluster) -> None:
    found = on_host(cluster, "turns.py")
    assert found == {"asked": ["http://x.example/"] * 3, "answer": {"status_code": 200}, "open": 0}


def test_a_page_that_is_too_large_ends_its_request_with_an_error_that_says_so(cluster: Cluster) -> None:
    """With and without Content-Length, and one that unpacks to more; what is as large as allowed, and HEAD, arrive."""
    found = on_host(cluster, "large.py")
    status, error, _ = found["pages"].pop("cut")
    assert status == 599 and "more than" not in error
    too_large = [599, "HTTP 599: page of more than 1 MB", 0]
    assert found["pages"] == {
        "told": too_large,
        "stream": too_large,
        "unpacks": too_large,
        "fits": [200, None, 1024 * 1024],
        "head": [200, None, 0],
    }
    # The endless stream was left soon, and each connection is free again.
    assert found["sent"] < 64 * 1024 * 1024 and found["free"] == 2


def test_a_scheduler_rests_while_the_fetchers_queue_is_full_and_forgets_no_project(cluster: Cluster) -> None:
    found = on_host(cluster, "waits.py")
    assert found["full"] == 8
    # Once a second by itself; without a wait it would be hundreds.
    assert found["rounds"] <= 6
    assert Counter(project for _, project in found["found"]) == {"waitsone": 110, "waitstwo": 110}
    # It is woken by the room that a fetcher makes, and looks at all projects that were held up.
    assert found["found"][-1][0] < 5


def test_a_failed_task_waits_for_the_settings_of_its_project_and_is_not_put_aside(cluster: Cluster) -> None:
    """After its start the scheduler asks each project when to try again; a status may come before the answer."""
    found = on_host(cluster, "untold.py")
    assert found["kept"] == {"held": 8, "aside": 0, "tries": 0}
    assert found["after"] == {"held": 0, "aside": 0}
    assert found["status"] == [1] * 8 + [2] and set(found["waits"]) == {7}


def test_results_and_outcomes_that_nobody_can_write_down_hold_up_no_others(cluster: Cluster) -> None:
    """Twelve such results cost no pause; where it is the status, the callback has failed."""
    found = on_host(cluster, "unfit.py")
    assert found["processor"] < 4 and found["result_worker"] < 4
    assert found["ok"] == [True] * 12 + [False, True]
    (log,) = found["logs"]
    assert "what it gave can't be written down: UnicodeDecodeError" in log
    assert found["rows"] == [{"title": "plain"}]
    pages, status, new, results = found["aside"]
    assert pages == status == new == [] and len(results) == 12
    assert all(one.startswith("a result of the project unfit is no JSON: ") for one in results)


def test_tasks_that_wait_for_room_stay_whole_when_the_web_ui_shows_them(cluster: Cluster) -> None:
    found = on_host(cluster, "shown.py")
    assert found["waiting"] == 3
    assert "taskid" in found["shown"] and "process" not in found["shown"], "it takes them apart"
    assert found["callbacks"] == ["_on_get_info", *["_on_cronjob"] * 3]


def test_a_new_scheduler_tells_the_end_of_a_crawl_and_outlives_a_clock_that_jumps(cluster: Cluster) -> None:
    found = on_host(cluster, "ends.py")
    # The other one was told by the scheduler before: what tells it is on its way itself.
    assert found["finished"] == ["endsone"]
    years, minutes = found["years"], found["minutes"]
    assert len(years) == 1 and years[0] % (7 * 24 * 3600) == 0
    assert len(minutes) in (10, 11) and all(tick % 60 == 0 for tick in minutes)
    assert len(found["back"]) < 2 and found["behind"] < 3


def test_messages_are_packed_as_pyspider_packs_them_and_read_as_it_reads_them(cluster: Cluster) -> None:
    """The C extension is there, and random messages lead to the same bytes, the same types and the same errors."""
    found = on_host(cluster, "packed.py", "1", "2000")
    assert found["fast"] and found["refused"] > 10
    assert found["differs"] == []
    assert found["said"] == ["保存", "保存", "\ufffd", "Exception"], "the words of errors, in whatever bytes"


@pytest.mark.parametrize("seed", [1, 2])
def test_what_scripts_call_most_gives_the_same_answers_in_less_time(cluster: Cluster, seed: int) -> None:
    """Links made absolute, attributes, selectors, URLs: as pyquery and pyspider themselves, errors too."""
    assert on_host(cluster, "quick.py", str(seed), "500")["differs"] == []
