"""Which of the two makes a connection, where hosts.toml leaves it open."""

from __future__ import annotations

from .way import WayIn


def by_openssh(way: WayIn) -> bool:
    """Whether the OpenSSH client is to make it; else paramiko tries first."""
    return way.host.ssh == "openssh" or way.host.legacy_ssh
