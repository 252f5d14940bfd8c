"""Which test runs in which of pytest-xdist's processes."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from .e2e.conftest import shared


class ByCluster(LoadScopeScheduling):  # type: ignore[misc]
    """Who shares hosts runs in one process, every other test wherever there is room.

    xdist's own `loadgroup` writes the group into a test's id, which pytest 9 does not let it do.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = PurePath(nodeid.partition("::")[0])
        return shared(module.stem) if module.parent.name == "e2e" else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByCluster:
    return ByCluster(config, log)
