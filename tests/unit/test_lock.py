"""The cluster's lock, through real sh on a real file system."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.exceptions import Exit

from fabfile.errors import Locked, Say, Unreachable, WrongInput
from fabfile.inventory import Fleet, Host, load, rotation
from fabfile.runs.lock import Lock, Owner, _me, _owner
from fabfile.runs.options import Options
from fabfile.runs.run import Run
from fabfile.runs.target import Target
from fabfile.ssh.pool import Links
from fabfile.ssh.protocol import Event, Message
from fabfile.steps.base import Found

from .hosts_toml import GOOD
from .local import PROJECT, LocalLink, OneLink
from .local import fleet as three


def lock(folder: Path) -> Lock:
    return Lock(LocalLink(), "demo", str(folder))


def foreign(folder: Path, *, machine: str = "elsewhere/1", pid: int = 1, age: float = 0) -> None:
    """A lock that somebody else holds, whose last sign of life was `age` seconds ago."""
    place = folder / "demo.lock"
    place.mkdir()
    owner = Owner("somebody", machine, pid, 1, "2026-01-01 00:00:00 +0000")
    (place / "owner").write_text(json.dumps(asdict(owner), sort_keys=True))
    os.utime(place / "owner", (time.time() - age, time.time() - age))


def test_it_is_held_and_then_free_again(tmp_path: Path) -> None:
    one = lock(tmp_path)
    with one.held():
        owner = one.owner()
        assert owner and owner.pid == os.getpid()
    assert one.owner() is None
    assert list(tmp_path.iterdir()) == []


def test_a_second_one_is_refused_with_the_owner_named(tmp_path: Path) -> None:
    foreign(tmp_path)
    with pytest.raises(Locked, match="demo is being changed by somebody on elsewhere"), lock(tmp_path).held():
        pytest.fail("two hold it")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.lock"]


def race(folder: Path) -> list[str]:
    """What becomes of two who want it at the same moment; the winner holds it until the other one knows."""
    start, over = threading.Barrier(2), threading.Barrier(2)
    results: list[str] = []

    def run() -> None:
        start.wait(10)
        try:
            with lock(folder).held():
                results.append("won")
                over.wait(10)
        except Locked:
            results.append("lost")
            over.wait(10)

    racers = [threading.Thread(target=run) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
    return sorted(results)


def test_twenty_races_have_exactly_one_winner_each(tmp_path: Path) -> None:
    assert [race(tmp_path) for _ in range(20)] == [["lost", "won"]] * 20


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    first, held = lock(tmp_path), threading.Event()

    def hold() -> None:
        with first.held():
            held.set()
            release.wait(10)

    release = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    threading.Timer(0.3, release.set).start()
    with lock(tmp_path).held(wait=20):
        assert release.is_set()
    holder.join(10)


def test_one_without_a_sign_of_life_expires(tmp_path: Path) -> None:
    foreign(tmp_path, age=200)
    assert lock(tmp_path).owner() is None
    with lock(tmp_path).held():
        pass


def test_one_whose_process_on_this_machine_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    foreign(tmp_path, machine=_me().machine, pid=ended.pid)
    with lock(tmp_path).held():
        pass


def test_one_that_is_dated_in_the_future_expires_from_now_on_and_is_not_taken_from_somebody_alive(
    tmp_path: Path,
) -> None:
    foreign(tmp_path, age=-86_400)
    owner = lock(tmp_path).owner()
    assert owner and owner.user == "somebody"
    date = (tmp_path / "demo.lock" / "owner").stat().st_mtime
    assert abs(date - time.time()) < 10
    with pytest.raises(Locked), lock(tmp_path).held():
        pytest.fail("two hold it")
    os.utime(tmp_path / "demo.lock" / "owner", (date - 61, date - 61))
    with lock(tmp_path).held():
        pass


@pytest.mark.parametrize("age", [200, -86_400])
def test_what_a_deployer_left_that_was_killed_on_the_way_is_in_nobodys_way_for_long(age: float, tmp_path: Path) -> None:
    foreign(tmp_path, age=200)
    for name in ("demo.lock.break", ".new.77", ".old.77"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    (tmp_path / ".new.77" / "owner").write_text("{}")
    os.utime(tmp_path / ".new.77", (time.time() - age, time.time() - age))
    with suppress(Locked), lock(tmp_path).held():
        pass
    for left in tmp_path.iterdir():
        os.utime(left, (time.time() - 61, time.time() - 61))
    with lock(tmp_path).held():
        pass
    with lock(tmp_path).held():
        assert [path.name for path in tmp_path.iterdir()] == ["demo.lock"]


def test_one_whose_process_on_this_machine_is_gone_is_held_by_nobody(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    foreign(tmp_path, machine=_me().machine, pid=ended.pid)
    assert lock(tmp_path).owner() is None
    assert lock(tmp_path).release() is None
    assert list(tmp_path.iterdir()) == []


def test_one_of_a_version_that_told_no_pid_namespace_is_read_and_expires(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    foreign(tmp_path, machine=_me().machine.rpartition("/")[0], pid=ended.pid)
    with pytest.raises(Locked, match=rf"demo is being changed by somebody on \S+ \(pid {ended.pid}\)"):
        lock(tmp_path)._acquire(_me(), 0)
    os.utime(tmp_path / "demo.lock" / "owner", (time.time() - 61, time.time() - 61))
    with lock(tmp_path).held():
        pass


ABOUT = """\
import json, os, subprocess, sys
from dataclasses import asdict, replace
from fabfile.runs.lock import _me
if len(sys.argv) > 2:
    os.setgroups([])
    os.setresgid(*[65534] * 3)
    os.setresuid(*[65534] * 3)
