"""`fab bench.crawl` on a cluster at work: what it measures, what it leaves alone, and that it leaves nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fabfile.errors import Problem
from fabfile.inventory import load

from ..waiting import until
from .conftest import Cluster, begun

pytestmark = pytest.mark.e2e

HOSTS = ("node1", "node2", "node3")
LEFT = """\
ls -d /var/lib/pyspider-fabfile/bench* /home/work/distri_pyspider/.pyspider-bench 2>/dev/null
ps -eo args= | grep -e '[-]bench/config.json' -e '[b]ench.zip' -e '[k]eep /var/lib' -e 'demo/[g]uard'
true
"""
STORES = """\
mariadb -N -e "show databases; select user, host from mysql.user; checksum table projectdb.projectdb"
redis-cli -h {address} -a {password} --no-auth-warning info keyspace | sed 's/:.*//'
redis-cli -h {address} -a {password} --no-auth-warning lrange {queue} 0 -1
"""
QUEUE = "fetcher2processor:failed"
"""A list of production's that nothing takes from."""
SECONDS = 100


def left(cluster: Cluster) -> str:
    """What there is of a bench on the hosts."""
    return "".join(cluster.on(host, LEFT) for host in HOSTS)


def stores(cluster: Cluster, script: str = STORES) -> str:
    """What the stores hold beside the results of crawls."""
    redis = load(cluster.hosts_toml).stores.redis
    assert redis.password
    words = {"address": redis.address, "password": redis.password.reveal(), "queue": QUEUE}
    return cluster.on("node1", script.format(**words))


@pytest.fixture
def watched(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with a message in a production queue, whose files of results are gone afterwards."""
    redis = "redis-cli -h {address} -a {password} --no-auth-warning "
    stores(cluster, redis + "rpush {queue} kept")
    yield cluster
    stores(cluster, redis + "del {queue}")
    shutil.rmtree(cluster.folder / "benchmarks", ignore_errors=True)


def test_the_pages_a_second_are_measured_beside_production_which_is_left_alone(watched: Cluster) -> None:
    pids, before = watched.pids(), stores(watched)
    assert "would take Redis' database" in watched.fab("bench.crawl", "--dry-run").stdout and left(watched) == ""
    done = watched.fab("bench.crawl", "--pages", "120", "--json")
    found = json.loads(done.stdout)
    assert found["pages_s"] == max(step["pages_s"] for step in found["steps"]) > 1
    assert found["limit"]["sentence"] and [gain["role"] for gain in found["gains"]] == [
        "fetcher", "processor", "result_worker",
    ]  # fmt: skip
    programs = {name for host in found["steps"][0]["hosts"].values() for name in host["programs"]}
    assert {"site", "scheduler", "fetcher1", "processor1", "result_worker1"} <= programs
    assert (left(watched), stores(watched), watched.pids()) == ("", before, pids)
    assert "kept" in before and watched.status()["healthy"]
    # The second run is the first one under another name.
    assert "there is one run only" in watched.fab("bench.compare", status=2).stderr
    (path,) = (watched.folder / "benchmarks").iterdir()
    path.with_name("2030-01-01-000000.json").write_text(path.read_text())
    told = watched.fab("bench.compare").stdout
    assert "2030-01-01-000000" in told and "pages/s" in told and "1.00" in told


def test_after_kill_9_nothing_is_left_and_production_runs_again(watched: Cluster) -> None:
    before = stores(watched)
    process = begun(watched.command("bench.crawl", "--instead", "--pages", "5000"))
    try:
        until(
            lambda: ".pyspider-bench/config.json processor" in left(watched),
            SECONDS,
        )
        assert "distri_pyspider/current/config.json" not in watched.on("node2", "ps -eo args=")
        assert "pyspider_bench_" in stores(watched)
    finally:
        process.kill()
        process.communicate()
    until(lambda: left(watched) == "" and stores(watched) == before, SECONDS)
    until(lambda: healthy(watched), SECONDS)


@pytest.mark.long
def test_in_place_of_production_it_stops_and_starts_again(watched: Cluster) -> None:
    names, before = set(watched.pids()), stores(watched)
    stopped = "node2/processor1"
    watched.fab("stop", "processor1", "-H", "node2")
    try:
        told = watched.fab("bench.crawl", "--instead", "--pages", "400").stdout
        assert "pages/s" in told and "the limit: " in told
        after = watched.pids()
        assert set(after) == names and [name for name, pid in after.items() if not pid] == [stopped]
        assert (left(watched), stores(watched)) == ("", before)
    finally:
        watched.fab("start", "processor1", "-H", "node2")
    assert watched.status()["healthy"]


@pytest.mark.long
def test_a_host_that_lost_its_power_is_cleared_by_the_next_bench(watched: Cluster) -> None:
    before = stores(watched)
    process = begun(watched.command("bench.crawl", "--pages", "5000"))
    try:
        until(lambda: "bench/config.json processor" in watched.on("node3", LEFT), SECONDS)
        watched.sandbox.kill("node3")
    finally:
        _, said = process.communicate(timeout=SECONDS)
        watched.sandbox.start("node3")
    assert process.returncode in (1, 3) and "node3" in said and "Traceback" not in said
    assert "pyspider-fabfile/bench.demo" in watched.on("node3", LEFT)
    told = watched.fab("bench.crawl", "--pages", "100").stderr
    assert "removing what an earlier bench has left on node3" in told
    assert (left(watched), stores(watched)) == ("", before)


def healthy(cluster: Cluster) -> bool:
    with suppress(Problem):
        return bool(cluster.status()["healthy"])
    return False
