"""The tasks of single steps: each takes its own steps, and no others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fabfile.cli.step import TABLE, ns
from fabfile.inventory import Host
from fabfile.runs.target import Target
from fabfile.ssh.pool import Links
from fabfile.tasks.step import Choice

from .local import fleet

UNTOUCHED = "nobody else's supervisord"
NAMES = {
    "packages": ["packages"],
    "python": ["runtime"],
    "phantomjs": [],
    "libraries": [],
    "account": ["account work", "directory /home/work/distri_pyspider", "directory /home/work/supervisor"],
    "firewall": ["firewall"],
    "stores": [],
    "release": ["Python in use", "release"],
    "supervisord_conf": [UNTOUCHED, "file /etc/supervisord.conf"],
    "boot": [UNTOUCHED, "boot"],
    "sockets": ["sockets"],
    "leftovers": ["leftovers"],
    "supervisord": ["boot", "sockets", "leftovers", "supervisord", "watcher"],
    "programs": ["boot", "supervision"],
}


@pytest.mark.parametrize("name", TABLE)
def test_a_task_has_the_steps_of_its_row(name: str) -> None:
    host = Host("node9", "192.0.2.9")
    choice = Choice(Target(fleet(), (host,), (), Links(), SimpleNamespace()))
    _, steps = TABLE[name]
    assert [step.name for step in steps(choice, host)] == NAMES[name]


def test_every_row_is_a_task_with_its_sentence() -> None:
    assert {name: task.__doc__ for name, task in ns.tasks.items()} == {
        name.replace("_", "-"): sentence for name, (sentence, _) in TABLE.items()
    }
