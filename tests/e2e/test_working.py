"""RUNNING is not working: programs that do nothing, caused for real, are named by status and doctor; a crawl is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fabfile.demo.crawl import PROJECT, documentation, web_ui
from fabfile.inventory import load

from ..waiting import until
from .conftest import PROJECT as FOLDER
from .conftest import Cluster
from .faults import BIN, SHELL, as_printed, found, healthy_again, silent
from .test_doctor_network import OPEN, blocked

pytestmark = pytest.mark.e2e

HELD = f"""$CTL stop fetcher1
setsid {BIN}/python -c 'import socket, time
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("0.0.0.0", 24444)); s.listen(1)
time.sleep(600)' >/dev/null 2>&1 </dev/null &
holder=$!; settled 'grep -q ":5F7C 00000000:0000 0A" /proc/net/tcp'
$CTL start fetcher1; sleep 8; $CTL status fetcher1 >/tmp/held; kill $holder"""
"""A fetcher that begins while its port is taken."""


def told(cluster: Cluster, id: str, *hosts: str) -> list[str]:
    """The problems of status, while doctor names exactly this fault on these hosts."""
    seen = found(cluster)
    assert {(one["id"], one["host"]) for one in seen} == {(id, host) for host in hosts}, seen
    problems: list[str] = cluster.status()["problems"]
    return problems


@contextmanager
def caused(cluster: Cluster, hosts: tuple[str, ...], cause: str, mend: str) -> Iterator[None]:
    with healthy_again(cluster):
        try:
            for host in hosts:
                cluster.on(host, SHELL + cause)
            yield
        finally:
            for host in hosts:
                cluster.on(host, SHELL + mend)
        until(lambda: cluster.status()["healthy"], 60)
        silent(cluster)


def crawling(cluster: Cluster, run: str = "first") -> None:
    """Every page of the documentation is fetched, processed and stored from now on, once in each run."""
    fleet = load(cluster.hosts_toml)
    start = cluster.sandbox.serve(documentation(print)) + "/"
    webui = web_ui(fleet)
    script = (FOLDER / "examples" / "python_docs.py").read_text()
    webui.save(PROJECT, script.replace("@START@", start).replace("@RUN@", start + run))
    webui.update(PROJECT, "rate", "100/100")
    webui.update(PROJECT, "status", "RUNNING")
    webui.start(PROJECT)


def test_stopped_processors_are_named_at_once(cluster: Cluster) -> None:
    both = ("node2", "node3")
    stop = "kill -STOP $(pid processor1) $(pid processor2)"
    with caused(cluster, both, stop, "kill -CONT $(pid processor1) $(pid processor2)"):
        problems = told(cluster, "halted", *both)
        assert len(problems) == 4
        assert "processor1 is RUNNING, but its process (pid" in problems[0]
        (first, *_) = (one for one in found(cluster) if one["host"] == "node2")
        assert first["fix"].startswith("on node2 as root: kill -CONT ")
        as_printed(cluster, [first])
        assert len(cluster.status()["problems"]) == 3


@pytest.mark.parametrize("name", ["scheduler", "webui1"])
def test_any_stopped_program_is_the_one_finding(cluster: Cluster, name: str) -> None:
    with caused(cluster, ("node1",), f"kill -STOP $(pid {name})", f"kill -CONT $(pid {name})"):
        assert any(name in problem and "SIGSTOP" in problem for problem in told(cluster, "halted", "node1"))


def test_a_fetcher_whose_port_is_taken_does_not_live_by_halves_and_comes_up_when_it_is_free(cluster: Cluster) -> None:
    """pyspider's own stays RUNNING without its RPC server."""
    with caused(cluster, ("node3",), HELD, "rm -f /tmp/held"):
        assert "RUNNING" not in cluster.on("node3", "cat /tmp/held")
        until(lambda: cluster.status()["healthy"], 60)


@pytest.mark.long
def test_a_host_whose_way_to_mysql_is_closed_is_not_well_and_doctor_names_the_way_alone(cluster: Cluster) -> None:
    cause = f"{blocked('output', 'tcp dport 3306 drop')}; $CTL restart processor1"
    with caused(cluster, ("node2",), cause, OPEN):
        said = "node2: processor1 is RUNNING, but it has waited for MySQL for "
        until(lambda: any(said in problem for problem in cluster.status()["problems"]), 75)
        assert {(one["id"], one["host"]) for one in found(cluster)} == {("firewall", "node2")}


def test_a_program_that_ends_over_and_over_is_named(cluster: Cluster) -> None:
    again = "for i in 1 2 3; do kill $(pid processor1); sleep 4; done"
    with caused(cluster, ("node2",), again, ":"):
        (problem,) = told(cluster, "restarting", "node2")
        as_printed(cluster, found(cluster))
        assert "processor1 is RUNNING, but it has ended 3 times" in problem


def test_a_crawl_is_well_while_it_runs_and_when_it_rests_and_not_where_each_result_fails(cluster: Cluster) -> None:
    workers = ("node2", "node3")
    again = "kill $(pid result_worker1); settled '$CTL status result_worker1 | grep -q RUNNING'"
    with healthy_again(cluster):
        silent(cluster)
        crawling(cluster)
        busy = 0
        for _ in range(4):
            status = cluster.status()
            assert status["healthy"], status["problems"]
            busy += sum(status["queues"].values())
            assert found(cluster) == []
        assert busy, "it crawled nothing meanwhile"
        cluster.on("node1", SHELL + "sql \"REVOKE INSERT, UPDATE ON resultdb.* FROM 'pyspider'@'%'\"")
        try:
            for host in workers:
                cluster.on(host, SHELL + again)
            crawling(cluster, "second")
            failing = {("failing", host) for host in workers}
            until(lambda: {(one["id"], one["host"]) for one in found(cluster)} == failing, 60)
            problems = cluster.status()["problems"]
            assert problems and all("it fails at every message" in problem for problem in problems)
            as_printed(cluster, found(cluster))
        finally:
            cluster.on("node1", SHELL + "sql \"GRANT ALL ON resultdb.* TO 'pyspider'@'%'\"")
            for host in workers:
                cluster.on(host, SHELL + again)
        silent(cluster)
        until(lambda: not sum(cluster.status()["queues"].values()), 300)
        assert cluster.status()["healthy"]
        assert found(cluster) == []
