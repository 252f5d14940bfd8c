"""Values that several modules of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from fabfile.inventory import Fleet, load

from .driver import without_driver
from .patients import PROJECT
from .redis_server import RedisServer, serving


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    path = tmp_path_factory.mktemp("cluster") / "hosts.toml"
    path.write_text((PROJECT / "hosts.toml").read_text())
    return load(path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of a module."""
    with serving(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> Redis:
    """A client of it; it is empty."""
    running.client.flushall()
    return running.client


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The launcher's modules that need MySQL's driver."""
    with without_driver(monkeypatch) as modules:
        yield modules
