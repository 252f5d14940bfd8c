"""The order of the tests in pytest-xdist's processes; nothing is left of any of them afterwards."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from fabfile.sandbox.network import holders
from fabfile.sandbox.sandbox import Sandbox

from .e2e.conftest import shared

OWN = pytest.StashKey[Path]()
LONGEST = (
    "test_first_page", "doctor", "plain", "systemd-2", "systemd-3", "by-hand", "systemd", "test_untrusted", "test_bare",
)  # fmt: skip
"""Clusters and modules whose tests take more than two minutes together."""


class ByCluster(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share hosts run in one process, all others wherever there is room.

    xdist's own `loadgroup` writes the group into a test's id, which pytest 9 does not let it do.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = PurePath(nodeid.partition("::")[0])
        return shared(module.stem) if module.parent.name == "e2e" else nodeid


def pytest_configure(config: pytest.Config) -> None:
    """A folder for this run alone, so that its sandboxes are known when it ends."""
    if not hasattr(config, "workerinput") and not config.option.basetemp:
        config.option.basetemp = tempfile.mkdtemp(prefix="pyspider-fabfile-tests-")
        config.stash[OWN] = Path(config.option.basetemp)


def pytest_unconfigure(config: pytest.Config) -> None:
    """After a Ctrl-C the processes of a run end before they have taken their sandboxes down."""
    if (own := config.stash.get(OWN, None)) is None:
        return
    for state in list(holders()):
        if state.is_relative_to(own):
            Sandbox(state).down()
    shutil.rmtree(own, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest begins first; `--no-loadscope-reorder` keeps xdist to it. What is `long` runs only by `-m long`."""
    items.sort(key=lambda item: _turn(item.path))
    if not config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _turn(module: Path) -> int:
    if module.parent.name != "e2e":
        return len(LONGEST) + 1
    name = shared(module.stem)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByCluster:
    return ByCluster(config, log)
