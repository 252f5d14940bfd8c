"""The keeper of a bench's programs and the guard of its databases, run for real: whatever happens, all goes away."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xmlrpc.client import dumps, loads

import pytest

from fabfile.bench.samples import HostSample, sampled
from fabfile.errors import Problem
from fabfile.remote import look as remote_look
from fabfile.remote import processes, scratch
from fabfile.runs.engine import apply, look
from fabfile.steps.base import Action
from fabfile.steps.bench import Bench, BenchLook, scratch_sql

from ..waiting import eventually
from .local import LocalLink
from .redis_server import serving

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root keeps programs of another user")

SECONDS = 60
MANY = 1000
"""Of a host on which other tests run as well."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place of its own on this machine, with nobody as the user."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        with suppress(OSError):
            folder.chmod(folder.stat().st_mode | 0o011)
    home = tmp_path / "home"
    home.mkdir()
    (home / "current").mkdir()
    (home / "current" / "run.py").touch()
    os.chown(home, 65534, 65534)
    where = Bench(
        f"unit{os.getpid()}", "nobody", str(home), str(tmp_path / "none.sock"), "/usr/bin/python3", kept=str(tmp_path)
    )
    yield where
    with suppress(OSError, ValueError):
        os.kill(int(Path(where.keeper, "pid").read_text()), signal.SIGKILL)


def done(*actions: Action) -> None:
    apply(LocalLink(), (), list(actions), lambda _: None)


def seen(bench: Bench, seconds: int = 0, ports: bool = False) -> HostSample:
    (found,) = look(LocalLink(), [BenchLook(bench, seconds, ports)])
    return sampled(found.text)


def program(script: str) -> dict[str, Any]:
    return {"words": ["/bin/sh", "-c", script], "environment": {"PATH": "/usr/bin:/bin"}}


def running(bench: Bench, **more: Any) -> list[int]:
    """The pids of two programs that a keeper has started; one of them has a child."""
    done(bench.begin({"files": {"config.json": "{}"}, **more}))
    done(bench.want({"fetcher1": program("sleep 600 & wait"), "processor1": program("exec sleep 600")}))
    assert eventually(lambda: len(told(bench)) == 2, SECONDS)
    pids = [one["pid"] for one in told(bench).values()]
    assert all(Path(f"/proc/{pid}").stat().st_uid == 65534 for pid in pids)
    return pids


def told(bench: Bench) -> dict[str, Any]:
    keeper = seen(bench).keeper
    return (
        {name: {"pid": one.pid, "status": one.status, "tail": one.tail} for name, one in keeper.programs.items()}
        if keeper
        else {}
    )


def nothing_left(bench: Bench, pids: list[int]) -> bool:
    """Neither a place, nor a folder, nor a process of a session."""
    rows = [line.split() for line in subprocess.check_output(["ps", "-eo", "sid=,stat="], text=True).splitlines()]
    sessions = {sid for sid, state in rows if "Z" not in state}
    return not (Path(bench.keeper).exists() or Path(bench.folder).exists() or sessions & {str(pid) for pid in pids})


def test_the_end_takes_everything_away(bench: Bench) -> None:
    pids = running(bench)
    folder = Path(bench.folder)
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o600 and folder.stat().st_uid == 65534
    assert seen(bench).places == {f"bench.{bench.cluster}": True}
    done(bench.end())
    assert nothing_left(bench, pids) and seen(bench).places == {}
    done(bench.end(), bench.unguarded())


def test_without_a_look_in_time_everything_goes_away_by_itself(bench: Bench) -> None:
    pids = running(bench)
    seen(bench, 1)
    assert eventually(lambda: nothing_left(bench, pids), SECONDS)


