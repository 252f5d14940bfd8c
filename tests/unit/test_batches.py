"""Batches, failure budgets, and what is kept for --retry-failed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit

from fabfile.errors import Say, WrongInput
from fabfile.inventory import Host, load
from fabfile.runs.batches import Pace, share
from fabfile.runs.options import whole_number
from fabfile.runs.outcomes import Outcome, Recorder
from fabfile.runs.retry import LastRun
from fabfile.runs.run import Run
from fabfile.runs.target import Target
from fabfile.ssh.pool import Links

from .hosts_toml import GOOD
from .local import LocalLink, OneLink, fleet


@pytest.mark.parametrize(
    ("batch", "total", "sizes"),
    [
        ("", 5, [5]),
        ("2", 5, [2, 2, 1]),
        ("9", 5, [5]),
        ("50%", 5, [2, 2, 1]),
        ("1%", 3, [1, 1, 1]),
        ("100%", 3, [3]),
        ("1", 0, []),
    ],
)
def test_hosts_come_in_batches_and_none_is_left_out(batch: str, total: int, sizes: list[int]) -> None:
    batches = [list(one) for one in Pace.of(batch, "").batches(range(total), total)]
    assert [len(one) for one in batches] == sizes
    assert [item for one in batches for item in one] == list(range(total))


@pytest.mark.parametrize(
    ("batch", "max_fail", "failed", "stops"),
    [
        ("", "", 10, False),
        ("2", "", 0, False),
        ("2", "", 1, True),
        ("2", "1", 1, False),
        ("", "1", 2, True),
        ("", "0", 1, True),
        ("", "0%", 1, True),
        ("", "25%", 2, False),
        ("", "25%", 3, True),
        ("", "29%", 3, True),
        ("", "100%", 10, False),
    ],
)
def test_a_run_stops_when_more_failed_than_allowed(batch: str, max_fail: str, failed: int, stops: bool) -> None:
    assert Pace.of(batch, max_fail).too_many(failed, 10) is stops


@pytest.mark.parametrize("text", ["0", "0%", "150%", "101%", "abc", "-1", "1.5", "%", "2 %", "٣", "9" * 5000, "1e3"])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match=r"--batch .*: give a number of hosts from 1 on"):
        share("--batch", text, 1)


@pytest.mark.parametrize("text", ["x", "-1", "٣", "9" * 5000, "1.0", ""])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match=r"--lock-wait .*: give a whole number from 0 on"):
        whole_number("--lock-wait", text, 0)


def test_no_failure_is_allowed_as_a_budget() -> None:
    assert share("--max-fail", "0", 0) is not None
    assert share("--max-fail", "", 0) is None


def last(folder: Path, cluster: str = "demo", task: str = "deploy") -> LastRun:
    folder.mkdir(exist_ok=True)
    (folder / "hosts.toml").touch()
    return LastRun(folder / "hosts.toml", cluster, task)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_run_is_kept_per_cluster_file_and_task_and_for_its_owner_alone(tmp_path: Path) -> None:
    last(tmp_path).keep(["node2", "root@192.0.2.9"])
    last(tmp_path, task="bootstrap").keep([])
    assert last(tmp_path).left() == ("node2", "root@192.0.2.9")
    assert last(tmp_path, task="bootstrap").left() == ()
    for other in (last(tmp_path, cluster="other"), last(tmp_path / "elsewhere"), last(tmp_path, task="run")):
        with pytest.raises(WrongInput, match="has not run on"):
            other.left()
    files = list((tmp_path / "cache").rglob("*.*"))
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_later_run_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    last(tmp_path).keep(["node1"])
    last(tmp_path).keep([])
    assert last(tmp_path).left() == ()


def test_runs_of_a_file_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    gone = last(tmp_path / "gone")
    gone.keep(["node1"])
    gone.path.unlink()
    last(tmp_path).keep(["node1"])
    assert last(tmp_path).left() == ("node1",)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


def test_ctrl_c_between_two_phases_ends_with_the_recap_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hosts.toml").write_text(GOOD)
    two = load(tmp_path / "hosts.toml")
    dry = SimpleNamespace(run=SimpleNamespace(dry=True))
    run = Run(Target(two, two.hosts, (), Links(), dry))
    with pytest.raises(Exit) as caught, run.locked():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert "2 hosts: 2 not reached" in capsys.readouterr().out


def test_ctrl_c_passes_through_a_run_that_leaves_the_report_to_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    config = SimpleNamespace(run=SimpleNamespace(dry=False))
    run = Run(Target(fleet(), fleet().hosts, (), OneLink(LocalLink()), config), reports=False)

    def stopped(_host: Host, say: Say) -> None:
        say("working")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.each(stopped)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"left": 3}', b'{"right": []}'])
def test_a_damaged_record_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    last(tmp_path).keep([])
    next((tmp_path / "cache").rglob("*.json")).write_bytes(content)
    with pytest.raises(WrongInput, match="the record of the last deploy can't be read"):
        last(tmp_path).left()


def test_a_host_that_was_only_looked_at_is_not_reached_though_it_was_well() -> None:
    recorder, hosts = Recorder(), [Host(name, "192.0.2.1") for name in ("a", "b", "c")]
    for host in hosts:
        recorder.add(Outcome(host.name, "ok"), unfinished=True)
    recorder.add(Outcome("a", "changed", ("one",)))
    recorder.add(Outcome("b", "failed", cause="broke"), unfinished=True)
    assert [one.status for one in recorder.outcomes(hosts)] == ["changed", "failed", "not reached"]
    assert recorder.failures(hosts) == 1
    assert recorder.going_on(hosts[2])
