"""hosts.toml as a validated, frozen Fleet."""

from __future__ import annotations

from .fleet import PHANTOMJS, PYTHON, TLS, Fleet, Host, MySQL, Program, Redis, Stores
from .load import load
from .schema import ROLES

__all__ = ["PHANTOMJS", "PYTHON", "ROLES", "TLS", "Fleet", "Host", "MySQL", "Program", "Redis", "Stores", "load"]
