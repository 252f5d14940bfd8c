"""The look of deploy at all that is beside supervisord, before it changes a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preflight:
    """The disks that deploy writes to, its programs' ports, the stores that they need, and their files."""

    conf: str
    """The supervisord.conf of the cluster."""
    user: str
    folders: tuple[str, ...]
    """Directories whose file systems need room."""
    ports: tuple[int, ...]
    stores: Mapping[str, tuple[str, int]]
    """Address and port by the store's name."""
    writes: Mapping[str, object]
    """The paths that supervisord and the programs open for writing: files, folders, and the folder of the data."""

    def options(self) -> dict[str, object]:
        """The question as remote/machine.py reads it."""
        return {
            "conf": self.conf,
            "folders": self.folders,
            "ports": self.ports,
            "stores": dict(self.stores),
            "user": self.user,
            "writes": dict(self.writes),
        }
