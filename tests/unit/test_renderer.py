"""What starts PhantomJS as another user: its step, and the program itself, which is tried as one and the same user."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fabfile import plan, render
from fabfile.inventory.roles import PHANTOMJS
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.boot import described
from fabfile.steps.renderer import Renderer

from ..waiting import until
from .hosts_toml import changed, faults
from .local import PROJECT, fleet

HOST = fleet().hosts[2]
PROGRAM = PROJECT / "templates" / "renderer.py"
LIMITS = PROGRAM.with_name("limits.py")
DIGEST = hashlib.sha256(PROGRAM.read_bytes()).hexdigest()[:12]


def step() -> Renderer:
    (one,) = plan.renderer(fleet(), HOST)
    assert isinstance(one, Renderer)
    return one


def answer(kind: str, drop: str = "", status: str = f"status {DIGEST}") -> Found:
    one = step()
    rows = {"boots", *described(one.script.files(kind)), *(["NeedDaemonReload=no"] if kind == "systemd" else [])}
    rows |= described([(path, content, 0o644) for path, content in one.files])
    return Found(0, "\n".join([f"kind {kind}", *(row for row in rows if not drop or drop not in row), status]))


@pytest.mark.parametrize("kind", ["systemd", "sysv", "cron", "none"])
@pytest.mark.parametrize(
    ("drop", "status", "right"),
    [
        ("", f"status {DIGEST}", True),
        ("", "status ", False),
        ("", "status an-older-one", False),
        ("", "", False),
        ("boots", f"status {DIGEST}", False),
        ("phantomjs_fetcher.js", f"status {DIGEST}", False),
        ("renderer.py 644 root", f"status {DIGEST}", False),
        ("limits.py", f"status {DIGEST}", False),
        ("demo-render", f"status {DIGEST}", False),
    ],
)
def test_it_is_set_up_unless_it_serves_with_the_present_program(kind: str, drop: str, status: str, right: bool) -> None:
    says = ["run what renders pages as work-render"]
    assert [one.says for one in step().diff(answer(kind, drop, status))] == ([] if right else says)


def test_an_answer_that_is_cut_short_is_none() -> None:
    with pytest.raises(CannotLook):
        step().diff(Found(0, ""))


def test_only_hosts_of_phantomjs_have_it() -> None:
    one = fleet()
    assert [len(plan.renderer(one, host)) for host in one.hosts] == [0, 0, 1]
    names = [step.name for step in plan.deploy(one, HOST)]
    assert names[:3] == ["account work-render", "firewall", "renderer"]


def test_phantomjs_is_asked_for_and_knows_what_no_page_may_reach() -> None:
    sections = render.program_sections(fleet(), HOST, "rt1")
    command = next(line for line in sections.splitlines() if "phantomjs_fetcher.js" in line)
    asked = "/opt/pyspider/render/demo/renderer.py run /run/pyspider-demo-render/socket /opt/pyspider/bin/phantomjs "
    assert command.startswith(f"command=/opt/pyspider/current/bin/python {asked}")
    assert 'PYSPIDER_PORTS="3306 6379 23333 24444 25555 5000"' in sections
    assert 'PYSPIDER_HOSTS="10.77.0.11 10.77.0.12 10.77.0.13"' in sections
    assert PHANTOMJS.environment["PYSPIDER_FETCHER"].endswith("/pyspider/fetcher/phantomjs_fetcher.js")


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("work", "is the cluster's own user, who can read its passwords; name another one, like work-render"),
        ("www-data", "is an account or a group of the system"),
        ("root", "is an account or a group of the system"),
        ("Render", "a user name of small letters"),
    ],
)
def test_its_user_is_one_of_its_own(tmp_path: Path, user: str, told: str) -> None:
    (fault,) = faults(tmp_path, changed("[python]\n", f'[phantomjs]\nuser = "{user}"\n\n[python]\n'))
    assert "phantomjs.user" in fault and told in fault


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A socket on which the program serves this very user."""
    yield from serving(tmp_path, PROGRAM)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[str]:
    """The same by a program that waits for less."""
    program, text = tmp_path / "hasty.py", LIMITS.read_text()
    for known, less in (("LOOK = 5\n", "LOOK = 0.2\n"), ("HANG = 95 // LOOK\n", "HANG = 8\n")):
        assert known in text
        text = text.replace(known, less)
    program.write_text(PROGRAM.read_text())
    (tmp_path / LIMITS.name).write_text(text)
    yield from serving(tmp_path, program)


def serving(folder: Path, program: Path) -> Iterator[str]:
    path = str(folder / "s")
    words = [sys.executable, str(program), "serve", path, getpass.getuser()]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as server:
        until(lambda: Path(path).exists(), 10)
        try:
            yield path
        finally:
            with suppress(ProcessLookupError):
                server.terminate()