def test_its_scheduler_is_none_of_the_clusters(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "home" / "run.py"
    script.write_text("import time; time.sleep(600)\n")
    script.chmod(0o644)
    words = ["/usr/bin/python3", str(script), "-c", "x", "scheduler"]
    with subprocess.Popen(words, user=65534) as stray:
        try:
            done(bench.begin({"files": {}}), bench.want({"scheduler": {"words": words, "environment": {}}}))
            assert eventually(lambda: "scheduler" in told(bench), SECONDS)
            own = told(bench)["scheduler"]["pid"]
            is_one = lambda pid: processes.Process(pid).role() == "scheduler"  # noqa: E731
            assert eventually(lambda: is_one(own) and is_one(stray.pid), SECONDS)
            found = remote_look.schedulers(processes.table(), {"user": "nobody"})
            assert stray.pid in found and own not in found
            done(bench.end())
        finally:
            stray.kill()


def test_looks_grant_time(bench: Bench) -> None:
    running(bench)
    for _ in range(3):
        seen(bench, 30)
        assert eventually(lambda: not Path(bench.keeper, "renewed").exists(), SECONDS)
    assert seen(bench).places == {f"bench.{bench.cluster}": True}
    done(bench.end())


def test_the_programs_of_a_keeper_that_was_killed_end_with_it_and_the_next_bench_removes_the_rest(bench: Bench) -> None:
    pids = running(bench)
    os.kill(int(Path(bench.keeper, "pid").read_text()), signal.SIGKILL)
    assert eventually(lambda: all(not Path(f"/proc/{pid}/exe").exists() for pid in pids), SECONDS)
    assert seen(bench).places == {f"bench.{bench.cluster}": False}
    done(bench.end())
    assert nothing_left(bench, [])


def test_a_program_that_is_no_longer_wanted_ends_and_one_that_ended_by_itself_tells_why(bench: Bench) -> None:
    running(bench)
    done(bench.want({"fetcher1": program("echo first; echo 'it broke' >&2; exit 3")}))
    assert eventually(lambda: list(told(bench)) == ["fetcher1"], SECONDS)
    done(bench.want({"processor2": program("echo first; echo 'it broke' >&2; exit 3")}))
    assert eventually(lambda: told(bench).get("processor2", {}).get("status") == 3, SECONDS)
    assert told(bench)["processor2"]["tail"] == "first\nit broke\n"
    done(bench.end())
    assert nothing_left(bench, [])


def test_a_folder_that_can_not_be_made_is_told_and_nothing_stays(bench: Bench) -> None:
    os.chown(bench.home, 0, 0)
    Path(bench.home).chmod(0o700)
    with pytest.raises(Problem) as error:
        done(bench.begin({"files": {"config.json": "{}"}}))
    assert "the folder of the bench can't be made" in error.value.detail
    assert not Path(bench.keeper).exists()


def test_without_a_release_nothing_begins(bench: Bench) -> None:
    Path(bench.home, "current", "run.py").unlink()
    with pytest.raises(Problem) as error:
        done(bench.begin({"files": {}}))
    assert "there is no release here; run fab deploy first" in error.value.detail
    assert not Path(bench.keeper).exists()


def test_a_link_in_place_of_the_folder_leads_nowhere(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    (other / "kept").write_text("kept")
    pids = running(bench)
    folder = Path(bench.folder)
    folder.rename(Path(bench.home, "moved"))
    folder.symlink_to(other)
    done(bench.end())
    assert (other / "kept").read_text() == "kept" and not Path(bench.keeper).exists()
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]


def test_a_pipe_in_place_of_a_log_holds_nobody_up_and_a_folder_that_no_bench_has_made_stays(bench: Bench) -> None:
    pids = running(bench)
    os.mkfifo(Path(bench.folder, "fetcher2.log"))
    done(bench.want({"fetcher2": program("exec sleep 600")}))
    assert eventually(lambda: not Path(bench.keeper).exists(), SECONDS) and nothing_left(bench, pids)
    mine = Path(bench.folder, "mine")
    mine.parent.mkdir()
    mine.write_text("kept")
    os.chown(mine.parent, 65534, 65534)
    with pytest.raises(Problem) as error:
        done(bench.begin({"files": {}}))
    assert f"{bench.folder} is there, and no bench has made it" in error.value.detail
    assert mine.read_text() == "kept" and not Path(bench.keeper).exists()


def test_root_follows_no_link_into_a_folder_that_the_user_can_not_enter(bench: Bench, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    running(bench)
    folder = Path(bench.folder)
    (folder / "bench.zip").unlink()
    folder.rename(Path(bench.home, "moved"))
    folder.symlink_to(closed / "inner")
    seen_there = tmp_path / "home" / "seen"
    done(bench.want({"fetcher2": program(f"pwd >{seen_there}")}))
    assert eventually(lambda: not Path(bench.keeper).exists(), SECONDS)
    assert not seen_there.exists()


class Supervisor(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A supervisord that starts what it is told to."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.started: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                (name, _), _ = loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.started.append(str(name))
                body = dumps(([],), methodresponse=True).encode()
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_: Any) -> None:
                pass

            def address_string(handler) -> str:
                return ""

        super().__init__(path, Handler)
        Path(path).chmod(0o777)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_production_starts_again_but_for_what_was_stopped_on_purpose_meanwhile(bench: Bench, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped.conf"
    stopped.write_text("[program:webui1]\ncommand=/bin/false\nautostart=false\n")
    bench = replace(bench, stopped=str(stopped))
    with Supervisor(bench.socket) as supervisor:
        running(bench, resume=["fetcher1", "webui1", "processor1"])
        seen(bench, 1)
        assert eventually(lambda: not Path(bench.keeper).exists(), SECONDS)
        assert supervisor.started == ["fetcher1", "processor1"]
        supervisor.shutdown()


def where(port: int, db: int, run: str = "0a1b2c3d") -> dict[str, Any]:
    return {"message-queue": f"redis://127.0.0.1:{port}/{db}", "run": run, "tls": {}, "databases": []}


def test_only_the_database_of_the_bench_is_cleared(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for db, run in ((3, "0a1b2c3d"), (4, "other")):
            server.client.execute_command("SELECT", db)
            server.client.set(scratch.MARK, run)
            server.client.rpush("newtask_queue", "x")
            server.client.hset("newtask_queue:held:node1/scheduler/1.2.3", "1", "x")
        assert scratch.clear_stores(where(server.port, 3)) and scratch.clear_stores(where(server.port, 4))
        assert set(server.client.info("keyspace")) == {"db4"}
        # Somebody whose database was empty when the bench took it keeps what is theirs.
        server.client.execute_command("SELECT", 3)
        server.client.mset({scratch.MARK: "0a1b2c3d", "pyspider:pulse": "x", "theirs": "kept", "status_queues": "kept"})
        assert scratch.clear_stores(where(server.port, 3))
        assert sorted(server.client.keys()) == [b"status_queues", b"theirs"]


def test_a_user_of_redis_who_may_not_list_keys_clears_those_of_the_launcher(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        rights = (
            "ACL SETUSER crawl on >secret resetkeys ~newtask_queue* ~status_queue* ~scheduler2fetcher* "
            "~fetcher2processor* ~processor2result* ~pyspider:* -@all +ping +select +info +client|list +get +set +del "
            "+zrange"
        )
        server.client.execute_command(*rights.split())
        server.client.execute_command("SELECT", 5)
        server.client.set(scratch.MARK, "0a1b2c3d")
        held = "fetcher2processor:held:node1/processor1/1.2.3"
        server.client.zadd("pyspider:consumers", {held: 1})
        for name in (held + ":epoch", "processor2result:bell", "status_queue:failed", "pyspider:pulse"):
            server.client.set(name, "x")
        address = {**where(server.port, 5), "message-queue": f"redis://crawl:secret@127.0.0.1:{server.port}/5"}
        assert scratch.clear_stores(address)
        assert server.client.info("keyspace") == {}


CLIENT = """\
#!/bin/sh
case " $* " in *' --batch '*) ;; *) exit 0 ;; esac
cat >>{log}
"""


@pytest.fixture
def mysql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The statements that were given to the client of MySQL."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "statements"
    (programs / "mariadb").write_text(CLIENT.format(log=log))
    (programs / "mariadb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("how", ["told", "silence", "killed"])
def test_the_guard_drops_what_it_has_made(bench: Bench, mysql: Path, how: str) -> None:
    make, drop = scratch_sql("bench_0a1b2c3d", "scratch-password", ["pyspider_bench_0a1b2c3d_taskdb"])
    done(bench.guarded(make, drop))
    assert "CREATE DATABASE `pyspider_bench_0a1b2c3d_taskdb`" in mysql.read_text()
    assert "ON `pyspider\\_bench\\_0a1b2c3d\\_taskdb`.* TO 'bench_0a1b2c3d'@'%'" in mysql.read_text()
    assert "DROP" not in mysql.read_text()
    assert seen(bench).places == {f"bench-mysql.{bench.cluster}": True}
    if how == "silence":
        seen(bench, 1)
    else:
        if how == "killed":
            os.kill(int(Path(bench.guard, "pid").read_text()), signal.SIGKILL)
        done(bench.unguarded())
    assert eventually(lambda: not Path(bench.guard).exists(), SECONDS)
    assert "DROP DATABASE IF EXISTS `pyspider_bench_0a1b2c3d_taskdb`" in mysql.read_text()
    assert "'DROP USER ', '''bench_0a1b2c3d''@''%'''" in mysql.read_text()


def test_a_look_tells_the_ports_that_are_taken(bench: Bench, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        found = seen(bench, ports=True)
        assert server.port in found.ports and found.stores["redis"] >= 0
    assert 0 < found.cores < MANY and found.memory_mb > 0 and json.dumps(dict(found.net))
