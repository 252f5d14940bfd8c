"""The prompt for sudo's password."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabfile.tasks.asking import prompt

PROJECT = Path(__file__).parent.parent.parent


def test_it_names_the_users_and_the_hosts_that_use_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "hosts.toml").read_text()
    copy = tmp_path / "hosts.toml"
    monkeypatch.setenv("HOSTS_TOML", str(copy))
    copy.write_text(text)
    assert prompt([]) == "sudo password: "
    copy.write_text(
        text.replace('user = "root"', 'user = "oper"').replace("[hosts.node3]", '[hosts.node3]\nuser = "root"')
    )
    assert prompt([]) == "sudo password of oper on node1, node2: "
    assert prompt(["node2", "node3"]) == "sudo password of oper on node2: "
    assert prompt(["nobody"]) == prompt(["node3"]) == "sudo password: "
    copy.write_text("no toml")
    assert prompt([]) == "sudo password: "


def test_of_many_hosts_it_names_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "hosts.toml").read_text().replace('user = "root"', 'user = "oper"')
    more = "".join(f'[hosts.more{n}]\naddress = "192.0.2.{n}"\n' for n in range(1, 9))
    copy = tmp_path / "hosts.toml"
    copy.write_text(text.replace("[hosts.node1]", f"{more}[hosts.node1]"))
    monkeypatch.setenv("HOSTS_TOML", str(copy))
    assert prompt([]).endswith("more5 and 6 more: ")
