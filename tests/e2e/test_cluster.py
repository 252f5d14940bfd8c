"""What the project promises, on real hosts with real sshd, supervisord, pyspider, MariaDB and Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fabfile.demo.crawl import PROJECT, web_ui
from fabfile.inventory import load

from ..waiting import until
from .conftest import FILES, Cluster

pytestmark = pytest.mark.e2e


def test_status_finds_everything_well(cluster: Cluster) -> None:
    view = json.loads(cluster.fab("status", "--json").stdout)
    assert view["problems"] == []
    assert view["healthy"] is True
    assert set(view["queues"]) == {
        "newtask_queue",
        "status_queue",
        "scheduler2fetcher",
        "fetcher2processor",
        "processor2result",
    }
    assert view["stores"]["mysql"]["ok"] and view["stores"]["redis"]["ok"]
    assert view["webui"]["ok"] and view["scheduler"]["ok"] and view["fetcher"]["ok"]
    programs = {one["name"] for host in view["hosts"].values() for one in host["programs"]}
    assert {"scheduler", "webui1", "fetcher1", "processor1", "processor2", "result_worker1", "phantomjs1"} <= programs


def test_a_second_bootstrap_and_a_second_deploy_change_nothing(cluster: Cluster) -> None:
    before = cluster.pids()
    for words in (("-H", "node1,node2", "bootstrap"), ("deploy",)):
        assert "nothing changed" in cluster.fab(*words).stdout
    assert cluster.pids() == before


def test_deploying_one_role_restarts_no_other_program(cluster: Cluster) -> None:
    before = cluster.pids()
    changed = cluster.variant(
        "limit.toml", (r"^# process-time-limit = .*$|^process-time-limit = .*$", "process-time-limit = 25")
    )
    cluster.fab("deploy", "--role", "processor", hosts_toml=changed)
    after = cluster.pids()
    restarted = {name.split("/")[1].rstrip("0123456789") for name in before if after[name] != before[name]}
    assert restarted == {"processor"}
    files, programs = cluster.on("node2", "tail -2 /var/log/pyspider-fabfile.log").splitlines()
    assert "exit status 0: make release" in files and "exit status 0: restart processor1, processor2" in programs
    cluster.fab("deploy")
    assert cluster.status()["healthy"]


def test_a_second_scheduler_is_refused_before_anything_is_started(cluster: Cluster) -> None:
    moved = cluster.variant(
        "moved.toml", (r"scheduler = 1, ?", ""), (r"(fetcher = 1, processor = 2)", r"scheduler = 1, \1")
    )
    refused = cluster.fab("deploy", status=2, hosts_toml=moved)
    assert "exactly one scheduler" in refused.stderr
    assert cluster.status()["healthy"]


def test_the_scheduler_moves_only_together_with_its_old_host(cluster: Cluster) -> None:
    text = cluster.hosts_toml.read_text()
    assert text.count("scheduler = 1") == 1
    moved = cluster.folder / "moved.toml"
    moved.write_text(re.sub(r"fetcher = 1", "scheduler = 1, fetcher = 1", text.replace("scheduler = 1, ", ""), count=1))
    refused = cluster.fab("-H", "node2", "deploy", status=1, hosts_toml=moved)
    assert "a scheduler runs there" in refused.stderr
    cluster.fab("deploy", hosts_toml=moved)
    assert "node2/scheduler" in cluster.pids()
    cluster.fab("deploy")
    assert "node1/scheduler" in cluster.pids()
    assert cluster.status()["problems"] == []


def test_a_program_that_does_not_come_up_shows_its_log_and_exits_1(cluster: Cluster) -> None:
    cluster.on("node3", "mv /opt/pyspider/current/lib/python2.7/site-packages/pyspider/processor /tmp/gone")
    try:
        changed = cluster.variant(
            "broken.toml", (r"^# process-time-limit = .*$|^process-time-limit = .*$", "process-time-limit = 27")
        )
        failed = cluster.fab("-H", "node3", "deploy", "--role", "processor", status=1, hosts_toml=changed)
        assert "ImportError" in failed.stdout
    finally:
        cluster.on("node3", "mv /tmp/gone /opt/pyspider/current/lib/python2.7/site-packages/pyspider/processor")
    cluster.fab("deploy")
    assert cluster.status()["healthy"], cluster.status()["problems"]


def test_a_dead_host_is_a_row_and_the_others_are_served(cluster: Cluster) -> None:
    cluster.sandbox.kill("node3")
    try:
        result = cluster.fab("status", "--json", status=3)
        view = json.loads(result.stdout)
        assert view["hosts"]["node3"]["reachable"] is False
        assert view["hosts"]["node2"]["reachable"] is True
        assert view["healthy"] is False
        assert "1 unreachable" in cluster.fab("deploy", status=3).stdout
    finally:
        cluster.sandbox.start("node3")
    cluster.fab("deploy")
    assert cluster.status()["healthy"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-H", "nod1", "deploy"), "node1"),
        (("deploy", "--role", "procesor"), "processor"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(cluster: Cluster, words: tuple[str, ...], message: str) -> None:
    assert f"did you mean '{message}'" in cluster.fab(*words, status=2).stderr


def test_every_step_runs_by_itself(cluster: Cluster) -> None:
    for name in (
        "packages",
        "python",
        "phantomjs",
        "libraries",
        "account",
        "firewall",
        "stores",
        "release",
        "supervisord-conf",
        "boot",
        "sockets",
        "leftovers",
        "supervisord",
        "programs",
    ):
        assert "nothing changed" in cluster.fab("-H", "node2", f"step.{name}").stdout


def test_reload_restarts_everything_and_all_comes_back(cluster: Cluster) -> None:
    before = cluster.pids()
    cluster.fab("-H", "node2", "reload")
    after = cluster.pids()
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if name.startswith("node2/")
    }
    assert cluster.status()["healthy"]


def test_a_dry_run_shows_the_change_and_changes_no_file_and_no_process(cluster: Cluster) -> None:
    changed = cluster.variant("dry.toml", (r"^process-time-limit = .*$", "process-time-limit = 26"))
    before, pids = {host: cluster.on(host, FILES) for host in ("node1", "node2", "node3")}, cluster.pids()
    shown = cluster.fab("deploy", "--dry-run", hosts_toml=changed).stdout
    assert '-    "process-time-limit": 30' in shown and '+    "process-time-limit": 26' in shown
    assert "restart processor1, processor2" in shown
    assert "node1  ok" not in shown and "would change" in shown
    cluster.fab("bootstrap", "--dry-run", hosts_toml=changed)
    cluster.fab("--dry", "deploy", hosts_toml=changed, status=2)
    for host, files in before.items():
        assert set(cluster.on(host, FILES).splitlines()) ^ set(files.splitlines()) == set()
    assert cluster.pids() == pids


def test_deploy_with_reload_restarts_everything_once(cluster: Cluster) -> None:
    before = cluster.pids()
    result = cluster.fab("-H", "node3", "deploy", "--reload")
    assert result.stdout.count("reload supervisord and all its programs") == 1
    after = cluster.pids()
    assert {name for name in before if before[name] != after[name]} == {n for n in before if n.startswith("node3/")}
    assert cluster.status()["healthy"]


def test_a_real_site_is_crawled_and_crawled_again(cluster: Cluster) -> None:
    for _ in range(2):
        result = cluster.fab("demo.crawl", "--pages", "30")
        assert "results are in MySQL" in result.stdout
        assert "Python 3" in result.stdout, "no page's title is shown"
    # The rest of the site must not disturb the tests that follow.
    web_ui(load(cluster.hosts_toml)).update(PROJECT, "status", "STOP")
    until(lambda: not any(cluster.status()["queues"].values()), 60)


CANARIES = "/root/canaries"
WATCH = f"""\
umask 077
cat >{CANARIES}
rm -f {CANARIES}.stop {CANARIES}.seen
while [ ! -e {CANARIES}.stop ]; do
  grep -laF -f {CANARIES} /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>{CANARIES}.seen 2>/dev/null
  echo >>{CANARIES}.rounds
