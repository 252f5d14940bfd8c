"""The ways to hosts that are reached through another machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .fleet import hint

_FOREIGN = re.compile(r"[a-z_][a-z0-9_-]*@[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?")


def way_fault(name: str, gateways: Mapping[str, str | None], own: bool) -> str | None:
    """The fault in the way to a host, as one sentence; `own` if it names its gateway itself."""
    gateway = gateways[name]
    if gateway is None or (gateway == name and not own):
        return None
    if "@" in gateway:
        return None if _FOREIGN.fullmatch(gateway) else f"'{gateway}' is not of the form user@address:port"
    if gateway not in gateways:
        return f"unknown host '{gateway}'{hint(gateway, gateways)}; name a host of this file, or user@address:port"
    return _circle(name, gateways) if own else None


def _circle(name: str, gateways: Mapping[str, str | None]) -> str | None:
    way, here = [name], gateways[name]
    while here is not None and here in gateways:
        # A default gateway's own way does not lead through itself.
        if here == way[-1] and len(way) > 1:
            return None
        if here in way:
            return f"the way goes round in a circle: {' -> '.join([*way, here])}; name a host that is reached directly"
        way.append(here)
        here = gateways[here]
    return None
