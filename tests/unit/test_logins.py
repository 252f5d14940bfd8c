"""What the stores said to the release's own credentials, and what deploy makes of it."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fabfile import plan
from fabfile.errors import Problem
from fabfile.inventory import Fleet
from fabfile.remote import ask, logins
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.logins import KeptLogins, Logins
from fabfile.steps.supervisor import Place

from .local import LocalLink
from .servers import redis, serving

PARTS = ("", ".errors", ".network")
STEP = Logins("/opt/python", b"{}")
IN = {"errno": 0, "error": None}
LET_IN: dict[str, Any] = {
    "mysql": {"taskdb": IN, "projectdb": IN, "resultdb": IN},
    "redis": {"error": None, "code": ""},
}


def said(**more: Any) -> Found:
    return Found(0, "a warning of Python's\n" + json.dumps(LET_IN | more) + "\n")


@pytest.mark.parametrize(
    "more",
    [{}, {"mysql": {}}, {"redis": None}, {"mysql": {"taskdb": {"errno": 1049, "error": "Unknown database"}}}],
)
def test_who_is_let_in_may_go_on(more: dict[str, Any]) -> None:
    assert STEP.diff(said(**more)) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"mysql": {"taskdb": {"errno": 1045, "error": "1045: Access denied"}}},
            "MySQL refuses the user or its password",
        ),
        (
            {"mysql": {"a": IN, "b": {"errno": 1044, "error": "x"}}},
            r"MySQL does not let the user into the database \(b: x\)",
        ),
        ({"mysql": {"a": {"errno": None, "error": "TLS"}}}, r"MySQL does not let it in \(a: TLS\)"),
        (
            {"mysql": {name: {"errno": 2026, "error": "x"} for name in "ab"}},
            r"^MySQL gives no TLS that this host trusts \(a, b: x\); correct tls, ca or host in [^;]*$",
        ),
        ({"redis": {"error": "x", "code": "tls"}}, r"Redis gives no TLS that this host trusts \(x\); correct tls,"),
        ({"redis": {"error": "WRONGPASS no", "code": "WRONGPASS"}}, r"Redis refuses the password \(WRONGPASS no\)"),
        ({"redis": {"error": "x", "code": "sentinel"}}, r"Redis there is a Sentinel \(x\); name the master itself in"),
        (
            {"redis": {"error": "CLUSTER x", "code": "cluster"}},
            r"^Redis runs in cluster mode, .*; name a Redis out of cluster mode in \[stores.redis\]$",
        ),
        ({"redis": {"error": "x", "code": "full"}}, r"^Redis has as many clients as it takes \(x\); raise maxclients"),
        ({"redis": {"error": "x", "code": "db"}}, r"^Redis has no database of this number \(x\); write a smaller db"),
        ({"redis": {"error": "gone", "code": "refused"}}, r"Redis does not let it in \(gone\); run `fab bootstrap`"),
        (
            {"redis": {"error": "NOPERM the user u lacks +get", "code": "NOPERM"}},
            r"^Redis does not allow its user what programs do there \(NOPERM .* \+get\); allow it by ACL SETUSER there",
        ),
        (
            {"redis": {"error": "it is old", "code": "old"}},
            r"^Redis knows no users \(it is old\); take username out of",
        ),
    ],
)
def test_a_refusal_is_one_sentence_with_the_way_on(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words):
        STEP.diff(said(**more))


def test_a_store_that_exists_already_is_not_bootstraps_to_mend() -> None:
    step = Logins("/opt/python", b"{}", existing=("redis",))
    refused = {"mysql": {"a": {"errno": 1045, "error": "x"}}, "redis": {"error": "y", "code": "WRONGPASS"}}
    with pytest.raises(Problem) as caught:
        step.diff(said(**refused))
    mysql, redis = str(caught.value).split("; Redis ")
    assert "run `fab bootstrap`, or correct [stores.mysql]" in mysql
    assert redis.startswith("refuses the password (y); correct [stores.redis]")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"redis": None}, ""),
        # A store that is away: programs wait for it, whatever release they have.
        ({"redis": {"error": "gone", "code": "refused"}}, ""),
        ({"redis": {"error": "NOPERM no", "code": "NOPERM"}}, ""),
        ({"mysql": {"taskdb": {"errno": None, "error": "timed out"}}}, ""),
        (
            {"mysql": {"taskdb": {"errno": 1045, "error": "Access denied"}}},
            "the password of MySQL is another one since",
        ),
        ({"redis": {"error": "WRONGPASS no", "code": "WRONGPASS"}}, "the password of Redis is another one since"),
    ],
)
def test_a_release_from_before_a_change_of_passwords_is_refused(more: dict[str, Any], words: str) -> None:
    step = KeptLogins(Place("work", "/h", "/l", "/c", "/s.sock", sys.executable), "ab12")
    if words:
        with pytest.raises(Problem, match=f"^nothing was changed here: {words} release ab12; choose a later one"):
            step.diff(said(**more))
    else:
        assert step.diff(said(**more)) == []


def test_the_passwords_of_a_kept_release_stay_on_its_host(tmp_path: Path) -> None:
    with serving(redis("s3cret")) as port:
        (tmp_path / "config.json").write_text(json.dumps({"message-queue": f"redis://:former@127.0.0.1:{port}/0"}))
        found = logins.logins({"folder": str(tmp_path)})
    assert found["redis"]["code"] == "WRONGPASS" and found["mysql"] == {}
    assert "former" not in json.dumps(found)
    assert logins.logins({"folder": str(tmp_path / "gone")}) == {"mysql": {}, "redis": None}


@pytest.mark.parametrize("text", ["", "Traceback", "null", "[]", '{"mysql": 1}'])
def test_without_an_answer_nobody_is_let_in(text: str) -> None:
    with pytest.raises(CannotLook, match="can't be seen"):
        STEP.diff(Found(0, text))


def test_a_program_that_needs_no_store_asks_none(fleet: Fleet) -> None:
    asked = {name: plan.logins(fleet, fleet.hosts[2], [name]).config for name in ("phantomjs", "fetcher", "processor")}
    assert {name: sorted(json.loads(config)) for name, config in asked.items()} == {
        "phantomjs": [],
        "fetcher": ["message-queue"],
        "processor": ["message-queue", "projectdb", "resultdb", "taskdb"],
    }


def test_the_passwords_travel_as_payload_only(fleet: Fleet) -> None:
    step = plan.logins(fleet, fleet.hosts[0])
    password = fleet.stores.mysql.password.reveal()
    assert password.encode() in step.config
    assert password not in repr(step) + step.probe().script


def test_the_far_side_answers_through_the_real_receiver(tmp_path: Path) -> None:
    step = Logins(sys.executable, json.dumps({"message-queue": "redis://:s3cret@127.0.0.1:9/0"}).encode())
    from fabfile.runs.engine import look

    (found,) = look(LocalLink(), [step])
    assert "s3cret" not in found.text
    with pytest.raises(Problem, match="Redis does not let it in"):
        step.diff(found)


def test_logins_asks_what_doctor_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    connector(monkeypatch, asked)
    config: dict[str, Any] = {name: f"mysql+{name}://u:s3cret@127.0.0.1:9/{name}" for name in ask.DATABASES}
    with serving(redis("s3cret")) as port:
        config["message-queue"] = f"redis://:s3cret@127.0.0.1:{port}/0"
        for secured in ({}, {"mysql": {"ca": None}, "redis": {"ca": None}}):
            (tmp_path / "config.json").write_text(json.dumps(config))
            (tmp_path / "tls.json").write_text(json.dumps(secured))
            by_logins = logins.logins(config | {"tls": secured})
            by_doctor = ask.ask({"config": str(tmp_path / "config.json"), "roles": ["processor"], "site": None})
            assert {name: by_doctor[name] for name in by_logins} == by_logins
            assert by_logins["redis"]["code"] == ("tls" if secured else "")
            assert {one["errno"] for one in by_logins["mysql"].values()} == {1045}
    assert [one.get("ssl_verify_cert", False) for one in asked] == [False] * 6 + [True] * 6
    assert all(one["password"] == "s3cret" for one in asked)


def connector(monkeypatch: pytest.MonkeyPatch, asked: list[dict[str, Any]]) -> None:
    """MySQL's connector, as far as a refusal needs it."""

    def connect(**options: Any) -> None:
        asked.append(options)
        raise refusal

    refusal = OSError(1045, "Access denied")
    modules = {name: types.ModuleType(name) for name in ("mysql", *(f"mysql.connector{part}" for part in PARTS))}
    modules["mysql"].connector = modules["mysql.connector"]  # type: ignore[attr-defined]
    modules["mysql.connector"].connect = connect  # type: ignore[attr-defined]
    for part in ("errors", "network"):
        setattr(modules["mysql.connector"], part, modules[f"mysql.connector.{part}"])
    modules["mysql.connector.network"].MySQLTCPSocket = type("MySQLTCPSocket", (), {})  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
