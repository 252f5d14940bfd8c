"""The table [watch] of hosts.toml: its faults, and its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import load
from fabfile.inventory.watch_rules import usable_hook, watch_secrets

from .hosts_toml import GOOD, faults

HOOK = '[watch.webhook]\nurl = { env = "HOOK" }\n'
MAIL = '[watch.mail]\nserver = "mail.example.com"\nfrom = "a@example.com"\nto = ["b@example.com"]\n'


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("[watch]\nevery = 2\n", "watch.every: 2 is not seconds: a whole number from 5 to 86400"),
        ("[watch]\nevry = 30\n", "watch: unknown key 'evry' (did you mean 'every'?)"),
        (
            '[watch.webhook]\nurl = "https://example.com/token"\n',
            'watch.webhook.url: must be { env = "NAME" } or { file = "path" }, never the address or the secret itself',
        ),
        (
            '[watch.webhook]\nkind = "slack"\n',
            'watch.webhook.url: missing: say where the address is by { env = "NAME" } or { file = "path" }',
        ),
        (
            HOOK + 'kind = "teams"\n',
            'watch.webhook.kind: \'teams\' is not "json", "dingtalk", "wecom", "slack" or "plain"',
        ),
        (
            HOOK + 'secret = { env = "X" }\n',
            'watch.webhook.secret: only kind = "dingtalk" signs with a secret, and this is "json"; remove it',
        ),
        (
            '[watch]\nheartbeat = { env = "A", file = "b" }\n',
            'watch.heartbeat: give one of the two: { env = "NAME" } or { file = "path" }',
        ),
        (MAIL.replace('from = "a@example.com"\n', ""), "watch.mail.from: missing: mails need server, from and to"),
        (
            MAIL.replace("b@example.com", "night"),
            "watch.mail.to: 'night' is not an e-mail address like night@example.com",
        ),
        (
            MAIL.replace("b@example.com", "b@example.com\\nBcc: x"),
            "watch.mail.to: 'b@example.com\\nBcc: x' is not an e-mail address like night@example.com",
        ),
        (MAIL + 'user = "a"\n', "watch.mail.password: missing: a login at the server needs both user and password"),
        (
            MAIL + 'tls = "none"\nuser = "a"\npassword = { env = "P" }\n',
            'watch.mail.tls: the password would travel readable by all; set "starttls" or "tls"',
        ),
        (
            '[watch.prometheus]\nfile = "/var/lib/metrics.txt"\n',
            "watch.prometheus.file: '/var/lib/metrics.txt': node_exporter reads files named *.prom only; name it so",
        ),
        ("[watch.prometheus]\nport = 0\n", "watch.prometheus.port: 0 is not a port from 1 to 65535"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, table: str, wanted: str) -> None:
    assert faults(tmp_path, f"{GOOD}\n{table}") == [f"hosts.toml: {wanted}"]


def secrets(folder: Path, table: str) -> object:
    (folder / "hosts.toml").write_text(f"{GOOD}\n{table}")
    return watch_secrets(load(folder / "hosts.toml"))


def test_the_secrets_are_read_by_watch_alone_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = f'[watch]\nheartbeat = {{ file = "beat" }}\n{HOOK}'
    (tmp_path / "hosts.toml").write_text(f"{GOOD}\n{table}")
    load(tmp_path / "hosts.toml")  # a deploy by somebody else needs none of them
    monkeypatch.setenv("HOOK", "https://example.com/hook?key=t0ken")
    (tmp_path / "beat").write_text("https://example.com/t0ken\n")
    (tmp_path / "beat").chmod(0o600)
    found = secrets(tmp_path, table)
    assert "t0ken" not in repr(found) and "***" in repr(found)


def test_a_secret_that_can_not_be_used_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "ftp://example.com/t0ken")
    (tmp_path / "beat").write_text("https://example.com/t0ken")
    (tmp_path / "beat").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongInput) as caught:
        secrets(tmp_path, f'[watch]\nheartbeat = {{ file = "beat" }}\n{HOOK}')
    first, second = str(caught.value).splitlines()
    assert first.startswith("hosts.toml: watch.heartbeat: others than its owner can read")
    assert second == "hosts.toml: watch.webhook.url: the address is no https://host/path (or http://)"


@pytest.mark.parametrize(
    "value",
    ["", "example.com/x", "https://", "https:///x", "file:///etc/passwd", "https://a b", "https://a/\r\nX: y",
     "https://u:p@example.com/", "https://a:99999/", "https://[::1/", "http://a:0/", "https://a/ä"],
)  # fmt: skip
def test_an_address_that_can_not_be_posted_to_is_refused(value: str) -> None:
    with pytest.raises(WrongInput) as caught:
        usable_hook(value)
    assert len(value) < 9 or value not in str(caught.value)
