"""What a newcomer is told: how long a build takes, and what comes after bootstrap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec import structs

from fabfile.inventory import Fleet, load
from fabfile.runs.target import Target
from fabfile.sources import build_time
from fabfile.steps.base import Found
from fabfile.steps.cores import Cores
from fabfile.tasks.hints import hints

from .local import LocalLink, OneLink, fleet

PROJECT = Path(__file__).parent.parent.parent


def told(cluster: Fleet, *names: str) -> list[str]:
    hosts = tuple(host for host in cluster.hosts if not names or host.name in names)
    return list(hints(Target(cluster, hosts, (), OneLink(LocalLink()), SimpleNamespace())))


def test_after_a_bootstrap_of_all_hosts_the_way_to_the_first_project_is_told() -> None:
    first, second, third = told(fleet())
    assert first == "next: fab deploy"
    assert second.startswith("then the web UI: http://10.77.0.11:5000/; user ") and "password in " in second
    assert "Create" in third


def test_hosts_without_a_web_ui_are_told_their_deploy_alone() -> None:
    assert told(fleet(), "node2") == ["next: fab step.firewall, then fab -H node2 deploy"]
    assert told(fleet(), "node1", "node2")[0] == "next: fab step.firewall, then fab -H node1,node2 deploy"
    without = replace(fleet(), cluster=structs.replace(fleet().cluster, firewall=False))
    assert told(without, "node2") == ["next: fab -H node2 deploy"]


def test_a_host_of_stores_alone_and_one_that_is_not_listed_have_no_next_step(tmp_path: Path) -> None:
    path = tmp_path / "hosts.toml"
    roles = "{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }"
    path.write_text(
        '[cluster]\nname = "x"\n'
        f'[hosts.a]\naddress = "192.0.2.1"\nroles = {roles}\n'
        '[hosts.b]\naddress = "192.0.2.2"\nroles = { mysql = 1, redis = 1 }\n'
    )
    cluster = load(path)
    assert told(cluster, "b") == []
    stranger = replace(cluster.hosts[0], name="root@192.0.2.9")
    assert list(hints(Target(cluster, (stranger,), (), OneLink(LocalLink()), SimpleNamespace()))) == []


@pytest.mark.parametrize("reference", ['password = { file = "my/web" }', ""])
def test_the_place_of_the_password_can_be_opened_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    kept, elsewhere = tmp_path / "cluster" / "my" / "web", tmp_path / "elsewhere"
    kept.parent.mkdir(parents=True)
    elsewhere.mkdir()
    kept.write_text("abc")
    kept.chmod(0o600)
    roles = "{ scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1, mysql = 1, redis = 1 }"
    hosts = tmp_path / "cluster" / "hosts.toml"
    hosts.write_text(
        f'[cluster]\nname = "x"\n[hosts.a]\naddress = "192.0.2.1"\nroles = {roles}\n'
        f'[pyspider.webui]\nusername = "admin"\nneed-auth = true\n{reference}\n'
    )
    for folder in (elsewhere, hosts.parent):
        monkeypatch.chdir(folder)
        place = load(hosts).webui_password_place().removeprefix("in ").removesuffix(" (key webui)")
        assert Path(place).exists()
        assert Path(place).is_absolute() == (folder == elsewhere)


def test_the_time_of_a_build_goes_by_cores_and_then_by_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build_time.expected(1) == "usually 4 to 8 minutes on 1 core, longer on an old or busy machine"
    assert build_time.expected(2).startswith("usually 2 to 4 minutes on 2 cores")
    assert build_time.expected(64).startswith("usually 1 to 2 minutes on 64 cores")
    build_time.keep(2, 10)
    assert build_time.expected(2).startswith("usually")
    build_time.keep(2, 452)
    build_time.keep(4, 61)
    assert build_time.expected(2) == "the last one took 8 minutes on 2 cores"
    assert build_time.expected(4) == "the last one took 1 minute on 4 cores"
    (tmp_path / "pyspider-fabfile/runtimes/build-seconds.json").write_text("[1]")
    assert build_time.expected(2).startswith("usually")


def test_cores_are_counted_on_the_host() -> None:
    from fabfile.runs.engine import look

    link = LocalLink()
    assert Cores.counted(look(link, [Cores()])[0]) >= 1
    assert Cores.counted(Found(127, "not found")) == 1
