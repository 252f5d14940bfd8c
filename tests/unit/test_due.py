"""A host with stores alone is due its firewall's part of a deploy, as long as nothing of pyspider's is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fabfile import plan
from fabfile.inventory import load
from fabfile.runs.run import Looked
from fabfile.runs.target import Target
from fabfile.steps.base import Found
from fabfile.steps.firewall import Firewall
from fabfile.tasks.due import due

from .local import LocalLink, OneLink

HOSTS = """
[cluster]
name = "apart"
[hosts.stores]
address = "10.77.0.11"
roles = { mysql = 1, redis = 1 }
[hosts.joining]
address = "10.77.0.12"
[hosts.node]
address = "10.77.0.13"
roles = { scheduler = 1, fetcher = 1, processor = 1, result_worker = 1, webui = 1 }
"""
BROKEN = Found(1, "python: cannot open shared object file")


@pytest.mark.parametrize(
    ("name", "sight", "whole"),
    [
        ("stores", Found(0, "null"), False),
        ("stores", BROKEN, True),
        ("joining", Found(0, "null"), True),
        ("node", Found(0, "null"), True),
    ],
)
def test_what_a_host_is_due(tmp_path: Path, name: str, sight: Found, whole: bool) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(HOSTS)
    fleet = load(path)
    steps = tuple(plan.deploy(fleet, fleet.host(name)))
    looked = Looked(steps, (*(Found(0, "") for _ in steps[1:]), sight))
    target = Target(fleet, fleet.hosts, (), OneLink(LocalLink()), SimpleNamespace())
    got = due(target, {name: looked})[name]
    assert got == looked if whole else [type(step) for step in got.steps] == [Firewall]