gone = subprocess.Popen(["true"])
gone.wait()
me, before = _me(), int(sys.argv[1])
owners = [me, *(replace(me, pid=pid, ticks=1) for pid in (before, gone.pid))]
print(json.dumps([[one.gone() for one in owners], asdict(me)]))
"""


def about(before: str, *words: str, as_nobody: bool = False) -> tuple[list[bool], Owner]:
    """Whether such a process holds nothing any more: itself, `before` (started at another time), one that has ended."""
    here = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [*words, sys.executable, "-c", ABOUT, before, *["nobody"] * as_nobody]
    told = subprocess.run(argv, env=here, cwd="/", capture_output=True, text=True, check=True, timeout=60)
    seen, me = json.loads(told.stdout)
    return seen, Owner(**me)


def test_a_process_is_gone_where_its_pid_is_free_or_another_process_has_it() -> None:
    assert about(str(os.getpid()))[0] == [False, True, True]


@pytest.mark.skipif(os.getuid() != 0, reason="only root hides processes")
def test_a_process_that_this_user_is_not_let_see_is_alive_and_its_lock_expires() -> None:
    hidden = 'mount -o remount,hidepid=2 /proc && "$@"; exit $?'
    words = ("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", hidden, "sh")
    assert about("1", *words, as_nobody=True)[0] == [False, False, True]


@pytest.mark.skipif(os.getuid() != 0, reason="only root begins a pid namespace")
@pytest.mark.parametrize("proc", ["--mount-proc", "--kill-child"])
def test_a_process_of_another_pid_namespace_is_alive(proc: str) -> None:
    """Two containers of one machine may share its name; the second one's /proc may be the machine's own."""
    seen, inside = about("1", "unshare", "--pid", "--fork", proc)
    assert seen[0] is False
    assert inside.machine != _me().machine and inside.host == _me().host
    assert not inside.gone()


def test_release_takes_it_away_and_says_from_whom(tmp_path: Path) -> None:
    foreign(tmp_path)
    owner = lock(tmp_path).release()
    assert owner and owner.user == "somebody"
    assert lock(tmp_path).owner() is None


def test_a_run_that_lost_its_lock_does_not_release_the_next_one(tmp_path: Path) -> None:
    mine = lock(tmp_path)
    with mine.held():
        mine.release()
        foreign(tmp_path)
    owner = mine.owner()
    assert owner and owner.user == "somebody"


def takes(folder: Path) -> None:
    """Somebody else takes the lock, rightly: it has expired."""
    shutil.rmtree(folder / "demo.lock")
    foreign(folder)


class Told(list[str]):
    """What a host is told to do; at the first end of a program there something else happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self._happens = happens

    def append(self, words: str) -> None:
        super().append(words)
        if words.startswith("stop"):
            self._happens()


@contextmanager
def losing(folder: Path, run: Run, host: Any) -> Iterator[None]:
    """A run that loses its lock when it has ended a program on this simulated host."""
    with lock(folder).held() as hold:

        def lose() -> None:
            if not hold.lost:
                takes(folder)
                hold.beat()

        host.told = Told(lose)
        run.holds.append(hold)
        yield
        assert hold.lost


def test_a_run_is_told_who_has_taken_its_lock(tmp_path: Path) -> None:
    with lock(tmp_path).held() as hold:
        hold.beat()
        assert hold.lost == ""
        takes(tmp_path)
        hold.beat()
        assert "suspended or could not reach" in hold.lost and "somebody on elsewhere (pid 1) since" in hold.lost
        shutil.rmtree(tmp_path / "demo.lock")
    assert "somebody on elsewhere" in hold.lost


def test_a_lock_that_nobody_took_is_renewed(tmp_path: Path) -> None:
    with lock(tmp_path).held() as hold:
        file = tmp_path / "demo.lock" / "owner"
        os.utime(file, (time.time() - 200, time.time() - 200))
        hold.beat()
        assert hold.lost == "" and time.time() - file.stat().st_mtime < 60


def test_a_lock_that_others_have_had_meanwhile_is_lost_as_well(tmp_path: Path) -> None:
    with lock(tmp_path).held() as hold:
        lock(tmp_path).release()
        hold.beat()
        assert "it was released, or others have had it since" in hold.lost


