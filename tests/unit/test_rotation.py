"""New passwords in the place of old ones: the states of the file, and the statements for each kind of store."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fabfile import plan
from fabfile.errors import Problem, WrongInput
from fabfile.inventory import load, rotation
from fabfile.inventory.fleet import Fleet
from fabfile.inventory.passwords import kept
from fabfile.inventory.place import PROJECT
from fabfile.inventory.roles import MYSQL, REDIS
from fabfile.steps.base import CannotLook, Found
from fabfile.steps.second_password import MySQLPasswords, RedisPasswords

SHIPPED = (PROJECT / "hosts.toml").read_text()


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    (tmp_path / "hosts.toml").write_text(SHIPPED)
    return load(tmp_path / "hosts.toml")


def test_a_change_goes_through_states_that_each_run_can_go_on_from(fleet: Fleet) -> None:
    path, before = fleet.passwords_path, kept(fleet.passwords_path)
    (change,) = rotation.begun(path, ["mysql"])
    assert rotation.begun(path, ["mysql"]) == [change], "a second run takes the same new password"
    assert load(fleet.path).stores.mysql.password == change.old
    assert rotation.with_new(fleet, [change]).stores.mysql.password == change.new
    assert rotation.unfinished(path) == ("mysql",) and not rotation.half_done(path)
    rotation.in_use(path, [change])
    assert rotation.unfinished(path) == ("mysql",) and rotation.half_done(path) == {"mysql"}
    assert load(fleet.path).stores.mysql.password == change.new
    assert rotation.begun(path, ["mysql"]) == [change], "one that was stopped here makes no third password"
    rotation.done(path, [change])
    assert rotation.unfinished(path) == () and not rotation.half_done(path)
    assert kept(path) == before | {"mysql": change.new.reveal()} and change.new.reveal() != before["mysql"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_all_are_meant_or_those_named(fleet: Fleet) -> None:
    assert rotation.chosen(fleet, []) == ("mysql", "redis", "webui")
    assert rotation.chosen(fleet, ["webui", "mysql"]) == ("mysql", "webui")
    with pytest.raises(WrongInput, match="no password of mongo: name mysql, redis, webui, or none for all"):
        rotation.chosen(fleet, ["mongo"])


def test_a_password_that_fab_has_not_made_is_left_to_its_owner(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "theirs")
    text = SHIPPED.replace('#password = { env = "MYSQL_PASSWORD" }', 'password = { env = "OWN" }')
    fleet.path.write_text(text)
    changed = load(fleet.path)
    assert rotation.chosen(changed, []) == ("redis", "webui")
    with pytest.raises(WrongInput, match=r"mysql was not made by fab: change it where \S*hosts\.toml has"):
        rotation.chosen(changed, ["mysql"])


@pytest.mark.parametrize(
    ("version", "both", "only"),
    [
        ("10.11.6-MariaDB-0+deb12u1", "VIA mysql_native_password USING PASSWORD('n') OR", "IDENTIFIED BY 'n'"),
        ("10.3.39-MariaDB", "IDENTIFIED BY 'n'", "IDENTIFIED BY 'n'"),
        ("5.5.68-MariaDB", "SET PASSWORD FOR 'u'@'%' = PASSWORD('n')", "SET PASSWORD"),
        ("8.0.36", "IDENTIFIED BY 'n' RETAIN CURRENT PASSWORD", "DISCARD OLD PASSWORD"),
        ("8.0.13", "ALTER USER 'u'@'%' IDENTIFIED BY 'n';", "IDENTIFIED BY 'n'"),
        ("5.7.44", "ALTER USER 'u'@'%' IDENTIFIED BY 'n';", "IDENTIFIED BY 'n'"),
        ("5.6.51", "SET PASSWORD FOR 'u'@'%' = PASSWORD('n');", "SET PASSWORD"),
    ],
)
def test_each_mysql_is_told_in_its_own_words(version: str, both: str, only: str) -> None:
    def told(valid: str, only: bool) -> str:
        found = Found(0, f"version {version}\n{valid}")
        (action,) = MySQLPasswords("u", "o", "n", only).diff(found)
        content = action.payloads[0].content
        assert isinstance(content, bytes) and "'n'" not in action.script + action.says
        return content.decode()

    assert both in told("valid old\n", False)
    assert only in told("valid old\nvalid new\n", True)
    assert MySQLPasswords("u", "o", "n").diff(Found(0, f"version {version}\nvalid old\nvalid new\n")) == []
    assert MySQLPasswords("u", "o", "n", True).diff(Found(0, f"version {version}\nvalid new\n")) == []


@pytest.mark.parametrize(
    ("version", "valid", "only", "words"),
    [
        ("7.0.15", "valid old\n", False, "AUTH o\nACL SETUSER default >n\n"),
        ("7.0.15", "valid old\nvalid new\n", False, ""),
        ("7.0.15", "valid old\nvalid new\n", True, "AUTH n\nACL SETUSER default <o\n"),
        ("7.0.15", "valid new\n", True, ""),
        ("5.0.14", "valid old\n", False, "AUTH o\nCONFIG SET requirepass n\n"),
        ("5.0.14", "valid new\n", True, ""),
    ],
)
def test_each_redis_is_told_in_its_own_words(version: str, valid: str, only: bool, words: str) -> None:
    actions = RedisPasswords("o", "n", 6379, only).diff(Found(0, f"version {version}\n{valid}"))
    assert [payload.content for one in actions for payload in one.payloads] == ([words.encode()] if words else [])


@pytest.mark.parametrize(
    ("valid", "only", "words"),
    [
        ("valid old\n", False, "AUTH a\nACL SETUSER crawl >n\n"),
        ("valid old\nvalid new\n", True, "AUTH a\nACL SETUSER crawl <o\n"),
    ],
)
def test_the_user_of_programs_gets_its_passwords_from_the_default_user(valid: str, only: bool, words: str) -> None:
    step = RedisPasswords("o", "n", 6379, only, "crawl", "a")
    assert [one.content for one in step.probe().payloads] == [
        b"AUTH crawl o\nINFO server\n",
        b"AUTH crawl n\nINFO server\n",
    ]
    (action,) = step.diff(Found(0, f"version 7.0.15\n{valid}"))
    assert [payload.content for payload in action.payloads] == [words.encode()]


@pytest.mark.parametrize("only", [False, True])
def test_a_store_that_takes_neither_password_is_left_as_it_is(only: bool) -> None:
    """Programs have a third one: this machine's are those of an old copy, or of a second checkout."""
    for version in ("10.11.6-MariaDB", "10.3.39-MariaDB", "8.0.36"):
        step = MySQLPasswords("u", "o", "n", only)
        with pytest.raises(Problem, match="nothing was changed here: MySQL has another password"):
            step.diff(Found(0, f"version {version}\n"))
    # One that is full lets root in alone.
    assert MySQLPasswords("u", "o", "n", only).diff(Found(0, "version 8.0.36\nunknown\nunknown\n"))
    # That the old one is valid no more is not known.
    assert MySQLPasswords("u", "o", "n", True).diff(Found(0, "version 8.0.36\nunknown\nvalid new\n"))


