"""`fab watch` as a process, on a cluster whose one host refuses connections on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from fabfile.errors import Problem, Unreachable
from fabfile.inventory import Fleet, load
from fabfile.inventory.watch_rules import watch_secrets
from fabfile.ssh.protocol import Message
from fabfile.steps.base import Found
from fabfile.tasks import watch as job
from fabfile.watch.kept import alone, place, recalled

from . import sights
from .patients import PROJECT, facts_of, set_in
from .test_sinks import Web, web

__all__ = ["web"]
ROLES = "mysql = 1, redis = 1, scheduler = 1, webui = 1, fetcher = 1, processor = 1, result_worker = 1"
CLUSTER = f"""
[cluster]
name = "demo"
[hosts.node1]
address = "127.0.0.1"
port = 9
roles = {{ {ROLES} }}
"""
WATCH = '[watch]\npatience = 0\n[watch.webhook]\nurl = { file = "hook" }\n[watch.prometheus]\nfile = "a.prom"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOSTS_TOML", str(tmp_path / "hosts.toml"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "hosts.toml").write_text(CLUSTER + WATCH)
    return tmp_path


def hook(folder: Path, web: Web) -> None:
    (folder / "hook").write_text(f"{web.url.reveal()}\n")
    (folder / "hook").chmod(0o600)


def fab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-m", "fabfile", *words]
    found = subprocess.run(
        command, cwd=PROJECT, env=os.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in found.stderr
    return found


def test_a_change_is_told_once_and_a_second_look_tells_nothing(folder: Path, web: Web) -> None:
    hook(folder, web)
    first = fab(folder, "watch", "--once")
    assert first.returncode == 0 and "NEW node1: root@127.0.0.1:9: connection refused" in first.stdout
    assert [one["subject"] for one in json.loads(web.bodies[0])["messages"]] == ["node1@ssh/reach"]
    prometheus = (folder / "a.prom").read_text()
    assert 'pyspider_host_seen{cluster="demo",host="node1"} 0.0' in prometheus and "store_ok" not in prometheus
    second = fab(folder, "watch", "--once")
    assert (second.stdout, second.stderr, len(web.bodies)) == ("", "", 1)


def test_news_for_a_sink_that_is_down_come_with_a_later_look(
    folder: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(folder, web)
    web.status = 502
    first = fab(folder, "watch", "--once")
    assert "fab: webhook: no delivery: the server answers with HTTP status 502" in first.stderr
    (memory,) = (folder / "cache" / "pyspider-fabfile" / "watch").glob("*.json")
    data = json.loads(memory.read_text())
    data["outboxes"]["webhook"]["after"] = 0
    memory.write_text(json.dumps(data))
    web.status = 200
    fab(folder, "watch", "--once")
    assert "node1@ssh/reach" in {one["subject"] for one in json.loads(web.bodies[-1])["messages"]}
    assert not recalled(memory).outboxes["webhook"].waiting


def test_a_second_watch_of_a_cluster_is_refused(folder: Path, web: Web) -> None:
    hook(folder, web)
    with alone(place(load())):
        found = fab(folder, "watch")
    assert found.returncode == 4 and found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('[watch.webhook]\nurl = { file = "away" }\n', "watch.webhook.url: the file"),
        ('[watch]\nheartbeat = { env = "NOT_SET_HERE" }\n', "watch.heartbeat: the environment variable NOT_SET_HERE"),
    ],
)
def test_a_secret_that_is_not_there_is_wrong_input(folder: Path, table: str, says: str) -> None:
    (folder / "hosts.toml").write_text(CLUSTER + table)
    found = fab(folder, "watch", "--once")
    assert found.returncode == 2 and says in found.stderr


def test_each_sink_can_be_tried(folder: Path, web: Web) -> None:
    hook(folder, web)
    assert fab(folder, "watch", "--test").stdout == "webhook: delivered\n"
    web.status = 403
    refused = fab(folder, "watch", "--test")
    assert refused.returncode == 1 and refused.stdout == "webhook: the server answers with HTTP status 403\n"
    (folder / "hosts.toml").write_text(CLUSTER)
    nobody = fab(folder, "watch", "--test")
    assert nobody.returncode == 2 and "there is no sink" in nobody.stderr


def test_the_unit_and_the_line_are_printed(folder: Path) -> None:
    (folder / "hosts.toml").write_text(CLUSTER)
    found = fab(folder, "watch", "--unit", "--cron")
    assert f'"HOSTS_TOML={folder}/hosts.toml"' in found.stdout and "* * * * * HOSTS_TOML=" in found.stdout


@pytest.mark.parametrize("words", ["watch --once", "watch --cron", "dashboard", "bootstrap", "status"])
def test_a_cache_that_cant_be_made_is_one_sentence_where_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "hosts.toml"))
    (folder / "hosts.toml").write_text(CLUSTER)
    found = fab(folder, *words.split())
    needed = f"fab: {folder}/hosts.toml/pyspider-fabfile/"
    told = [line for line in found.stderr.splitlines() if line.startswith(needed)]
    if words == "status":
        assert found.returncode == 3 and not told
    else:
        assert found.returncode == 1 and len(told) == 1 and "can't be made: not a directory;" in told[0]


class Closing:
    """Links that note their end."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    @property
    def closed(self) -> bool:
        return self._ended.is_set()

    def prepare(self, *_: Any) -> Closing:
        return self

    def refuse_logins(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        # Fabric's configuration holds copies.
        self._ended.set()


def watching(links: Closing) -> tuple[Any, Any]:
    from fabric import Config

    config = Config(lazy=True)
    config["chosen"], config["links"] = [], links
    c = SimpleNamespace(config=config)
    return c, job._Watch(c, job._described(c))


def test_a_changed_hosts_toml_is_followed_and_a_faulty_one_is_a_fault(folder: Path, web: Web) -> None:
    hook(folder, web)
    links = Closing()
    c, watch = watching(links)
    (folder / "hosts.toml").write_text(CLUSTER.replace("fetcher = 1", "fetchr = 1") + WATCH)
    watch._renew()
    assert f"hosts.toml can't be used, the one before counts: {folder}/hosts.toml: " in watch._troubles["hosts.toml"]
    assert c.config["links"]._ended is links._ended and not links.closed
    (folder / "hosts.toml").write_text(CLUSTER.replace("fetcher = 1", "fetcher = 2") + WATCH)
    watch._renew()
    assert not watch._troubles and links.closed
    assert watch._watched.fleet.hosts[0].roles["fetcher"] == 2
    c.config["links"].close()


def test_sinks_are_those_of_the_file(folder: Path, web: Web) -> None:
    hook(folder, web)
    mail = '[watch.mail]\nserver = "mail"\nfrom = "a@b.de"\nto = ["c@d.de", "e@f.de"]\n'
    (folder / "hosts.toml").write_text(CLUSTER + WATCH + mail)
    fleet = load()
    names = [one.name for one in job.sinks(fleet, watch_secrets(fleet))]
    assert names == ["webhook", "mail to c@d.de", "mail to e@f.de"]


def test_a_port_that_is_taken_ends_it_with_a_sentence(folder: Path, web: Web) -> None:
    (folder / "hosts.toml").write_text(f"{CLUSTER}[watch.prometheus]\nport = {web.port}\n")
    with pytest.raises(Problem, match="address already in use; choose another"):
        watching(Closing())


@dataclass
class HostLink:
    """The fake at the SSH boundary: a host's answers to looks; its stores can't be reached."""

    fleet: Fleet
    connect_seconds: float = 0.0
    state: str = "RUNNING"
    away: bool = False
    disk_full: bool = False

    def exchange(self, message: Message, _on_event: object = None) -> dict[int, Found]:
        if self.away:
            raise Unreachable("node1: no answer within 20 s; is the host hung?")
        return {0: self.examined() if b'"$2" doctor "$1"' in message.script else self.looked()}

    def looked(self) -> Found:
        programs = [{"name": one.name} for one in self.fleet.programs(self.fleet.hosts[0])]
        programs[-1]["state"] = self.state
        ok = {name: {"ok": True} for name in ("webui", "scheduler", "fetcher")}
        return sights.found(programs=programs, supervisords=[{"pid": 1}], answers=ok, situation={"deployed": True})

    def examined(self) -> Found:
        answer = facts_of(self.fleet, self.fleet.hosts[0])
        answer["clock"] = time.time()
        if self.disk_full:
            set_in("disks/0/free", 1 << 20)(answer)
        return Found(0, json.dumps(answer | {"sight": sights.answer(**answer["sight"])}))

    def tunnel(self, *_: Any) -> Any:
        raise Problem("no connection")

    def rest(self) -> None:
        pass

    resume = close = stop = rest


class OneHost(Closing):
    """Links to the one host."""

    def __init__(self, link: HostLink) -> None:
        super().__init__()
        self.link = link

    def stop(self) -> None:
        pass

    def __getitem__(self, _host: object) -> HostLink:
        return self.link


def subjects(told: list[str]) -> list[str]:
    return [" ".join(line.split()[2:5]) for line in told]


def test_what_happens_from_look_to_look_is_told_as_it_changes(
    folder: Path, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the same links: a program, doctor's finding, the host, and each of them back."""
    hook(folder, web)
    (folder / "hosts.toml").write_text(CLUSTER + WATCH.replace("[watch]\n", "[watch]\ndoctor-every = 5\n", 1))
    host = HostLink(load())
    _, watch = watching(OneHost(host))

    def news() -> list[str]:
        watch._kept = replace(watch._kept, doctor_at=0.0)
        watch._look()
        return subjects(capsys.readouterr().out.splitlines())

    assert news() == ["NEW mysql: no", "NEW redis: no"]
    assert news() == []
    host.state, host.disk_full = "FATAL", True
    assert news() == ["NEW node1: webui1", "NEW node1: disk-full:"]
    host.away = True
    assert news() == ["NEW node1: no"]
    host.away, host.state, host.disk_full = False, "RUNNING", False
    assert sorted(news()) == ["OVER node1: disk-full:", "OVER node1: no", "OVER node1: webui1"]
