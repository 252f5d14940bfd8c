"""A hosts.toml without a fault, and the faults of one that was made from it."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from fabfile.errors import WrongInput
from fabfile.inventory import load

GOOD = """
[cluster]
name = "demo"
user = "work"

[defaults]
port = 22

[hosts.node1]
address = "192.0.2.11"
roles = { mysql = 1, redis = 1, scheduler = 1, webui = 1 }

[hosts.node2]
address = "192.0.2.12"
roles = { fetcher = 1, processor = 2, result_worker = 1 }

[stores.mysql]
user = "pyspider"

[stores.redis]
db = 0

[python]
version = "2.7.18"

[pyspider]
debug = false

[pyspider.scheduler]
xmlrpc-port = 23333

[pyspider.webui]
host = "127.0.0.1"
"""


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "hosts.toml"
    path.write_text(text)
    with chdir(folder), pytest.raises(WrongInput) as caught:
        load(path)
    assert not (folder / ".secrets").exists(), "a faulty file must not have passwords made"
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)
