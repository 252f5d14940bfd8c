"""The launcher's modules that need MySQL's driver, which only the hosts' Python has: here over no driver."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

WITH_DRIVER = ("database", "ledger", "rounds", "saving", "scheduling")
NAMES = (
    "mysql",
    "mysql.connector",
    "mysql.connector.cursor",
    "mysql.connector.errorcode",
    "mysql.connector.errors",
)


class DriverError(Exception):
    """As the driver's: its errno is all that is looked at."""

    def __init__(self, errno: int | None) -> None:
        super().__init__(f"{errno}: something")
        self.errno = errno


@contextmanager
def without_driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    parts = {name: ModuleType(name) for name in NAMES}
    for name, part in parts.items():
        monkeypatch.setitem(sys.modules, name, part)
        above, _, last = name.rpartition(".")
        if above:
            setattr(parts[above], last, part)
    vars(parts["mysql.connector.errors"])["Error"] = DriverError
    vars(parts["mysql.connector.cursor"]).update(MySQLCursor=object, MySQLCursorBuffered=object)
    from launcher import database, rounds, saving, scheduling  # type: ignore[import-not-found]

    yield SimpleNamespace(database=database, rounds=rounds, saving=saving, scheduling=scheduling)
    for name in WITH_DRIVER:
        sys.modules.pop(f"launcher.{name}", None)
