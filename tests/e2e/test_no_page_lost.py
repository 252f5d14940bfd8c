"""No page lost: a crawl of 1,200 pages meets faults, and each page is in MySQL once, soon after the fault's end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fabfile.inventory import load
from fabfile.inventory.passwords import kept

from ..chaos.crawl import Crawl, served
from ..chaos.faults import kill_one_of_each
from ..waiting import until
from .conftest import Cluster
from .faults import SHELL

pytestmark = pytest.mark.e2e

PAGES = 1200
RECOVERS_SECONDS = 60
AWAY_SECONDS = 20


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    return served(cluster, tmp_path_factory.mktemp("pages"), PAGES)


def switch_off_a_host(cluster: Cluster) -> None:
    """All programs of a host end at once, and stay away: others do their work."""
    cluster.on("node3", f"{SHELL}kill -STOP $(daemon); kill -KILL $(pgrep -P $(daemon))")


def switch_on_again(cluster: Cluster) -> None:
    cluster.on("node3", f"{SHELL}kill -CONT $(daemon)")


def store_off(name: str) -> Callable[[Cluster], None]:
    def act(cluster: Cluster) -> None:
        cluster.on("node1", f"service {name} stop")
        time.sleep(AWAY_SECONDS)
        cluster.on("node1", f"service {name} start")

    return act


def restart_each(cluster: Cluster) -> None:
    for host in ("node1", "node2", "node3"):
        cluster.on(host, f"{SHELL}$CTL restart all")


@pytest.mark.parametrize(
    ("name", "act", "after"),
    [
        ("killed", kill_one_of_each, None),
        ("gone", switch_off_a_host, switch_on_again),
        ("redis", store_off("redis-server"), None),
        ("mysql", store_off("mariadb"), None),
        ("ended", restart_each, None),
    ],
    ids=["kill-9", "host-off", "redis-off", "mysql-off", "restart"],
)
def test_each_page_is_stored_once_whatever_dies(
    cluster: Cluster, site: str, name: str, act: Callable[[Cluster], None], after: Callable[[Cluster], None] | None
) -> None:
    crawl = Crawl(cluster, name, PAGES)
    crawl.begin(site)
    crawl.reach(PAGES // 6, 60)
    act(cluster)
    try:
        took = crawl.reach(PAGES, RECOVERS_SECONDS)
    finally:
        if after:
            after(cluster)
    assert crawl.rows() == PAGES
    print(f"{name}: {PAGES} results, the last of them {took:.0f} s after the fault")


def lets_in(cluster: Cluster, passwords: dict[str, object]) -> set[str]:
    """The stores that let somebody in with these passwords."""
    words = f"MYSQL_PWD={passwords['mysql']} mariadb -h {cluster.sandbox.address('node1')} -u pyspider -e 'select 1'"
    mysql = cluster.on("node1", f"{words} >/dev/null 2>&1 && echo mysql || true")
    redis = cluster.on("node1", f"printf 'AUTH {passwords['redis']}\\n' | redis-cli | sed 's/^OK/redis/; t; d'")
    return {*mysql.split(), *redis.split()}


def test_a_connection_over_which_nothing_comes_any_more_is_soon_found_out(cluster: Cluster) -> None:
    """Without a limit MySQL's driver waits for the next attempt of the kernel's: up to two minutes after the fault."""
    for host in ("node1", "node2"):
        timers = cluster.on(host, "ss -Htno state established dport = :3306").splitlines()
        # The kernel's own limit is two hours: `timer:(keepalive,119min,0)`.
        assert timers and all("timer:(" in one and "min," not in one for one in timers), timers


def test_new_passwords_cost_no_page_and_end_the_old_ones(cluster: Cluster, site: str) -> None:
    path = load(cluster.hosts_toml).passwords_path
    before, crawl = kept(path), Crawl(cluster, "rotated", PAGES)
    crawl.begin(site)
    crawl.reach(PAGES // 6, 60)
    cluster.fab("passwords.rotate")
    crawl.reach(PAGES, RECOVERS_SECONDS)
    after = kept(path)
    assert crawl.rows() == PAGES
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    assert (lets_in(cluster, before), lets_in(cluster, after)) == (set(), {"mysql", "redis"})
    for words in (("bootstrap",), ("deploy",)):
        assert "nothing changed" in cluster.fab(*words).stdout


def told(cluster: Cluster) -> list[dict[str, Any]]:
    """The pulses of all programs, as Redis has them now."""
    asked = f"{SHELL}redis 'HGETALL pyspider:pulse' | sed -n '/^{{/p' | paste -sd, | sed 's/.*/[&]/'"
    return cast("list[dict[str, Any]]", json.loads(cluster.on("node1", asked)))


def test_what_a_component_does_is_told_in_redis(cluster: Cluster) -> None:
    # One that has just begun tells of its stores first, and some seconds later that it works.
    until(lambda: {one["state"] for one in told(cluster)} == {"works"}, 30)
    pulses = told(cluster)
    assert {one["role"] for one in pulses} == {"scheduler", "fetcher", "processor", "result_worker"}
    # Each asks for work again and again, also while there is none.
    assert all(one["at"] - one["asked_at"] < 5 and one["away"] == [] for one in pulses), pulses


def test_a_second_scheduler_waits_and_works_nothing(cluster: Cluster, tmp_path: Path) -> None:
    current = "/home/work/distri_pyspider/current"
    said = cluster.on(
        "node2",
        f"""cd /home/work && timeout 8 setpriv --reuid=work --regid=work --clear-groups env HOME=/home/work \
        PYSPIDER_HOST=node2 SUPERVISOR_PROCESS_NAME=scheduler /opt/pyspider/current/bin/python {current}/run.py \
        -c {current}/config.json scheduler --xmlrpc-host 127.0.0.1 --xmlrpc-port 23399 2>&1; echo "status $?" """,
    )
    assert said.count("another scheduler holds the lease: node1/scheduler/") == 1, said
    # Told to end (by timeout), it ends well, and has touched nothing.
    assert "select " not in said and "listening" not in said
    assert cluster.status()["healthy"]
