"""What is shipped, against a real supervisord of this machine; it runs under Python 2.7 on hosts and here under 3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fabfile.steps.base import Found
from fabfile.steps.daemon import Supervisord
from fabfile.steps.programs import Programs
from fabfile.steps.shipped import shipped
from fabfile.steps.supervisor import Leftovers, Place, Sockets

BROKEN = "sh -c 'echo why it broke; exit 3'"
CONF = """\
; Made by fab from hosts.toml
[unix_http_server]
file={0}/s.sock
[supervisord]
logfile={0}/s.log
pidfile={0}/s.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {0}/programs.conf
"""


class Daemon:
    """A supervisord of its own in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place("nobody", str(folder), str(folder), f"{folder}/s.conf", f"{folder}/s.sock", sys.executable)
        (folder / "s.conf").write_text(CONF.format(folder))
        content = shipped().content
        assert isinstance(content, bytes)
        (folder / "zip").write_bytes(content)

    def programs(self, **releases: str) -> None:
        sections = (
            f"[program:{name}]\ncommand={BROKEN if release == 'broken' else 'sleep 1000'}\n"
            f'environment=PYSPIDER_RELEASE="{release}"\nstartsecs={int(release == "broken")}\n'
            f"startretries=1000\nredirect_stderr=true\nstdout_logfile={self.folder}/{name}.log\n"
            for name, release in releases.items()
        )
        (self.folder / "programs.conf").write_text("\n".join(sections))

    def start(self) -> None:
        daemon = Path(sys.executable).with_name("supervisord")
        environment = dict(os.environ, PYSPIDER_SUPERVISORD="d1")
        subprocess.run([daemon, "-c", self.place.conf], check=True, env=environment)

    def run(self, verb: str, **more: object) -> subprocess.CompletedProcess[str]:
        options = json.dumps(self.place.options(**more))
        words = [sys.executable, self.folder / "zip", verb, options]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def look(self) -> Found:
        result = self.run("look")
        assert result.returncode == 0, result.stderr
        return Found(0, result.stdout)

    def sees(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.look().text)
        return answer

    def apply(self, **more: object) -> subprocess.CompletedProcess[str]:
        return self.run("apply", **({"restart": [], "remove": [], "reopen": [], "wait": [], "seconds": 10} | more))

    def kill(self) -> None:
        os.kill(self.sees()["supervisord"]["pid"], signal.SIGKILL)
        until(lambda: not self.sees()["supervisord"]["answers"])

    def states(self) -> dict[str, tuple[str, int, str]]:
        return {one["name"]: (one["state"], one["pid"], one["release"]) for one in self.sees()["programs"]}


