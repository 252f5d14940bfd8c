"""Rendered files: golden files for every host of the tutorial, and what a change in hosts.toml changes.

UPDATE_GOLDEN=1 pytest tests/unit/test_render.py writes the golden files anew.
"""

from __future__ import annotations

import configparser
import dataclasses
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import ServerOptions

from fabfile import render
from fabfile.errors import WrongInput
from fabfile.health import trial
from fabfile.inventory import TLS, Fleet, load
from fabfile.inventory.roles import PROGRAMS, WEBUI
from fabfile.steps.base import Found
from fabfile.steps.release import MARK, SHOWN, CurrentRelease

from .servers import Authority

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))


PROJECT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "golden"
HOSTS = ("spider1", "spider2", "spider3", "store")
PASSWORDS = {"MYSQL": "mysql-Canary_1", "REDIS": "redis-Canary_2", "WEBUI": "webui-Canary_3"}


def fleet(tmp_path: Path, *changes: tuple[str, str], passwords: dict[str, str] = PASSWORDS) -> Fleet:
    """The tutorial's cluster with some text of its file replaced."""
    text = (PROJECT / "examples" / "tutorial.toml").read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "tutorial.toml"
    path.write_text(text)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in passwords.items():
            environment.setenv(f"TUTORIAL_{name}_PASSWORD", value)
        return load(path)


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs; if that is right: UPDATE_GOLDEN=1"


def prints(one: Fleet, runtime: str = "rt1") -> dict[str, str]:
    return {
        f"{host.name}/{name}": value
        for host in one.hosts
        for name, value in render.fingerprints(one, host, runtime).items()
    }


def roles_that_restart(before: Fleet, after: Fleet) -> set[str]:
    old, new = prints(before), prints(after)
    return {name.split("/")[1].rstrip("0123456789") for name in old if old[name] != new.get(name)}


def test_config_json_is_the_golden_one(tmp_path: Path) -> None:
    golden("config.json", render.config_json(fleet(tmp_path)))


@pytest.mark.parametrize("name", HOSTS)
def test_the_files_of_a_host_are_the_golden_ones(tmp_path: Path, name: str) -> None:
    one = fleet(tmp_path)
    golden(f"{name}/programs.conf", render.program_sections(one, one.host(name), "rt1"))
    golden(f"{name}/supervisord.conf", render.supervisord_conf(one))
    golden(f"{name}/pyspider.service", render.boot_unit(one, one.host(name), "/opt/pyspider/boot/pyspider-tutorial"))


