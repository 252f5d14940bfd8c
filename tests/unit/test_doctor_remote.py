"""The facts for doctor, collected on this machine; on hosts under Python 2.7."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fabfile.doctor.facts import parsed
from fabfile.inventory.roles import QUEUES
from fabfile.remote import (
    answers,
    ask,
    clients,
    conf,
    doctor,
    interpreters,
    layout,
    machine,
    processes,
    stores,
    tasks,
    tls,
)
from fabfile.steps.base import Found
from fabfile.steps.shipped import shipped

from .redis_server import serving as real_redis
from .redis_server import watching
from .servers import Authority, redis, secured, serving

SECRET = "s3cret"
BY_HAND = """\
[unix_http_server]
file=/tmp/supervisor.sock   ; the path to the socket file
; a comment
[supervisorctl]
serverurl=unix:///tmp/supervisor.sock ; use a unix:// URL
[include]
files = more/*.ini
[program:proc]
process_name=%(program_name)s_%(process_num)02d
numprocs=2
command=/usr/bin/pyspider -c config.json
    processor
stdout_logfile=/var/log/%(program_name)s_%(process_num)02d.log
[program:nginx]
command=/usr/sbin/nginx -g 'daemon off;'
"""


@pytest.fixture
def by_hand(tmp_path: Path) -> Any:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "webui.ini").write_text("[program:webui]\ncommand=python2.7 %(here)s/run.py -c c.json webui\n")
    (tmp_path / "s.conf").write_text(BY_HAND)
    return conf.conf_facts(str(tmp_path / "s.conf"))


def test_whoever_wrote_the_names_of_supervisords_files_is_known(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "s.conf").write_text("[supervisord]\npidfile=/run/s.pid\n[include]\nfiles = mine.ini\n")
    (tmp_path / "mine.ini").write_text("[unix_http_server]\nfile=/etc/shadow\n")
    monkeypatch.setattr(conf.ground, "author", lambda path: 65534 * path.endswith("mine.ini"))
    monkeypatch.setattr(conf.files, "read", lambda path, by=0: Path(path).read_text())
    monkeypatch.setattr(conf.files, "glob", lambda pattern, by=0: [pattern])
    found = conf.conf_facts(str(tmp_path / "s.conf"))
    assert (found["socket"], found["by"], found["writer"]) == ("/etc/shadow", 65534, "nobody")


@pytest.mark.skipif(os.getuid() != 0, reason="the rule is about a configuration of root's")
@pytest.mark.parametrize("uid", [0, 65534])
def test_a_name_from_a_supervisords_environment_is_filled_in_and_read_with_its_users_rights(
    tmp_path: Path, uid: int
) -> None:
    (tmp_path / "s.conf").write_text("[program:a]\ncommand=pyspider -c %(ENV_AT)s/c.json all\nstdout_logfile=/%%/a\n")
    daemon = SimpleNamespace(environment={"AT": "/srv/crawl"}, uid=uid)
    (one,) = conf.conf_facts(str(tmp_path / "s.conf"), daemon=daemon)["programs"]
    assert (one["words"][2], one["by"], one["log"]) == ("/srv/crawl/c.json", uid, "/%/a")
    (unknown,) = conf.conf_facts(str(tmp_path / "s.conf"))["programs"]
    assert (unknown["words"][2], unknown["by"]) == ("%(ENV_AT)s/c.json", 0)


def test_a_unit_that_nothing_starts_at_boot_is_the_one_that_its_supervisord_is_in(monkeypatch: Any) -> None:
    texts = {"/etc/systemd/system/crawl.service": "ExecStart=/x/supervisord -n -c /s.conf"}
    monkeypatch.setattr(layout.files, "read", lambda path: texts.get(path, ""))
    for held, wanted in (
        ("0::/system.slice/crawl.service\n", "crawl.service"),
        ("0::/system.slice/cron.service\n", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/crawl.service\n", ""),
    ):
        monkeypatch.setattr(layout.processes, "kernel", lambda path, held=held: held)
        assert layout.unit([{"pid": 7}], [], {"conf": "/s.conf"}) == wanted


def test_a_configuration_by_hand_is_read_as_supervisor_reads_it(by_hand: Any) -> None:
    assert (by_hand["socket"], by_hand["ctl"]) == ("/tmp/supervisor.sock", "/tmp/supervisor.sock")
    assert "rpcinterface:supervisor" not in by_hand["sections"]
    programs = {one["name"]: one for one in by_hand["programs"]}
    assert set(programs) == {"proc_00", "proc_01", "webui"}
    assert programs["proc_01"]["log"] == "/var/log/proc_01.log"
    assert programs["proc_01"]["role"] == "processor"
    assert programs["proc_01"]["section"] == "proc" and programs["webui"]["file"].endswith("/more/webui.ini")
    assert programs["webui"]["words"][1].endswith("/more/run.py")


WRAPPED = """\
[program:processor-a]
command=/bin/bash -c "cd /srv/crawl && exec /usr/bin/python run.py -c config.json processor"
[program:processor-b]
command=%(here)s/start.sh processor
[program:everything]
command=/usr/local/bin/pyspider -c /srv/crawl/config.json
[program:worker]
command=/usr/bin/env A=b nice -n 5 /usr/bin/python %(here)s/run.py -c %(here)s/config.json result_worker
process_name=%(program_name)s_%(process_num)02d
numprocs=2
[program:own-script]
command=/srv/crawl/crawl
[program:shop]
command=/bin/sleep 987654
[program:watch]
command=/usr/bin/tail -F /var/log/pyspider
"""
"""Programs behind a shell, a script, one name for all, and two of a kind."""


def test_programs_are_recognised_behind_shells_and_scripts(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text(WRAPPED)
    (tmp_path / "start.sh").write_text('#!/bin/sh\ncd /srv/crawl\nexec python run.py -c config.json "$1"\n')
    found = {
        one["name"]: one
        for one in conf.conf_facts(str(tmp_path / "s.conf"), live={"own-script": "fetcher"})["programs"]
    }
    assert {name: one["role"] for name, one in found.items()} == {
        "processor-a": "processor",
        "processor-b": "processor",
        "everything": "all",
        "worker_00": "result_worker",
        "worker_01": "result_worker",
        "own-script": "fetcher",
    }
    assert found["processor-a"]["words"][-1] == "processor"
    assert found["processor-a"]["directory"] == "/srv/crawl"


@pytest.mark.parametrize(
    "urls",
    [
        dict.fromkeys(("taskdb", "projectdb"), f"mysql+taskdb://u:{SECRET}/x@h:3306/taskdb"),
        {"taskdb": "mysql+taskdb://u:p@h:3306/taskdb", "projectdb": f"mysql+projectdb://u:{SECRET}#x@h:3306/projectdb"},
        {"projectdb": "mysql+projectdb://u:p@h:3306/projectdb"},
        {"taskdb": "sqlite+taskdb:////tmp/task.db", "projectdb": "sqlite+projectdb:////tmp/project.db"},
        {},
    ],
)
def test_of_tasks_nothing_is_asked_where_an_address_leads_nowhere(urls: dict[str, str]) -> None:
    assert tasks.overdue({name: ask.split(url) for name, url in urls.items()}) == {}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mysql+taskdb://u:pass@h:3306/taskdb", {"host": "h", "port": 3306, "path": "taskdb", "odd_password": False}),
        ("mysql+taskdb://u:pa%40ss@h:3306/taskdb", {"host": "h", "odd_password": True}),
        (f"mysql+taskdb://u:{SECRET}/x@h:3306/taskdb", {"host": None, "bad": "its port is no number"}),
        ("sqlite+taskdb:////tmp/task.db", {"scheme": "sqlite+taskdb", "host": None}),
        ("redis://h:6379/db", {"scheme": "redis", "path": "db", "odd_password": False}),
        ("mysql+taskdb://u:pa/ss@h:3306/taskdb", {"host": None, "sign": "/", "port": None}),
        ("redis://:pa#ss@h:6379/0", {"host": None, "sign": "#"}),
        ("mysql+taskdb://u:p@h/taskdb", {"host": "h", "port": None, "sign": ""}),
        ("redis://h", {"host": "h", "bad": "the address has no port"}),
    ],
)
def test_an_address_is_taken_apart_as_pyspider_does(url: str, wanted: dict[str, Any]) -> None:
    found, _ = ask.split(url)
    assert {name: found[name] for name in wanted} == wanted
    assert SECRET not in json.dumps(found)


@pytest.mark.parametrize(
    "config",
    [
        """{"taskdb": "mysql+taskdb://crawl:pa/ss@127.0.0.1:1/taskdb", "message_queue": "redis://:pa#ss@127.0.0.1:1/0"}""",
        """{"taskdb": "mysql+taskdb://crawl:pw@127.0.0.1/taskdb", "message_queue": "redis://127.0.0.1"}""",
    ],
)
def test_no_address_ends_the_questions(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    found = ask.ask({"config": str(tmp_path / "config.json"), "roles": ["scheduler"], "site": None})
    assert "message_queue" not in found["places"]
    assert found["redis"] is None


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("\ufeff{}", encoding="utf-8")
    found = ask.ask({"config": str(tmp_path / "config.json"), "roles": ["webui"], "site": None})
    assert "begins with a byte order mark" in found["bad_config"]


def test_no_password_of_a_configuration_is_shown() -> None:
    config = {
        "taskdb": f"mysql+taskdb://u:{SECRET}@h/taskdb",
        "message_queue": f"redis://:{SECRET}@h:6379/0",
        "amqp-url": f"amqp://u:{SECRET}@h/",
        "fetcher": {"proxy": f"u:{SECRET}@h:3128", "poolsize": 10},
        "webui": {"password": SECRET, "username": "u"},
        "my-password": SECRET,
    }
    shown = ask.shown(config)
    assert SECRET not in json.dumps(shown)
    assert shown["fetcher"]["poolsize"] == 10
    assert set(shown) == set(config)


def test_a_look_at_a_host_without_anything_changes_and_breaks_nothing(tmp_path: Path) -> None:
    places = {
        "home": f"{tmp_path}/home",
        "logs": f"{tmp_path}/logs",
        "conf": f"{tmp_path}/no",
        "socket": f"{tmp_path}/no",
    }
    (tmp_path / "options").write_text(json.dumps(places | {"user": "nobody"}))
    content = shipped().content
    assert isinstance(content, bytes)
    (tmp_path / "zip").write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    words = [sys.executable, "-B", tmp_path / "zip", "doctor", tmp_path / "options"]
    result = subprocess.run(words, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert parsed(Found(0, result.stdout.decode()))
    facts = json.loads(result.stdout)
    assert facts["ours"] is False
    assert facts["socket"] is None
    assert not facts["sight"]["supervisord"]["answers"]
    assert any(one["path"] == "/" or one["free"] > 0 for one in facts["disks"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_disk_is_as_full_as_df_says(tmp_path: Path) -> None:
    (disk,) = machine.disks([str(tmp_path)])
    told = subprocess.run(["df", "-P", tmp_path], capture_output=True, text=True, check=True).stdout.split()
    assert 100 * (1 - disk["free"] / disk["bytes"]) == pytest.approx(float(told[-2].rstrip("%")), abs=1.5)


def test_nobody_is_asked_for_a_process_that_is_no_supervisord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "supervisorctl"
    client.write_text("#!/bin/sh\nid -u\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    sight = {"supervisord": {"answers": True, "pid": 1}}
    table = {1: processes.Process(1)}
    where = {"conf": "/none", "socket": "/none"}
    assert clients.clients(sight, where, table) == []


def test_a_program_that_began_again_during_the_look_did_not_listen_all_the_while() -> None:
    stayed, began_again, ended = (
        {"address": "127.0.0.1", "port": port, "pid": port, "waiting": 0} for port in (5000, 23333, 24444)
    )
    after = [dict(stayed, waiting=1), dict(began_again, pid=7)]
    assert doctor.standing([stayed, began_again, ended], after) == [stayed]


def test_redis_is_asked_by_tls_where_the_release_says_so_and_known_where_it_does_not(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    other = Authority.made(tmp_path / "other")
    with serving(secured(authority.issued("127.0.0.1"), redis(SECRET))) as port:
        where, _ = ask.split(f"redis://:{SECRET}@127.0.0.1:{port}/0")
        guards = {name: tls.guard({"ca": ca}) for name, ca in (("own", authority.pem.splitlines()), ("none", None))}
        guards["other"] = tls.guard({"ca": other.pem.splitlines()})
        said = {name: stores.redis(where, SECRET, guard) for name, guard in guards.items()}
        plain = stores.redis(where, SECRET, tls.guard(None))
    assert said["own"]["error"] is None and said["own"]["policy"] == "noeviction"
    assert {said[name]["code"] for name in ("none", "other")} == {plain["code"]} == {"tls"}
    assert "CERTIFICATE_VERIFY_FAILED" in said["other"]["error"]
    assert "by TLS" in plain["error"]
    assert SECRET not in json.dumps([said, plain])


@pytest.mark.parametrize("password", [None, SECRET])
def test_a_sentinel_is_told_from_a_redis_that_wants_another_password(tmp_path: Path, password: str | None) -> None:
    with watching(tmp_path) as port:
        where, _ = ask.split(f"redis://127.0.0.1:{port}/0")
        assert stores.redis(where, password)["code"] == "sentinel"


@pytest.mark.parametrize(
    ("options", "path", "slots", "code"),
    [
        (("--cluster-enabled", "yes"), "0", True, "cluster"),
        (("--cluster-enabled", "yes"), "0", False, "cluster"),
        (("--cluster-enabled", "yes"), "3", True, "cluster"),
        (("--databases", "4"), "20", False, "db"),
        ((), "0", False, ""),
    ],
)
def test_a_redis_that_can_not_hold_the_queues_is_no_wrong_password(
    tmp_path: Path, options: tuple[str, ...], path: str, slots: bool, code: str
) -> None:
    with real_redis(tmp_path, *options) as server:
        if slots:
            server.client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        where, _ = ask.split(f"redis://127.0.0.1:{server.port}/{path}")
        assert stores.redis(where, None)["code"] == code


def test_a_redis_with_all_its_clients_is_no_wrong_password(tmp_path: Path) -> None:
    with real_redis(tmp_path, "--maxclients", "1") as server:
        server.client.ping()
        where, _ = ask.split(server.url)
        assert stores.redis(where, SECRET)["code"] == "full"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ERR invalid password", "ERR"),
        ("ERR Client sent AUTH, but no password is set", "ERR"),
        ("WRONGPASS no", "WRONGPASS"),
        ("MOVED 12182 192.0.2.1:6379", "cluster"),
        ("CROSSSLOT Keys in request", "cluster"),
        ("ERR unknown command 'LLEN'", "error"),
    ],
)
def test_only_an_error_about_a_login_is_a_login(text: str, code: str) -> None:
    assert stores.refusal(text) == code


@pytest.mark.parametrize("text", ["{", "[]", '{"mysql": 1}', '{"mysql": {}}'])
def test_a_broken_tls_json_is_a_configuration_that_can_not_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tls.json").write_text(text)
    seen = ask.ask({"config": str(tmp_path / "config.json"), "roles": [], "site": None})
    assert seen["config"] is None and "Error" in seen["bad_config"]


def test_a_host_asks_for_the_queues_that_the_cluster_has() -> None:
    assert tuple(QUEUES) == stores.QUEUES


def test_the_password_of_a_phantomjs_proxy_is_not_shown() -> None:
    seen = answers.phantomjs(f"http://u:{SECRET}@127.0.0.1:9/")
    assert seen["where"] == "127.0.0.1:9/" and SECRET not in json.dumps(seen)


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("echo '{\"a\": 1}'", {"a": 1}),
        # A child that goes on holds the output open.
        ("sleep 30 & echo '{\"a\": 1}'", {"a": 1}),
        ("sleep 30", {"broken": f"it says nothing within {interpreters.ASK_SECONDS} s"}),
        ("echo no Python >&2; exit 1", {"broken": "no Python"}),
        ("yes | head -c 3000000 >&2; echo '{\"a\": 1}'", {"a": 1}),
    ],
)
def test_an_interpreter_that_never_answers_is_waited_for_no_longer(
    script: str, wanted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zip").write_bytes(b"")
    monkeypatch.setattr(interpreters, "ARCHIVE", str(tmp_path / "zip"))
    begun = time.time()
    assert interpreters.said(interpreters.begin(["/bin/sh", "-c", script], 0), begun + 3) == wanted
    assert time.time() - begun < 10
