"""hosts.toml as a validated, frozen Fleet."""

from __future__ import annotations

from .load import load
from .model import PHANTOMJS, PYTHON, Fleet, Host, MySQL, Program, Redis, Stores
from .shape import ROLES

__all__ = ["PHANTOMJS", "PYTHON", "ROLES", "Fleet", "Host", "MySQL", "Program", "Redis", "Stores", "load"]