def test_the_masked_config_differs_in_the_passwords_only(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    masked = render.config_json(one)
    for password in PASSWORDS.values():
        assert password in masked
        masked = masked.replace(password, "***")
    assert render.config_json_masked(one) == masked


def test_no_password_is_outside_of_config_json(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    for host in one.hosts:
        made = render.release(one, host, "rt1")
        assert {name: file.mode for name, file in made.files.items()} == {
            "config.json": 0o600,
            "config.masked.json": 0o640,
            "peers.json": 0o644,
            "peers.py": 0o644,
            "programs.conf": 0o644,
        } | dict.fromkeys(render.launcher(*PROGRAMS), 0o644) | ({"guard.py": 0o644} if host.has(WEBUI) else {})
        shown = [file.content.decode() for name, file in made.files.items() if name != "config.json"]
        shown += [file.masked for file in made.files.values()] + [
            repr(made),
            repr(one),
            render.supervisord_conf(one),
        ]
        assert not [text for text in shown for password in PASSWORDS.values() if password in text]


PROXY = "proxy-Canary!$&'()*+,;=~%40:@4"
SPLASH = "splash-Canary_5"


def behind_a_proxy(tmp_path: Path, by: str = "text", proxy: str = PROXY) -> Fleet:
    """The tutorial's cluster with a proxy, and a Splash, that want to know who comes."""
    (tmp_path / "splash").touch(mode=0o600)
    (tmp_path / "splash").write_text(f"http://{SPLASH}:@192.0.2.20:8050/execute\n")
    address = f"http://spider:{proxy}@192.0.2.20:3128"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TUTORIAL_PROXY", address)
        shown = f'"{address}"' if by == "text" else '{ env = "TUTORIAL_PROXY" }'
        more = f'proxy = {shown}\nsplash-endpoint = {{ file = "splash" }}\n'
        return fleet(tmp_path, ("[pyspider.fetcher]\n", f"[pyspider.fetcher]\n{more}"))


@pytest.mark.parametrize("by", ["text", "reference"])
def test_the_password_of_a_proxy_is_in_config_json_alone(tmp_path: Path, by: str) -> None:
    one = behind_a_proxy(tmp_path, by)
    config = json.loads(render.config_json(one))
    assert config["fetcher"]["proxy"] == f"http://spider:{PROXY}@192.0.2.20:3128"
    assert config["fetcher"]["splash-endpoint"] == f"http://{SPLASH}:@192.0.2.20:8050/execute"
    masked = json.loads(render.config_json_masked(one))
    assert masked["fetcher"]["proxy"] == "http://spider:***@192.0.2.20:3128"
    assert masked["fetcher"]["splash-endpoint"] == "http://***@192.0.2.20:8050/execute"
    for host in one.hosts:
        made = render.release(one, host, "rt1")
        shown = [file.content.decode() for name, file in made.files.items() if name != "config.json"]
        shown += [file.masked for file in made.files.values()] + [repr(made), repr(one), str(one)]
        assert not [text for text in shown if "Canary" in text]


def test_the_id_of_a_release_gives_no_hint_at_a_proxys_password(tmp_path: Path) -> None:
    one, other = behind_a_proxy(tmp_path), behind_a_proxy(tmp_path, proxy="another")
    assert one.digest_key != other.digest_key != fleet(tmp_path).digest_key
    assert roles_that_restart(one, other) >= {"fetcher"}
    host = one.host("store")
    known = dataclasses.replace(one, endpoints=other.endpoints)
    assert render.release(known, host, "rt1").id == render.release(other, other.host("store"), "rt1").id


def over_tls(tmp_path: Path, ca: str | None = None) -> Fleet:
    """The tutorial's cluster with a MySQL that is spoken to by TLS."""
    more = "tls = true\n"
    if ca:
        (tmp_path / "ca.pem").write_text(f"Comment: é\n{ca}".replace("\n", "\r\n"), encoding="utf-8")
        more += 'ca = "ca.pem"\n'
    return fleet(tmp_path, ("[stores.mysql]\n", f"[stores.mysql]\n{more}"))


def test_a_release_carries_how_a_store_proves_who_it_is(tmp_path: Path) -> None:
    ca = Authority.made(tmp_path).pem
    one = over_tls(tmp_path, ca)
    assert one.stores.mysql.tls == TLS("192.0.2.14", ca) and one.stores.redis.tls is None
    made = render.release(one, one.host("spider1"), "rt1")
    assert json.loads(made.files["tls.json"].content) == {"mysql": {"ca": ca.splitlines()}}
    assert made.files["tls.py"].content == (PROJECT / "templates" / "tls.py").read_bytes()
    known = render.release(over_tls(tmp_path), one.host("spider1"), "rt1")
    assert json.loads(known.files["tls.json"].content) == {"mysql": {"ca": None}}


def test_the_diff_of_a_release_shows_that_tls_comes_and_goes(tmp_path: Path) -> None:
    plain, secure = (CurrentRelease("work", "/h", "new", render.release(one, one.host("store"), "r").files) for one in (
        fleet(tmp_path), over_tls(tmp_path, Authority.made(tmp_path).pem)))  # fmt: skip

    def now(step: CurrentRelease) -> Found:
        texts = [step.files[name].content.decode() if name in step.files else "" for name in SHOWN]
        # What a script printed comes without its last line ends.
        return Found(0, "\n".join(["releases/old\n", *(f"{MARK}\n{text}" for text in texts)]).rstrip("\n"))

    (comes,), (goes,) = secure.diff(now(plain)), plain.diff(now(secure))
    assert comes.diff.count("+++ /h/current/tls") == goes.diff.count("--- /h/current/tls") == 2
    assert '+  "mysql": {' in comes.diff and '-  "mysql": {' in goes.diff
    (same,) = secure.diff(now(secure))
    assert same.diff == "" and MARK not in comes.diff + goes.diff


def test_another_way_to_speak_tls_restarts_all_that_speak_to_stores(tmp_path: Path) -> None:
    ways = [fleet(tmp_path), over_tls(tmp_path), *(over_tls(tmp_path, Authority.made(tmp_path).pem) for _ in "12")]
    for before, after in itertools.pairwise(ways):
        changed = roles_that_restart(before, after)
        assert changed == {"processor", "result_worker", "fetcher", "scheduler", "webui"}


def test_config_json_is_the_same_on_every_host_and_a_release_is_addressed_by_its_content(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    made = [render.release(one, host, "rt1") for host in one.hosts]
    assert len({release.files["config.json"].content for release in made}) == 1
    assert len({release.id for release in made}) == len(HOSTS)
    again = fleet(tmp_path)
    assert [render.release(again, host, "rt1").id for host in again.hosts] == [release.id for release in made]


@pytest.mark.parametrize(
    ("name", "restart"),
    [
        ("WEBUI", {"webui"}),
        ("MYSQL", {"scheduler", "fetcher", "processor", "result_worker", "webui"}),
        ("REDIS", {"scheduler", "fetcher", "processor", "result_worker", "webui"}),
    ],
)
def test_a_new_password_restarts_those_that_read_it(tmp_path: Path, name: str, restart: set[str]) -> None:
    one, other = fleet(tmp_path), fleet(tmp_path, passwords=PASSWORDS | {name: "another"})
    assert roles_that_restart(one, other) == restart


def test_the_mark_of_a_program_gives_no_hint_at_a_password(tmp_path: Path) -> None:
    one, other = fleet(tmp_path), fleet(tmp_path, passwords=dict.fromkeys(PASSWORDS, "another"))
    assert all(one.program_keys[role] != other.program_keys[role] for role in one.program_keys)
    assert one.program_keys["webui"] != one.program_keys["processor"]
    behind = behind_a_proxy(tmp_path)
    assert behind.program_keys["fetcher"] != behind.program_keys["processor"]


def test_the_id_of_a_release_depends_on_a_secret(tmp_path: Path) -> None:
    one, other = fleet(tmp_path), fleet(tmp_path, passwords=PASSWORDS | {"WEBUI": "another"})
    assert one.digest_key != other.digest_key
    store, same = one.host("store"), other.host("store")
    assert render.release(one, store, "rt1").id != render.release(other, same, "rt1").id
    stripped = dataclasses.replace(one, webui_password=other.webui_password)
    assert render.release(stripped, store, "rt1").id == render.release(other, same, "rt1").id


@pytest.mark.parametrize(
    ("old", "new", "restarted"),
    [
        ("process-time-limit = 60", "process-time-limit = 61", {"processor"}),
        ("poolsize = 50", "poolsize = 51", {"fetcher"}),
        ("threads = 8", "threads = 9", {"scheduler"}),
        ("max-burst = 20", "max-burst = 21", {"webui"}),
        ("--load-images=false", "--load-images=true", {"phantomjs"}),
        ("queue-maxsize = 200", "queue-maxsize = 201", {"processor", "result_worker", "fetcher", "scheduler", "webui"}),
        ("db = 1", "db = 2", {"processor", "result_worker", "fetcher", "scheduler", "webui"}),
        ("[pyspider.scheduler]", "[pyspider.scheduler]\nxmlrpc-port = 23334", {"scheduler", "webui", "phantomjs"}),
        ("roles = { fetcher = 2, processor = 2,", "roles = { fetcher = 2, processor = 3,", set()),
        ('gateway = "ops@192.0.2.1:2222"', "", set()),
    ],
)
def test_a_change_restarts_exactly_what_reads_it(tmp_path: Path, old: str, new: str, restarted: set[str]) -> None:
    assert roles_that_restart(fleet(tmp_path), fleet(tmp_path, (old, new))) == restarted


def test_another_runtime_restarts_everything(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    old, new = prints(one), prints(one, "rt2")
    assert not set(old.values()) & set(new.values())


def test_another_guard_restarts_the_web_ui_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, templates = fleet(tmp_path), tmp_path / "templates"
    shutil.copytree(PROJECT / "templates", templates)
    before = prints(one)
    with (templates / "guard.py").open("a") as stream:
        stream.write("# Another one.\n")
    monkeypatch.setattr(render, "TEMPLATES", templates)
    after = prints(one)
    changed = {name.split("/")[1].rstrip("0123456789") for name in before if before[name] != after[name]}
    assert changed == {"webui"}


@pytest.mark.parametrize(
    ("module", "restarted"),
    [
        ("queues", {"processor", "result_worker", "fetcher", "scheduler"}),
        ("database", {"processor", "result_worker", "scheduler"}),
        ("fetching", {"fetcher"}),
        ("scheduling", {"scheduler"}),
        ("flying", {"scheduler"}),
    ],
)
def test_another_launcher_restarts_those_that_read_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, restarted: set[str]
) -> None:
    one, templates = fleet(tmp_path), tmp_path / "templates"
    shutil.copytree(PROJECT / "templates", templates)
    before = prints(one)
    with (templates / "launcher" / f"{module}.py").open("a") as stream:
        stream.write("# Another one.\n")
    monkeypatch.setattr(render, "TEMPLATES", templates)
    after = prints(one)
    assert {name.split("/")[1].rstrip("0123456789") for name in before if before[name] != after[name]} == restarted


def test_a_component_reads_no_module_of_the_launcher_that_its_digest_leaves_out() -> None:
    """Each module imports those of its own roles, and those that all read."""
    for role in PROGRAMS:
        own = {name.partition("/")[2].removesuffix(".py") for name in render.launcher(role)} - {""}
        for name in own:
            text = (PROJECT / "templates" / "launcher" / f"{name}.py").read_text()
            imported = set(re.findall(r"^from \.(\w+) import", text, re.MULTILINE))
            imported |= {
                one
                for line in re.findall(r"^from \. import (.+)", text, re.MULTILINE)
                for one in re.findall(r"(\w+)(?: as \w+)?(?:, |$)", line)
            }
            assert imported <= own, (role.name, name)


def test_a_fetcher_is_given_the_time_that_it_gives_its_requests(tmp_path: Path) -> None:
    one = fleet(tmp_path, ("[pyspider.fetcher]\n", "[pyspider.fetcher]\nstop-seconds = 55\n"))
    found = sections(render.program_sections(one, one.host("spider2"), "rt1"))
    assert {values["stopwaitsecs"] for name, values in found.items() if "fetcher" in name} == {"65"}
    assert json.loads(render.config_json(one))["fetcher"]["stop-seconds"] == 55


@pytest.mark.parametrize(("limit", "wanted"), [(5, 40), (30, 40), (120, 130)])
def test_a_processor_is_given_the_time_that_a_page_may_take(tmp_path: Path, limit: int, wanted: int) -> None:
    text = ("process-time-limit = 60\n", f"process-time-limit = {limit}\n")
    one = fleet(tmp_path, text)
    found = sections(render.program_sections(one, one.host("spider2"), "rt1"))
    assert {values["stopwaitsecs"] for name, values in found.items() if "processor" in name} == {str(wanted)}
    # The trial of a new release, and the step that stops programs, wait as long.
    assert trial.seconds(one, "processor") == wanted + trial.SPARE_SECONDS
    assert trial.seconds(one, "fetcher") == 30 + trial.SPARE_SECONDS
    assert render.stop_seconds(one, one.host("spider2")) > 2 * wanted


def test_one_more_instance_leaves_the_sections_of_its_siblings_alone(tmp_path: Path) -> None:
    more = fleet(tmp_path, ("roles = { fetcher = 2, processor = 2,", "roles = { fetcher = 2, processor = 3,"))
    before = sections(render.program_sections(fleet(tmp_path), fleet(tmp_path).host("spider2"), "rt1"))
    after = sections(render.program_sections(more, more.host("spider2"), "rt1"))
    assert set(after) - set(before) == {"program:processor3"}
    assert all(after[name] == before[name] for name in before)


def sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_a_section_carries_its_fingerprint_in_the_environment(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    for host in one.hosts:
        found = sections(render.program_sections(one, host, "rt1"))
        expected = render.fingerprints(one, host, "rt1")
        assert {
            name.removeprefix("program:"): dict_of_key_value_pairs(values["environment"])["PYSPIDER_RELEASE"]
            for name, values in found.items()
        } == expected


class Settings(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord's own parser, which reports instead of leaving the process."""

    def usage(self, msg: str) -> None:
        raise ValueError(msg)


@pytest.mark.parametrize("name", HOSTS)
def test_supervisor_itself_reads_the_files_as_they_are_meant(tmp_path: Path, name: str) -> None:
    text = (PROJECT / "examples" / "tutorial.toml").read_text()
    assert "home = " not in text
    for folder in ("home/current", "logs"):
        (tmp_path / folder).mkdir(parents=True)
    places = f'name = "tutorial"\nhome = "{tmp_path}/home"\nlogs = "{tmp_path}/logs"\n'
    one = fleet(tmp_path, ('name = "tutorial"\n', places), ("--load-images=false", "--cookies-file=100%s"))
    host = one.host(name)
    (tmp_path / "home/current/programs.conf").write_text(render.program_sections(one, host, "rt1"))
    # The user is one of the hosts', not of this machine.
    (tmp_path / "supervisord.conf").write_text(render.supervisord_conf(one).replace("\nuser=work\n", "\n"))
    options = Settings()
    options.realize(["-c", str(tmp_path / "supervisord.conf")])
    programs = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert set(programs) == {program.name for program in one.programs(host)}
    assert options.serverurl is None or options.serverurl == f"unix://{one.cluster.socket}"
    assert options.server_configs[0]["file"] == one.cluster.socket
    assert options.server_configs[0]["chmod"] == 0o700
    assert (options.pidfile, options.minfds, options.umask) == (one.cluster.pidfile, 4096, 0o027)
    for program in one.programs(host):
        check_process(programs[program.name], program.role, program.log)
    order = sorted(programs, key=lambda key: programs[key].priority)
    assert [key.rstrip("0123456789") for key in order] == [program.role for program in one.programs(host)]


def check_process(process: Any, role: str, log: str) -> None:
    assert process.autorestart.__name__ == "RestartUnconditionally"
    assert (process.startsecs, process.killasgroup, process.redirect_stderr) == (3, True, True)
    assert process.startretries >= 1_000_000
    assert process.stdout_logfile == log
    assert process.stopasgroup is (role == "phantomjs")
    assert ("--cookies-file=100%s" in process.command) is (role == "phantomjs")
    assert process.command.startswith("/opt/pyspider/")


def test_every_config_key_is_one_that_pyspider_reads(tmp_path: Path) -> None:
    """The names were compared with pyspider 0.3.10's run.py, which ignores what it does not know."""
    config = json.loads(render.config_json(fleet(tmp_path)))
    known = {
        "": "logging-config debug queue-maxsize taskdb projectdb resultdb message-queue phantomjs-proxy "
        "data-path add-sys-path",
        "scheduler": "xmlrpc inqueue-limit delete-time active-tasks loop-limit fail-pause-num scheduler-cls threads",
        "fetcher": "xmlrpc poolsize proxy user-agent timeout phantomjs-endpoint splash-endpoint fetcher-cls "
        # For this project's own launcher.
        "renderers",
        "processor": "processor-cls process-time-limit",
        "result_worker": "result-cls",
        "webui": "cdn scheduler-rpc fetcher-rpc max-rate max-burst username password need-auth webui-instance "
        "process-time-limit",
    }
    tables = {name for name, value in config.items() if isinstance(value, dict)}
    assert set(config) - tables <= set(known[""].split())
    for table in tables:
        assert set(config[table]) <= set(known[table].split())


@pytest.mark.parametrize(
    ("host", "bound", "asked"),
    [
        ("address", "192.0.2.11", "192.0.2.11"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
    ],
)
def test_the_webui_listens_where_the_file_says_and_is_asked_there(
    tmp_path: Path, host: str, bound: str, asked: str
) -> None:
    one = fleet(tmp_path, ('host = "address"', f'host = "{host}"'))
    spider1 = one.host("spider1")
    assert f" webui --host {bound} --port 5001" in render.program_sections(one, spider1, "rt1")
    assert render.webui_login(one, spider1, 5001) == {
        "host": asked,
        "port": 5001,
        "username": "spider",
        "password": PASSWORDS["WEBUI"],
    }


def test_a_redis_without_a_password_has_none_in_its_url(tmp_path: Path) -> None:
    one = fleet(
        tmp_path,
        ("mysql = 1, redis = 1", "mysql = 1"),
        ('db = 1\npassword = { env = "TUTORIAL_REDIS_PASSWORD" }', 'host = "192.0.2.40"\npassword = false'),
    )
    assert json.loads(render.config_json(one))["message-queue"] == "redis://192.0.2.40:6379/0"


def test_a_user_of_redis_stands_in_its_url_before_the_password(tmp_path: Path) -> None:
    own = ("mysql = 1, redis = 1", "mysql = 1")
    one = fleet(tmp_path, own, ("db = 1\n", 'db = 1\nhost = "192.0.2.40"\nusername = "crawl"\n'))
    url = json.loads(render.config_json(one))["message-queue"]
    assert url == f"redis://crawl:{PASSWORDS['REDIS']}@192.0.2.40:6379/1"
    assert json.loads(render.config_json_masked(one))["message-queue"] == "redis://crawl:***@192.0.2.40:6379/1"
    password = (
        'db = 1\npassword = { env = "TUTORIAL_REDIS_PASSWORD" }',
        'host = "192.0.2.40"\nusername = "u"\npassword = false',
    )
    with pytest.raises(WrongInput, match=r"stores\.redis\.username: a user logs in by a password"):
        fleet(tmp_path, own, password)


def launch(
    *words: str, config: object = None, folder: Path, script: Path = PROJECT / "templates" / "run.py"
) -> subprocess.CompletedProcess[str]:
    """run.py with a stand-in for pyspider that shows what it was called with."""
    package = folder / "site" / "pyspider"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "run.py").write_text("import os, sys\ndef main():\n    print(sys.argv[1:], sorted(os.environ))\n")
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    environment = {"PYTHONPATH": str(folder / "site"), "DEBUG": "1", "MYSQL_NAME": "x", "KEPT": "1"}
    command = [sys.executable, str(script), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)


def complete(folder: Path) -> dict[str, str]:
    return dict.fromkeys(("taskdb", "projectdb", "resultdb", "message-queue"), "x") | {
        "data-path": str(folder / "a/data")
    }


def test_the_launcher_starts_pyspider_with_config_json_as_its_only_input(tmp_path: Path) -> None:
    for _ in range(2):
        result = launch("-c", "config.json", "processor", config=complete(tmp_path), folder=tmp_path)
        assert result.returncode == 0, result.stderr
        assert "['-c', 'config.json', 'processor']" in result.stdout
        assert "KEPT" in result.stdout
        assert "DEBUG" not in result.stdout and "MYSQL_NAME" not in result.stdout
        assert (tmp_path / "a/data").is_dir()


@pytest.mark.parametrize(
    ("words", "config", "message"),
    [
        (
            ("-c", "nowhere.json", "processor"),
            {},
            "nowhere.json can't be read (No such file or directory); run fab deploy",
        ),
        (("-c", "config.json", "processor"), "{", "config.json is not JSON"),
        (("-c", "config.json", "processor"), {"taskdb": "x"}, "lacks projectdb, resultdb, message-queue, data-path"),
        (("processor",), {}, "usage: run.py -c CONFIG.json COMPONENT"),
    ],
)
def test_the_launcher_refuses_in_one_line(tmp_path: Path, words: tuple[str, ...], config: object, message: str) -> None:
    result = launch(*words, config=config, folder=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def unit(tmp_path: Path, *keys: str) -> list[str]:
    one = fleet(tmp_path, ("[cluster]\n", "\n".join(["[cluster]", *keys, ""])))
    return render.boot_unit(one, one.hosts[0], "/script").splitlines()


@pytest.mark.parametrize(
    ("key", "private"),
    [
        ('logs = "/srv/logs"', True),
        ('socket = "/tmp/supervisor.sock"', False),
        ('pidfile = "/var/tmp/supervisord.pid"', False),
        ('home = "/var/tmp/spider/home"', False),
        ('supervisord_conf = "/tmp/supervisord.conf"', False),
        ('logs = "/tmpfiles"', True),
    ],
)
def test_the_unit_has_a_tmp_of_its_own_unless_something_is_to_be_found_there(
    tmp_path: Path, key: str, private: bool
) -> None:
    assert ("PrivateTmp=yes" in unit(tmp_path, key)) == private


def test_systemd_waits_as_long_as_all_programs_may_take_to_stop(tmp_path: Path) -> None:
    one = fleet(tmp_path)
    for host in one.hosts:
        stops = re.findall(r"^stopwaitsecs=(\d+)", render.program_sections(one, host, "r"), re.MULTILINE)
        assert f"TimeoutStopSec={sum(map(int, stops)) + 30}" in render.boot_unit(one, host, "/script")


def test_an_old_systemd_refuses_nothing_for_want_of_a_word(tmp_path: Path) -> None:
    """A list of allowed calls whose groups are unknown would be empty; the first line decides which kind it is."""
    first = next(line for line in unit(tmp_path) if line.startswith("SystemCallFilter="))
    assert first.startswith("SystemCallFilter=~")


def test_the_launcher_speaks_tls_where_the_release_says_so(tmp_path: Path) -> None:
    (tmp_path / "tls.json").write_text('{"mysql": {"ca": null}}')
    (tmp_path / "tls.py").write_text(
        "import json\n"
        "def wanted(folder): return json.load(open(folder + '/tls.json'))\n"
        "def secure(stores): print('secured', stores)\n"
    )
    script = tmp_path / "run.py"
    script.write_bytes((PROJECT / "templates" / "run.py").read_bytes())
    words = ("-c", f"{tmp_path}/config.json", "processor")
    result = launch(*words, config=complete(tmp_path), folder=tmp_path, script=script)
    assert result.stdout.startswith("secured {'mysql': {'ca': None}}\n"), result.stderr
    assert "'processor'" in result.stdout
    assert not list(tmp_path.rglob("tls*.pyc")), "something was written into the release"
    (tmp_path / "tls.json").write_text("{")
    result = launch(*words, config=complete(tmp_path), folder=tmp_path, script=script)
    assert result.returncode == 2 and "tls.json is broken" in result.stderr and result.stderr.count("\n") == 1
