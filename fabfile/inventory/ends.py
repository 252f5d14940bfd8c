"""How long programs may take to end what they have in hand."""

from __future__ import annotations

from collections.abc import Iterable

from .fleet import Fleet
from .roles import FETCHER, PROCESSOR, ROLES, STOP_SECONDS, Role

SPARE_SECONDS = 30
"""Seconds that supervisord itself may take."""


def stop_seconds(fleet: Fleet, role: Role) -> int:
    """The seconds that a program may take to stop.

    A fetcher has what hosts.toml gives its open requests, a processor at least what it gives a script's callback.
    """
    if role == FETCHER and (own := fleet.pyspider.fetcher.stop_seconds):
        return own + STOP_SECONDS
    if role == PROCESSOR and (limit := fleet.pyspider.processor.process_time_limit):
        return max(role.stop_seconds, limit + STOP_SECONDS)
    return role.stop_seconds


def all_stop_seconds(fleet: Fleet, roles: Iterable[str]) -> int:
    """The seconds that programs of these roles may take to stop one after the other."""
    return sum(stop_seconds(fleet, ROLES[name]) for name in roles if name in ROLES) + SPARE_SECONDS
