"""hosts.toml as a validated, frozen Fleet."""

from __future__ import annotations

from .fleet import TLS, Fleet, Host, MySQL, Program, Redis, Stores
from .load import load

__all__ = ["TLS", "Fleet", "Host", "MySQL", "Program", "Redis", "Stores", "load"]
