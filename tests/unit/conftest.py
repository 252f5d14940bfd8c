"""Values that several modules of tests share."""

from __future__ import annotations

import pytest

from fabfile.inventory import Fleet, load

from .patients import PROJECT


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    path = tmp_path_factory.mktemp("cluster") / "hosts.toml"
    path.write_text((PROJECT / "hosts.toml").read_text())
    return load(path)
