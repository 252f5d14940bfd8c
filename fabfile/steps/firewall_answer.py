"""A host's word on the cluster's own firewall."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class FirewallAnswer(Struct, frozen=True):
    """The cluster's own firewall."""

    mechanism: str
    """nftables, iptables, or none: there run.py alone turns strangers away, from the RPC servers."""
    holds: bool
    """Whether its rules are in force as they were set; with `none`, whether there still is no other way."""

    @property
    def filters(self) -> bool:
        """Whether the host itself keeps strangers from all ports of the cluster."""
        return self.holds and self.mechanism != "none"

    def as_data(self) -> dict[str, Any]:
        """The object that `fab status --json` prints."""
        return {"mechanism": self.mechanism, "holds": self.holds}