def test_stores_get_no_password_that_is_not_being_changed(fleet: Fleet) -> None:
    (host,) = [host for host in fleet.hosts if host.has(MYSQL) and host.has(REDIS)][:1]
    (change,) = rotation.begun(fleet.passwords_path, ["webui"])
    rotation.in_use(fleet.passwords_path, [change])
    assert not [step for step in plan.stores(fleet, host) if step.anew]  # type: ignore[attr-defined]
    (change,) = rotation.begun(fleet.passwords_path, ["redis"])
    assert not [step for step in plan.stores(fleet, host) if step.anew]  # type: ignore[attr-defined]
    rotation.in_use(fleet.passwords_path, [change])
    assert [step.name for step in plan.stores(fleet, host) if step.anew] == ["redis"]  # type: ignore[attr-defined]
    assert all(step.anew for step in plan.stores(fleet, host, set_passwords=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", [MySQLPasswords("u", "o", "n"), RedisPasswords("o", "n", 6379)])
def test_a_store_that_does_not_answer_is_not_taken_for_an_old_one(step: MySQLPasswords | RedisPasswords) -> None:
    with pytest.raises(CannotLook, match="does not say its version"):
        step.diff(Found(0, "version ERROR 2002 (HY000): Can't connect to local server\n"))
    with pytest.raises(CannotLook):
        step.diff(Found(0, ""))


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ("OK\nOK", 0, ""),
        ("OK\nERR unknown command 'ACL', with args beginning with: 'SETUSER' 'default' '>n3w'", 1,
         "ERR unknown command 'ACL'\n"),
    ],
)  # fmt: skip
def test_a_refusal_of_redis_fails_and_shows_no_password(tmp_path: Path, answer: str, status: int, told: str) -> None:
    (tmp_path / "redis-cli").write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    (tmp_path / "redis-cli").chmod(0o755)
    (action,) = RedisPasswords("o", "n3w", 6379).diff(Found(0, "version 7.0.15\nvalid old\n"))
    done = subprocess.run(
        ["sh", "-c", action.script, "sh", "/dev/null"], check=False, capture_output=True, text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (status, told)
