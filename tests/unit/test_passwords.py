"""Passwords: where they come from, and that they stay hidden."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from pathlib import Path

import pytest

from fabfile.errors import Problem, WrongInput
from fabfile.inventory import passwords
from fabfile.inventory.passwords import Password

CANARY = "canary-Password_1"


def test_a_password_shows_itself_only_when_asked_by_name() -> None:
    password = Password(CANARY)
    assert password.reveal() == CANARY
    for text in (repr(password), str(password), f"{password:>5}", "%s %r" % (password, password), repr([password])):  # noqa: UP031
        assert CANARY not in text
        assert "***" in text
    assert not hasattr(password, "__dict__")


def test_a_password_leaves_the_process_in_no_copy() -> None:
    for leak in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leak(Password(CANARY))


def test_passwords_compare_by_value() -> None:
    assert Password("a") == Password("a") != Password("b")
    assert len({Password("a"), Password("a")}) == 1


@pytest.mark.parametrize(
    "value", ["with space", "p@ss", "a:b", "a/b", "%41", "pässword", "line\nbreak", "line\n", "\u0660"]
)
def test_a_character_that_pyspider_cannot_carry_is_refused_without_the_value(value: str) -> None:
    with pytest.raises(WrongInput) as caught:
        passwords.usable(value)
    assert value not in str(caught.value)
    assert "change it" in str(caught.value)


def test_an_empty_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(WrongInput, match="empty"):
        passwords.from_environment("EMPTY", passwords.usable)


def secret_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "password"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n"])
def test_a_password_file_may_end_with_a_newline(tmp_path: Path, content: str) -> None:
    assert passwords.from_file(secret_file(tmp_path, content), passwords.usable) == Password("secret")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_password_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(WrongInput, match="chmod 600"):
        passwords.from_file(secret_file(tmp_path, "secret", mode), passwords.usable)


def test_generated_passwords_are_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / ".secrets" / "demo.toml"
    first = passwords.generated(path, ["mysql", "redis"])
    more = passwords.generated(path, ["mysql", "redis", "webui"])
    assert {name: more[name] for name in first} == first
    assert len(set(more.values())) == 3
    assert all(len(one.reveal()) == 32 and one.reveal().isalnum() and one.reveal().isascii() for one in more.values())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["demo.toml"]


def test_nothing_is_written_when_nothing_is_to_be_made(tmp_path: Path) -> None:
    assert passwords.generated(tmp_path / ".secrets" / "demo.toml", []) == {}
    assert list(tmp_path.iterdir()) == []


def _make(path: Path, name: str) -> dict[str, str]:
    return {key: one.reveal() for key, one in passwords.generated(path, ["shared", name]).items()}


def test_many_runs_at_once_agree_on_the_same_passwords(tmp_path: Path) -> None:
    path = tmp_path / ".secrets" / "demo.toml"
    with multiprocessing.get_context("fork").Pool(8) as pool:
        made = pool.starmap(_make, [(path, f"own{number}") for number in range(24)])
    assert len({one["shared"] for one in made}) == 1
    kept = passwords.generated(path, [f"own{number}" for number in range(24)])
    assert all(kept[f"own{number}"].reveal() == one[f"own{number}"] for number, one in enumerate(made))


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("mysql = ", 0o600, "is damaged"),
        ('mysql = ""', 0o600, "mysql: the password is empty"),
        ("mysql = 5", 0o600, "mysql: the password is empty"),
        ('mysql = "abc"', 0o644, "chmod 600"),
    ],
)
def test_a_damaged_or_open_file_of_generated_passwords_is_refused_and_kept(
    tmp_path: Path, content: str, mode: int, message: str
) -> None:
    path = secret_file(tmp_path, content, mode)
    with pytest.raises(WrongInput, match=message):
        passwords.generated(path, ["mysql"])
    assert path.read_text() == content


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".secrets").write_text("a file is in the way")
    with pytest.raises(Problem, match="can't be"):
        passwords.generated(tmp_path / ".secrets" / "demo.toml", ["mysql"])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"http://spider:{CANARY}@192.0.2.20:3128", "http://spider:***@192.0.2.20:3128"),
        (f"spider:{CANARY}@192.0.2.20:3128", "spider:***@192.0.2.20:3128"),
        (f"//spider:{CANARY}@h/x", "//spider:***@h/x"),
        (f"http://{CANARY}@h:8050/execute", "http://***@h:8050/execute"),
        (f"http://{CANARY}:@h:8050/execute", "http://***@h:8050/execute"),
        (f"http://u:a@b:c/{CANARY}?#@h:1", "http://u:***@h:1"),
        (f"http://h/execute?token={CANARY}", "http://h/execute?***"),
        (f"http://h/execute#{CANARY}", "http://h/execute#***"),
        (f"socks5h://u:{CANARY}\n@h", "socks5h://u:***@h"),
        ("http://192.0.2.20:8050/execute", "http://192.0.2.20:8050/execute"),
        ("192.0.2.20:25555", "192.0.2.20:25555"),
        ("", ""),
    ],
)
def test_an_address_shows_itself_without_its_password(url: str, shown: str) -> None:
    secret = passwords.SecretURL(url)
    assert passwords.masked(url) == str(secret) == repr(secret) == shown
    assert secret.reveal() == url


@pytest.mark.parametrize("value", ["http://u:p@h:3128", "u:%40!$&'()*+,;=~.@h", "http://u:a:b@c@[::1]:1/x"])
def test_an_address_may_have_all_characters_of_a_url(value: str) -> None:
    assert passwords.usable_url(value).reveal() == value


@pytest.mark.parametrize(
    "value",
    ["", "http://u:p w@h", "http://u:pässword@h", "http://u:p\n@h", "http://u:p/w@h:1", "http://", "http://h:99999"],
)
def test_an_address_that_pyspider_cannot_take_apart_is_refused_without_the_value(value: str) -> None:
    with pytest.raises(WrongInput) as caught:
        passwords.usable_url(value)
    assert not value or value not in str(caught.value)