done
"""


@contextmanager
def watched(cluster: Cluster, passwords: list[str]) -> Iterator[None]:
    """While it lasts, every process of every host is looked at again and again, those that live for a moment too."""
    text = "".join(password + "\n" for password in passwords).encode()
    hosts = ("node1", "node2", "node3")
    with ThreadPoolExecutor(len(hosts)) as pool:
        watchers = [pool.submit(cluster.sandbox.exec, host, "sh", "-c", WATCH, input=text, limit=300) for host in hosts]
        try:
            until(lambda: all(cluster.on(host, f"ls {CANARIES}.rounds 2>/dev/null || true") for host in hosts), 30)
            yield
        finally:
            for host in hosts:
                cluster.on(host, f"touch {CANARIES}.stop")
            for watcher in watchers:
                watcher.result()
    for host in hosts:
        assert int(cluster.on(host, f"wc -l <{CANARIES}.rounds")) > 10
        assert cluster.on(host, f"cat {CANARIES}.seen; rm {CANARIES}*") == ""


def test_no_password_is_in_any_argv_environment_output_log_or_world_readable_file(cluster: Cluster) -> None:
    text = (cluster.folder / ".secrets" / "demo.toml").read_text()
    passwords = re.findall(r'"([A-Za-z0-9_-]{16,})"', text)
    assert len(passwords) >= 3
    assert (cluster.folder / ".secrets" / "demo.toml").stat().st_mode & 0o77 == 0
    passwords.append("canary-of-the-proxy")
    changed = cluster.variant(
        "canary.toml",
        (r"^process-time-limit = .*$", "process-time-limit = 27"),
        (r"^\[pyspider.fetcher\]$", f'[pyspider.fetcher]\nproxy = "http://spider:{passwords[-1]}@192.0.2.20:3128"'),
    )
    commands = (
        ("deploy", "--dry-run"),
        ("deploy", "--json"),
        ("bootstrap", "--timings"),
        ("status",),
        ("status", "--json"),
        ("doctor", "--json"),
    )
    with watched(cluster, passwords):
        results = [cluster.fab(*words, status=None, hosts_toml=changed) for words in commands]
        results.append(cluster.fab("deploy"))
    output = "".join(result.stdout + result.stderr for result in results)
    assert "process-time-limit" in output
    for host in ("node1", "node2", "node3"):
        places = "/etc /home /opt/pyspider /root /run /tmp /var/lib /var/log"
        public = cluster.on(
            host, f"find {places} -xdev -type f -perm -o+r -size -1024k -exec cat {{}} + 2>/dev/null || true"
        )
        journal = cluster.on(host, "cat /var/log/pyspider-fabfile.log")
        assert "[program:" in public and "exit status 0" in journal
        for password in passwords:
            assert password not in output + public + journal
