"""A deploy goes turn by turn; a turn whose programs fail goes back, and the others keep their release."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fabfile.errors import Unreachable
from fabfile.health.pulse import KEY
from fabfile.runs.run import Run
from fabfile.steps.base import Found
from fabfile.tasks import operate, trying
from fabfile.tasks.rolling import _went_back, roll
from fabfile.tasks.split import split

from . import sights, simulated
from .simulated import OLD, Simulated
from .test_lock import losing

server, fleet, cluster = simulated.server, simulated.fleet, simulated.cluster


def rolled(cluster: Simulated, **flags: str) -> Run:
    run = cluster.run(**flags)
    looked = cluster.look(run)
    for number, batch in enumerate(run.batches(cluster.fleet.hosts)):
        roll(run, cluster.look(run, batch) if number else looked, batch, lambda hosts: cluster.look(run, hosts))
    return run


def test_half_of_each_role_at_a_time_and_in_the_order_of_the_crawl(cluster: Simulated) -> None:
    run = rolled(cluster)
    assert set(cluster.outcomes(run).values()) == {"changed"}
    assert set(cluster.now().values()) == {"new"}
    node2, node3 = cluster.hosts["node2"].told, cluster.hosts["node3"].told
    assert node2 == [
        "current new", "stop fetcher1", "stop processor1 processor2", "stop result_worker1",
        "restart result_worker1 processor1 processor2 fetcher1",
    ]  # fmt: skip
    assert node3[0] == "current new"


def test_a_program_that_does_not_come_up_takes_its_turn_back_and_nobody_else_changes(cluster: Simulated) -> None:
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled(cluster)
    assert cluster.now() == {"node1": "old", "node2": "old", "node3": "old"}
    assert cluster.hosts["node3"].told == []
    assert cluster.outcomes(run) == {"node1": "failed", "node2": "failed", "node3": "not reached"}
    causes = cluster.causes(run)
    assert causes["node1"] == f"went back, since the new release failed on node2; release {OLD} runs there again"
    assert causes["node2"].endswith(f"exit status 1; release {OLD} runs there again")
    (outcome,) = run.recorder.outcomes([cluster.fleet.host("node2")])
    assert "ImportError: no module x" in outcome.detail
    assert run.stopped == "the run was stopped: the programs of the new release failed on node2"
    for host in cluster.hosts.values():
        assert {one["state"] for one in host.programs.values()} == {"RUNNING"}
        assert {one["release"] for one in host.programs.values()} == {"01d"}


def test_a_host_of_the_turn_without_a_program_to_restart_goes_back_as_well(cluster: Simulated) -> None:
    node1 = cluster.hosts["node1"]
    node1.prints[OLD] = node1.prints[node1.new]
    for name in node1.programs:
        node1.begin(name)
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled(cluster)
    assert node1.told == ["current new", "current old"]
    assert cluster.now() == {"node1": "old", "node2": "old", "node3": "old"}
    assert cluster.causes(run)["node1"].startswith("went back, since the new release failed on node2; release")


def test_programs_that_fail_at_their_messages_go_back_and_so_do_the_messages(
    cluster: Simulated, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.hosts["node2"].breaks = {"processor1": "failing", "processor2": "failing"}
    run = rolled(cluster)
    assert set(cluster.now().values()) == {"old"}
    assert "processor1: all its messages failed, the last with: KeyError: 'x'" in cluster.causes(run)["node2"]
    client = cluster.hosts["node1"].server.client
    assert sorted(client.lrange("fetcher2processor", 0, -1)) == [b"page of processor1", b"page of processor2"]
    assert client.llen("fetcher2processor:failed") == 0
    assert "2 messages at which the new release failed are back in fetcher2processor" in capsys.readouterr().err


def test_a_turn_that_fails_goes_back_at_once(cluster: Simulated) -> None:
    cluster.hosts["node1"].breaks = {"scheduler": "silent"}
    cluster.hosts["node2"].breaks = {"processor1": "failing"}
    run = rolled(cluster)
    assert set(cluster.now().values()) == {"old"}
    assert cluster.causes(run)["node1"].startswith("went back, since the new release failed on node2")


def test_a_later_turn_that_fails_leaves_the_ones_before_on_the_new_release(cluster: Simulated) -> None:
    cluster.hosts["node3"].breaks = {"fetcher1": "fatal"}
    run = rolled(cluster)
    assert cluster.now() == {"node1": "new", "node2": "new", "node3": "old"}
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "changed", "node3": "failed"}


def test_a_cluster_that_is_split_between_two_releases_is_told_with_the_way_on(cluster: Simulated) -> None:
    cluster.hosts["node3"].breaks = {"fetcher1": "fatal"}
    run = rolled(cluster)
    assert split(run) == (
        "the hosts are split: the new release is on node1, node2\n"
        "  not on node3\n"
        "one again: mend the cause, then `fab deploy`; or go back there: `fab -H node1,node2 rollback`\n"
    )
    everything = run.target
    run.target = replace(everything, roles=("fetcher", "scheduler"))
    told = split(run)
    run.target = everything
    assert "`fab deploy --role fetcher,scheduler`" in told
    assert "`fab -H node1,node2 rollback --role fetcher,scheduler`" in told
    cluster.hosts["node3"].down = True
    told = split(run)
    assert "  not known: node3\n" in told and "rollback" not in told
    cluster.hosts["node3"].down = False
    cluster.hosts["node3"].breaks = {}
    again = rolled(cluster)
    assert split(again) == "" and set(cluster.now().values()) == {"new"}


def test_a_host_whose_first_release_this_is_is_not_sent_back(cluster: Simulated) -> None:
    cluster.hosts["node3"].breaks = {"fetcher1": "fatal"}
    run = rolled(cluster)
    cluster.hosts["node2"].first = True
    assert split(run).splitlines()[-1] == (
        "one again: mend the cause, then `fab deploy`; "
        "or go back there: `fab -H node1 rollback` (node2: no older release is there)"
    )
    cluster.hosts["node1"].first = True
    assert split(run).splitlines()[-1] == "one again: mend the cause, then `fab deploy`"


def test_a_deploy_that_went_back_everywhere_splits_nothing(cluster: Simulated) -> None:
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled(cluster)
    assert set(cluster.now().values()) == {"old"} and split(run) == ""


def test_with_failures_allowed_only_the_failing_host_goes_back(cluster: Simulated) -> None:
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled(cluster, max_fail="1")
    assert cluster.now() == {"node1": "new", "node2": "old", "node3": "new"}
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "failed", "node3": "changed"}


def test_batches_of_the_operators_stop_at_the_first_that_fails(cluster: Simulated) -> None:
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled(cluster, batch="1")
    assert cluster.now() == {"node1": "new", "node2": "old", "node3": "old"}
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "failed", "node3": "not reached"}


def test_a_program_that_tells_nothing_of_its_work_goes_back(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying.trial, "SPARE_SECONDS", -100)
    cluster.hosts["node2"].breaks = {"processor2": "silent"}
    run = rolled(cluster)
    assert set(cluster.now().values()) == {"old"}
    assert "processor2: it tells nothing of its work" in cluster.causes(run)["node2"]


def test_a_web_ui_whose_page_is_not_right_goes_back(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying.trial, "SPARE_SECONDS", -100)
    cluster.hosts["node1"].page = False
    run = rolled(cluster)
    assert cluster.now()["node1"] == "old"
    assert "webui1: its page is not right: 500" in cluster.causes(run)["node1"]


def test_a_release_that_supervisord_itself_has_brought_back_is_left_alone(cluster: Simulated) -> None:
    run, node2 = cluster.run(), cluster.hosts["node2"]
    # It runs with its own configuration, and answers on another socket than the new one.
    node2.away = True
    assert _went_back(run, node2.host, OLD, lambda _: None) is None
    assert node2.told == []


def test_a_program_that_has_ended_before_its_trial_does_not_pass() -> None:
    states = (("RUNNING", 7), ("BACKOFF", None), ("FATAL", None), ("STOPPED", None), ("EXITED", None))
    names = [f"processor{number}" for number in range(1, 6)]
    one, two, three, four, five = names
    programs = [{"name": name, "state": state, "pid": pid} for name, (state, pid) in zip(names, states, strict=True)]
    seen = sights.sight(programs=programs, stopped=[four])
    assert trying._begun(seen, {one: 6, two: 5, three: None, four: 4}, names) == {one: 7, two: 0, five: 0}
    assert trying._begun(seen, {one: 7, two: None, three: None, four: 4, five: None}, names) == {}


def test_a_host_that_is_lost_in_its_trial_stops_the_others(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    node2 = cluster.hosts["node2"]
    changed = node2.changed

    def lost(verb: str, options: dict[str, Any]) -> Found:
        found = changed(verb, options)
        node2.down = verb == "apply"
        return found

    monkeypatch.setattr(node2, "changed", lost)
    run = rolled(cluster)
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "unreachable", "node3": "not reached"}
    assert "the programs on node2 can't be seen" in run.stopped


def test_a_host_that_is_lost_while_its_programs_restart_stops_the_others(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> Found:
        raise Unreachable("the connection was lost in the middle of a command")

    monkeypatch.setattr(cluster.hosts["node2"], "changed", lost)
    run = rolled(cluster)
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "unreachable", "node3": "not reached"}


def test_where_redis_does_not_answer_nothing_goes_back_and_nothing_goes_on(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(cluster, monkeypatch, lambda: bool(cluster.hosts["node2"].told))
    run = rolled(cluster)
    assert cluster.now() == {"node1": "new", "node2": "new", "node3": "old"}
    assert "can't be judged: " in cluster.causes(run)["node2"]
    assert cluster.outcomes(run)["node3"] == "not reached"


def test_where_redis_could_never_be_asked_programs_are_judged_by_supervisord_and_that_is_said(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(cluster, monkeypatch, lambda: True)
    run = rolled(cluster)
    assert set(cluster.now().values()) == {"new"}
    assert set(cluster.outcomes(run).values()) == {"changed"}
    assert "nothing is known of the programs' work, only whether they run: Redis: no" in capsys.readouterr().err


def cut(cluster: Simulated, monkeypatch: pytest.MonkeyPatch, when: Callable[[], bool]) -> None:
    """No way leads to Redis, as soon as it is so."""
    way = cluster.hosts["node1"].tunnel

    def tunnel(*words: Any) -> socket.socket:
        if when():
            raise OSError(111, "Connection refused")
        return way(*words)

    for host in cluster.hosts.values():
        monkeypatch.setattr(host, "tunnel", tunnel)


def test_a_host_that_is_down_hides_nobody_else(cluster: Simulated) -> None:
    cluster.hosts["node3"].down = True
    run = rolled(cluster)
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "changed", "node3": "unreachable"}
    # Nobody else has a processor now: one of the two runs on.
    assert [one for one in cluster.hosts["node2"].told if one.startswith("restart")] == [
        "restart result_worker1 processor1 fetcher1", "restart processor2",
    ]  # fmt: skip


def test_a_host_on_which_nothing_was_deployed_has_nothing_to_go_back_to(cluster: Simulated) -> None:
    for host in cluster.hosts.values():
        host.current, host.programs = "", {}
        host.breaks = {"processor1": "fatal"}
    run = rolled(cluster)
    assert cluster.outcomes(run) == {"node1": "changed", "node2": "failed", "node3": "failed"}
    assert set(cluster.now().values()) == {"new"}


def rolled_without_its_lock(cluster: Simulated, folder: Path) -> Run:
    """A deploy beside which somebody else takes the lock, while programs of its first turn are down."""
    run = cluster.run()
    with losing(folder, run, cluster.hosts["node2"]):
        roll(run, cluster.look(run), cluster.fleet.hosts, lambda hosts: cluster.look(run, hosts))
    return run


def test_a_run_that_loses_its_lock_ends_its_turn_and_begins_no_other(cluster: Simulated, tmp_path: Path) -> None:
    run = rolled_without_its_lock(cluster, tmp_path)
    assert cluster.hosts["node2"].told[-1] == "restart result_worker1 processor1 processor2 fetcher1"
    assert cluster.hosts["node3"].told == []
    assert cluster.now() == {"node1": "new", "node2": "new", "node3": "old"}
    assert cluster.outcomes(run)["node3"] == "not reached"
    for host in cluster.hosts.values():
        assert {one["state"] for one in host.programs.values()} == {"RUNNING"}


def test_a_run_that_has_lost_its_lock_takes_no_release_back(cluster: Simulated, tmp_path: Path) -> None:
    """Another run has the hosts by then."""
    cluster.hosts["node2"].breaks = {"processor1": "fatal"}
    run = rolled_without_its_lock(cluster, tmp_path)
    assert cluster.now() == {"node1": "new", "node2": "new", "node3": "old"}
    assert cluster.causes(run)["node2"].endswith("exit status 1")
    assert cluster.outcomes(run)["node3"] == "not reached"


def restarted(cluster: Simulated, monkeypatch: pytest.MonkeyPatch, *words: str, **flags: str) -> Run:
    """`fab restart`, with the lock and the recap left out."""
    run = cluster.run(**flags)
    monkeypatch.setattr(operate, "target", lambda *_: run.target)
    monkeypatch.setattr(operate, "Run", lambda *_: run)
    monkeypatch.setattr(run, "_enter", lambda _: None)
    monkeypatch.setattr(run, "finish", lambda: None)
    operate.restart(None, run.options, words, "0")
    return run


def test_a_restart_goes_the_same_way(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    run = restarted(cluster, monkeypatch, "processor")
    assert cluster.hosts["node2"].told == ["stop processor1 processor2", "restart processor1 processor2"]
    assert cluster.outcomes(run) == {"node1": "ok", "node2": "changed", "node3": "changed"}


def test_a_release_that_has_no_pulse_yet_restarts_as_well(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in cluster.hosts.values():
        host.current = host.new
        host.breaks = {"processor1": "silent", "processor2": "silent"}
    cluster.hosts["node1"].server.client.delete(KEY)
    run = restarted(cluster, monkeypatch, "processor")
    assert cluster.outcomes(run) == {"node1": "ok", "node2": "changed", "node3": "changed"}


def test_a_program_that_was_not_meant_and_ends_meanwhile_is_no_fault_of_a_restart(
    cluster: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    node2 = cluster.hosts["node2"]
    changed = node2.changed

    def flapping(verb: str, options: dict[str, Any]) -> Found:
        node2.programs["fetcher1"] |= {"state": "BACKOFF", "pid": None}
        return changed(verb, options)

    monkeypatch.setattr(node2, "changed", flapping)
    run = restarted(cluster, monkeypatch, "processor")
    assert cluster.outcomes(run) == {"node1": "ok", "node2": "changed", "node3": "changed"}


def test_a_restart_stops_where_programs_fail(cluster: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in cluster.hosts.values():
        host.current = host.new
    cluster.hosts["node2"].breaks = {"processor1": "failing"}
    run = restarted(cluster, monkeypatch, "processor")
    assert cluster.hosts["node3"].told == []
    assert cluster.outcomes(run) == {"node1": "ok", "node2": "failed", "node3": "not reached"}
    assert "KeyError: 'x'" in cluster.causes(run)["node2"]
