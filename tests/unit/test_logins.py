"""What the stores said to the release's own credentials, and what deploy makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fabfile import plan
from fabfile.errors import Problem
from fabfile.inventory import Fleet
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.logins import Logins

from .local import LocalLink
from .test_doctor import fleet
from .test_doctor_remote import ASK, remote

__all__ = ["fleet"]

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
        ({"redis": {"error": "gone", "code": "refused"}}, r"Redis does not let it in \(gone\); run `fab bootstrap`"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_way_on(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words):
        STEP.diff(said(**more))


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
    import sys

    step = Logins(sys.executable, json.dumps({"message-queue": "redis://:s3cret@127.0.0.1:9/0"}).encode())
    from fabfile.runs.engine import look

    (found,) = look(LocalLink(), [step])
    assert "s3cret" not in found.text
    with pytest.raises(Problem, match="Redis does not let it in"):
        step.diff(found)


def test_logins_asks_what_doctor_asks() -> None:
    logins = remote("logins")

    class Ask:
        DATABASES = ("taskdb",)
        mysql = staticmethod(ASK.mysql)

        @staticmethod
        def split(url: str) -> tuple[str, str]:
            return (url, "password")

    class Answers:
        @staticmethod
        def mysql(found: object) -> object:
            return found

        @staticmethod
        def redis(*found: object) -> object:
            return found

    class TLS:
        @staticmethod
        def guard(store: object) -> object:
            return store

        @staticmethod
        def secure_mysql(store: object) -> None:
            asked.append(store)

    asked: list[object] = []
    config: dict[str, object] = {"taskdb": "T", "message-queue": "Q"}
    plain = {"mysql": {"taskdb": ("T", "password")}, "redis": ("Q", "password", None)}
    assert logins.look(config, Ask, Answers, TLS) == plain and not asked
    config["tls"] = {"mysql": 1, "redis": 2}
    assert logins.look(config, Ask, Answers, TLS) == plain | {"redis": ("Q", "password", 2)}
    assert asked == [1]