def asking(path: str, *words: str, **more: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYSPIDER_PORTS": "1 2", "SECRET": "canary", **more}
    command = [sys.executable, str(PROGRAM), "run", path, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_command_runs_there_with_few_variables_and_its_output_comes_back(served: str) -> None:
    with asking(served, "/bin/sh", "-c", "env; echo oops >&2") as one:
        out, _ = one.communicate(timeout=20)
        assert one.returncode == 1, "supervisord has to see that it ended"
    assert "PYSPIDER_PORTS=1 2" in out and "oops" in out and "canary" not in out
    assert f"PYSPIDER_STUB={one.pid}" in out


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_who_asked_for_it(served: str, by: signal.Signals) -> None:
    with asking(served, "/bin/sh", "-c", "echo $$; sleep 99 & wait") as one:
        assert one.stdout
        pid = int(one.stdout.readline())
        assert alive(pid)
        one.send_signal(by)
        until(lambda: not alive(pid), 10)


def test_what_a_command_writes_and_starts_is_gone_when_it_has_ended(served: str) -> None:
    with asking(served, "/bin/sh", "-c", "cd $TMPDIR; pwd; echo x >left; sleep 99 & echo $!") as one:
        assert one.stdout
        folder, pid = one.stdout.readline().strip(), int(one.stdout.readline())
        assert folder.startswith("/var/tmp/") and one.wait(20) == 1
    until(lambda: not (Path(folder).exists() or alive(pid)), 10)


def test_what_was_left_by_one_that_was_killed_is_gone_at_the_next_start(tmp_path: Path) -> None:
    server = serving(tmp_path, PROGRAM)
    with asking(next(server), "/bin/sh", "-c", "echo $TMPDIR $PPID; exec sleep 99") as one:
        assert one.stdout
        folder, handler = one.stdout.readline().split()
        os.kill(int(handler), signal.SIGKILL)
        one.wait(20)
    server.close()
    assert Path(folder).is_dir()
    for _ in serving(tmp_path, PROGRAM):
        until(lambda: not Path(folder).exists(), 10)


def test_a_command_that_is_missing_is_named(served: str) -> None:
    with asking(served, "/no/such/phantomjs") as one:
        assert one.communicate(timeout=20)[0] == "/no/such/phantomjs: No such file or directory\n"


def test_it_tells_which_program_serves_and_stops_with_all_that_it_runs(served: str) -> None:
    command = [sys.executable, str(PROGRAM)]
    assert subprocess.check_output([*command, "ask", served], text=True) == f"{DIGEST}\n"
    with asking(served, "/bin/sh", "-c", "echo $$; exec sleep 99") as one:
        assert one.stdout
        pid = int(one.stdout.readline())
        subprocess.check_call([*command, "stop", served])
        until(lambda: not alive(pid), 10)
    gone = subprocess.run([*command, "ask", served], capture_output=True, text=True, check=False)
    assert gone.returncode == 1 and "run fab deploy" in gone.stderr


def test_a_request_that_makes_no_sense_ends_nothing(served: str) -> None:
    for text in (b"", b"{", b"[]\n", json.dumps({"words": ["/bin/true"]}).encode() + b"\n"):
        with socket.socket(socket.AF_UNIX) as way:
            way.connect(served)
            way.sendall(text)
            way.shutdown(socket.SHUT_WR)
            assert way.recv(9) == b""
    with asking(served, "/bin/echo", "yes") as one:
        assert one.communicate(timeout=20)[0] == "yes\n"


RENDERS = """
import socket, sys, threading
hoard = []
def serve(one):
    asked = one.recv(99)
    if b"POST" in asked:
        hoard.append(b"x" * (int(sys.argv[1]) << 20))
        one.recv(99)
    elif sys.argv[2] == "answers":
        one.sendall(b"HTTP/1.0 403 no\\r\\n\\r\\n")
    else:
        threading.Event().wait()
    one.close()
place = sys.argv[3].split(":")
server = socket.socket()
server.bind((place[0], int(place[1])))
server.listen(9)
print("listens", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


TWICE = "import mmap, os, time; %s; os.fork(); more = b'y' * (%d << 20); time.sleep(99)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rendering(path: str, megabytes: int, how: str, port: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", RENDERS, str(megabytes), how, f"127.0.0.1:{port}"]
    one = asking(path, *words, PYSPIDER_MEMORY_MB="100")
    assert one.stdout and one.stdout.readline() == "listens\n"
    return one


def test_one_that_hangs_is_ended_with_the_reason(hasty: str) -> None:
    with rendering(hasty, 1, "hangs", free_port()) as one:
        assert "no answer at 127.0.0.1:" in one.communicate(timeout=30)[0]
        assert one.returncode == 1


def test_one_that_holds_too_much_is_ended_when_its_page_is_done(hasty: str) -> None:
    port = free_port()
    with rendering(hasty, 120, "answers", port) as one:
        with socket.create_connection(("127.0.0.1", port)) as page:
            page.sendall(b"POST / HTTP/1.0")
            with pytest.raises(subprocess.TimeoutExpired):
                one.wait(3)
        assert "MB, more than memory_mb = 100; it starts anew" in one.communicate(timeout=30)[0]
        assert one.returncode == 1


def test_the_memory_of_all_its_processes_counts(hasty: str) -> None:
    words = [sys.executable, "-c", TWICE % ("pass", 90), "127.0.0.1:9"]
    with asking(hasty, *words, PYSPIDER_MEMORY_MB="150") as one:
        assert "MB, more than memory_mb = 150; it starts anew" in one.communicate(timeout=30)[0]


def test_memory_that_processes_share_counts_once(hasty: str) -> None:
    shared = TWICE % ("both = mmap.mmap(-1, 90 << 20); both.write(bytes(90 << 20))", 1)
    with asking(hasty, sys.executable, "-c", shared, "127.0.0.1:9", PYSPIDER_MEMORY_MB="150") as one:
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(3)
        one.kill()


def test_one_within_its_limits_is_left_alone(hasty: str) -> None:
    with rendering(hasty, 1, "answers", free_port()) as one:
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(5)
        one.kill()


def test_an_answer_in_drops_is_waited_for_as_long_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    renderer = runpy.run_path(str(PROGRAM))
    monkeypatch.setitem(renderer["line"].__globals__, "SECONDS", 0.5)
    near, far = socket.socketpair()

    def drip() -> None:
        with suppress(OSError):
            while True:
                far.sendall(b"0")
                time.sleep(0.1)

    with near, far:
        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(TimeoutError):
            renderer["line"](near)
        near.close()
        dripping.join(10)
        assert not dripping.is_alive()