def until(claim: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    one = Daemon(tmp_path)
    yield one
    running = one.sees()["supervisords"]
    one.run("end", end=running, signals=[["SIGTERM", 10], ["SIGKILL", 5]])
    assert one.sees()["leftovers"] == []


def started(daemon: Daemon, **releases: str) -> Daemon:
    daemon.programs(**releases)
    daemon.start()
    assert daemon.apply(wait=list(releases)).returncode == 0
    return daemon


def wanted(daemon: Daemon, **releases: str) -> Programs:
    return Programs(daemon.place, tuple(releases.items()), frozenset(releases))


def test_a_program_that_runs_with_its_release_needs_nothing(daemon: Daemon) -> None:
    started(daemon, one="r1", two="r1")
    assert wanted(daemon, one="r1", two="r1").diff(daemon.look()) == []


def test_only_the_program_with_another_release_is_restarted(daemon: Daemon) -> None:
    started(daemon, one="r1", two="r1")
    before = daemon.states()
    daemon.programs(one="r1", two="r2")
    (action,) = wanted(daemon, one="r1", two="r2").diff(daemon.look())
    assert action.says == "restart two"
    assert daemon.apply(restart=["two"], wait=["two"]).returncode == 0
    after = daemon.states()
    assert after["one"] == before["one"]
    assert after["two"][0] == "RUNNING"
    assert after["two"][2] == "r2"


def test_a_new_program_is_started_and_a_gone_one_removed(daemon: Daemon) -> None:
    started(daemon, one="r1", old="r1")
    daemon.programs(one="r1", new="r1")
    (action,) = wanted(daemon, one="r1", new="r1").diff(daemon.look())
    assert action.says == "start new; remove old"
    assert daemon.apply(restart=["new"], remove=["old"], wait=["new"]).returncode == 0
    assert set(daemon.states()) == {"one", "new"}


def test_a_deploy_of_one_role_leaves_strangers_of_other_roles_alone(daemon: Daemon) -> None:
    started(daemon, processor1="r1", processor2="r1", fetcher1="r1")
    step = Programs(daemon.place, (("processor1", "r1"),), frozenset({"processor1"}), frozenset({"processor"}))
    (action,) = step.diff(daemon.look())
    assert action.says == "remove processor2"


def test_a_program_that_does_not_come_up_shows_the_last_lines_of_its_log(daemon: Daemon) -> None:
    daemon.programs(one="broken")
    daemon.start()
    result = daemon.apply(restart=["one"], wait=["one"], seconds=2)
    assert result.returncode == 1
    assert "why it broke" in result.stdout


def test_a_program_that_fails_over_and_over_is_restarted_with_what_is_right_now(daemon: Daemon) -> None:
    daemon.programs(one="broken")
    daemon.start()
    until(lambda: daemon.states()["one"][0] == "BACKOFF")
    daemon.programs(one="r2")
    (action,) = wanted(daemon, one="r2").diff(daemon.look())
    assert action.says == "start one"
    assert daemon.apply(restart=["one"], wait=["one"]).returncode == 0
    assert daemon.states()["one"][2] == "r2"


def test_after_a_kill_of_supervisord_its_socket_and_its_programs_are_seen_as_leftovers(daemon: Daemon) -> None:
    started(daemon, one="r1")
    pid = daemon.states()["one"][1]
    daemon.kill()
    sees = daemon.sees()
    assert [item["pid"] for item in sees["leftovers"]] == [pid]
    assert [a.says for a in Sockets(daemon.place).diff(daemon.look())] == [f"remove the stale {daemon.place.socket}"]
    assert [a.says for a in Leftovers(daemon.place).diff(daemon.look())] == [
        "end what a dead supervisord left running: one"
    ]
    assert [a.says for a in Supervisord(daemon.place, "d1").diff(daemon.look())] == ["start supervisord"]
    assert daemon.run("end", end=sees["leftovers"], signals=[["SIGINT", 5], ["SIGKILL", 5]]).returncode == 0
    assert daemon.run("clear").returncode == 0
    assert not Path(daemon.place.socket).exists()
    assert daemon.sees()["leftovers"] == []


def test_a_live_socket_is_never_removed_nor_is_it_an_error_that_somebody_answers_by_now(daemon: Daemon) -> None:
    started(daemon, one="r1")
    assert Sockets(daemon.place).diff(daemon.look()) == []
    assert daemon.run("clear").returncode == 0
    assert Path(daemon.place.socket).exists()


def test_a_supervisord_without_its_socket_is_ended_before_another_starts(daemon: Daemon) -> None:
    started(daemon, one="r1")
    Path(daemon.place.socket).unlink()
    says = [action.says for action in Supervisord(daemon.place, "d1").diff(daemon.look())]
    assert says == ["end the supervisord that does not answer", "start supervisord"]


def test_a_changed_supervisord_conf_restarts_the_daemon_unless_only_some_roles_are_deployed(daemon: Daemon) -> None:
    started(daemon, one="r1")
    assert Supervisord(daemon.place, "d1").diff(daemon.look()) == []
    assert len(Supervisord(daemon.place, "d2").diff(daemon.look())) == 2
    assert Supervisord(daemon.place, "d2", keep_running=True).diff(daemon.look()) == []


def test_reload_starts_every_program_again(daemon: Daemon) -> None:
    started(daemon, one="r1", two="r1")
    before = daemon.states()
    assert daemon.run("reload", wait=["one", "two"], seconds=20).returncode == 0
    after = daemon.states()
    assert all(after[name][0] == "RUNNING" and after[name][1] != before[name][1] for name in before)


def test_a_deleted_log_file_is_made_again(daemon: Daemon) -> None:
    started(daemon, one="r1")
    (daemon.folder / "one.log").unlink()
    (action,) = wanted(daemon, one="r1").diff(daemon.look())
    assert action.says == "reopen the log of one"
    assert daemon.apply(reopen=["one"]).returncode == 0
    assert (daemon.folder / "one.log").exists()
