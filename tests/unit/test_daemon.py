"""supervisord itself: tables of what was found, with systemd and without."""

from __future__ import annotations

from typing import Any

import pytest

from fabfile.steps.base import CannotLook, Found
from fabfile.steps.daemon import Supervisord
from fabfile.steps.programs import Programs
from fabfile.steps.supervisor import Place

from . import sights

PLACE = Place("work", "/h", "/l", "/etc/supervisord.conf", "/s.sock", "/opt/python", unit="pyspider-demo")
STEP = Supervisord(PLACE, "d1", stop_seconds=70)
SOME_ROLES = Supervisord(PLACE, "d1", keep_running=True)
END = "end the supervisord that does not answer"
START = "start supervisord (pyspider-demo.service)"
MOVE = "move supervisord into pyspider-demo.service"
RESTART = "restart supervisord (pyspider-demo.service): its own configuration changed"


def found(live: int | None, others: dict[int, str], main: int | str | None = "no systemd") -> Found:
    """`live` answers; `others` are the supervisords that there are, with their configurations' digests."""
    server: dict[str, Any] = {"answers": live is not None, "pid": live, "state": "RUNNING", "errno": 111}
    return sights.found(
        supervisord=server,
        supervisords=[{"pid": pid, "ticks": 1, "conf": conf} for pid, conf in others.items()],
        unit=None if main == "no systemd" else {"main": main, "state": "running"},
        programs=[{"name": "fetcher1", "state": "RUNNING", "pid": 9, "release": "r1", "log": True}],
        current="releases/r0",
    )


def says(step: Supervisord, answer: Found) -> list[str]:
    return [action.says for action in step.diff(answer)]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (found(5, {5: "d1"}), []),
        (found(None, {}), ["start supervisord"]),
        (found(5, {5: "d0"}), ["stop supervisord: its own configuration changed", "start supervisord"]),
        (found(None, {5: "d1"}), [END, "start supervisord"]),
        (found(5, {5: "d1", 6: "d1"}), [END]),
    ],
)
def test_without_systemd_it_is_started_as_its_user(answer: Found, wanted: list[str]) -> None:
    assert says(STEP, answer) == wanted
    assert not any("systemctl" in action.script for action in STEP.diff(answer))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (found(5, {5: "d1"}, main=5), []),
        (found(None, {}, main=0), [START]),
        # The main process lives and does not answer: a restart ends it.
        (found(None, {5: "d1"}, main=5), [START]),
        (found(None, {6: "d1"}, main=5), [END, START]),
        (found(5, {5: "d0"}, main=5), [RESTART]),
        (found(5, {5: "d1"}, main=0), [MOVE]),
        (found(5, {5: "d0"}, main=0), [MOVE]),
        (found(5, {5: "d1"}, main=6), [MOVE]),
        (found(5, {5: "d1", 6: "d1"}, main=5), [END]),
    ],
)
def test_where_systemd_runs_it_is_started_by_its_unit_and_no_other_way(answer: Found, wanted: list[str]) -> None:
    assert says(STEP, answer) == wanted


@pytest.mark.parametrize(
    ("answer", "before"),
    [
        (found(None, {}), "null"),
        (found(5, {5: "d0"}), '{"conf": "d0"}'),
        (found(None, {5: "d0"}), '{"conf": "d0"}'),
        (found(5, {5: "d0"}, main=5), '{"conf": "d0"}'),
        (found(5, {5: "d0"}, main=0), '{"conf": "d0"}'),
    ],
)
def test_what_ran_before_is_known_to_whoever_starts_the_next(answer: Found, before: str) -> None:
    script = STEP.diff(answer)[-1].script
    assert f'"before": {before}' in script
    assert "ln -sfn releases/r0 .current.back" in script


@pytest.mark.parametrize("answer", [found(5, {5: "d0"}, main=5), found(5, {5: "d1"}, main=0), found(5, {5: "d0"})])
def test_a_deploy_of_some_roles_leaves_a_daemon_that_answers_alone(answer: Found) -> None:
    assert says(SOME_ROLES, answer) == []


def test_a_daemon_is_given_the_time_that_its_programs_need() -> None:
    (move,) = STEP.diff(found(5, {5: "d1"}, main=0))
    assert '["SIGTERM", 70]' in move.script
    assert move.limit > 70 + 30


def test_a_systemd_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(CannotLook, match="systemd does not answer"):
        STEP.diff(found(5, {5: "d1"}, main=None))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (found(5, {5: "d1"}, main=5), []),
        (found(5, {5: "d1", 6: "d1"}, main=5), []),
        (found(5, {5: "d1"}, main=0), ["wait for fetcher1"]),
        (found(5, {5: "d0"}, main=5), ["wait for fetcher1"]),
        (found(5, {5: "d0"}), ["wait for fetcher1"]),
        (found(None, {}), ["wait for fetcher1"]),
    ],
)
def test_programs_are_waited_for_wherever_their_supervisord_starts(answer: Found, wanted: list[str]) -> None:
    step = Programs(PLACE, (("fetcher1", "r1"),), frozenset({"fetcher1"}), daemon=STEP)
    assert [action.says for action in step.diff(answer)] == wanted