def test_after_a_sleep_the_lock_is_asked_for_before_anything_new_is_begun(tmp_path: Path) -> None:
    with lock(tmp_path).held() as hold:
        takes(tmp_path)
        assert hold.lost == ""
        # As the clock stands after a minute in which no beat came.
        hold._asked -= 61
        assert "somebody on elsewhere" in hold.lost


class Wobbly(LocalLink):
    """A host that can be reached at times."""

    away = False

    def exchange(self, message: Message, on_event: Callable[[Event], None] = lambda _: None) -> dict[int, Found]:
        if self.away:
            raise Unreachable("node1: no route to host")
        return super().exchange(message, on_event)


def test_where_the_lock_can_not_be_seen_the_run_goes_on(tmp_path: Path) -> None:
    link = Wobbly()
    with Lock(link, "demo", str(tmp_path)).held() as hold:
        takes(tmp_path)
        link.away = True
        hold.beat()
        assert hold.lost == ""
        link.away = False
        hold.beat()
        assert hold.lost


def in_batches(folder: Path, json: bool, whole: bool = False) -> tuple[list[str], int]:
    """The hosts on which a run worked that loses its lock on the first one, and its exit status."""
    chosen, worked = three(), list[str]()
    target = Target(chosen, chosen.hosts, (), AnyLinks(LocalLink()), Settings())
    run = Run(target, Options(batch="1", json=json))

    def work(host: Host, _say: Say) -> None:
        worked.append(host.name)
        takes(folder) if len(worked) == 1 else None
        run.holds[0].beat()

    with lock(folder).held() as hold, run.whole() if whole else nullcontext():
        run.holds.append(hold)
        for batch in run.batches(chosen.hosts):
            run.each(work, batch)
    with pytest.raises(Exit) as ended:
        run.finish()
    assert "fab: the run was stopped: the lock of demo was lost" in str(ended.value.message)
    with pytest.raises(Locked, match="somebody on elsewhere"):
        run.still_locked()
    return worked, ended.value.code


def test_a_run_that_has_lost_its_lock_begins_no_other_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worked, status = in_batches(tmp_path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (worked, status, told["ok"]) == (["node1"], 1, False)
    assert "somebody on elsewhere" in told["hosts"]["node2"]["cause"]


def test_work_that_is_not_left_in_the_middle_ends_and_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worked, status = in_batches(tmp_path, json=True, whole=True)
    assert (worked, status) == (["node1", "node2", "node3"], Locked.exit_status)
    assert json.loads(capsys.readouterr().out)["ok"] is False


class Away(LocalLink):
    """A host that can't be reached, so that nobody can hold the cluster's lock."""

    def exchange(self, *_: object) -> dict[int, Found]:
        raise Unreachable("node1: no route to host")


class Settings(dict[str, Links]):
    run = SimpleNamespace(dry=False)


class AnyLinks(OneLink):
    def prepare(self, *_: object) -> Links:
        return self


def begun(folder: Path) -> tuple[Run, Fleet]:
    """A run that has read its files, and waits for its lock."""
    (folder / "hosts.toml").write_text(GOOD)
    fleet, links = load(folder / "hosts.toml"), AnyLinks(Away())
    return Run(Target(fleet, fleet.hosts, (), links, Settings(links=links), read=fleet)), fleet


def test_a_run_goes_on_with_the_files_that_it_has_read(tmp_path: Path) -> None:
    run, fleet = begun(tmp_path)
    # It may bring the hosts to something else than the files say yet, as a move of the scheduler does.
    run.target = replace(run.target, fleet=replace(fleet, hosts=fleet.hosts[:1]))
    with run.locked():
        pass


@pytest.mark.parametrize("what", ["hosts.toml", "a password"])
def test_a_run_that_was_made_from_older_files_is_refused(tmp_path: Path, what: str) -> None:
    """It would bring back what the run has changed for which it has waited: a scheduler that moved, a password."""
    run, fleet = begun(tmp_path)
    if what == "hosts.toml":
        fleet.path.write_text(GOOD.replace("processor = 2", "processor = 3"))
    else:
        rotation.in_use(fleet.passwords_path, rotation.begun(fleet.passwords_path, ["mysql"]))
    with pytest.raises(Locked, match=r"hosts\.toml or a password has changed since this run read it"), run.locked():
        pytest.fail("it went on")


def test_a_run_that_was_made_from_a_file_that_has_a_fault_by_now_tells_the_fault(tmp_path: Path) -> None:
    run, fleet = begun(tmp_path)
    fleet.path.write_text(GOOD.replace("processor = 2", "procesor = 2"))
    with pytest.raises(WrongInput, match="did you mean 'processor'"), run.locked():
        pytest.fail("it went on")


@pytest.mark.parametrize(
    "text", ['{"machine": 5}', "[]", "", '{"user": "a", "machine": "b", "pid": "../x", "ticks": 1, "since": ""}']
)
def test_an_owner_that_makes_no_sense_is_nobody(text: str) -> None:
    assert _owner(text) is None
