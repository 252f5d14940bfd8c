"""Questions to MySQL and Redis from the control machine, over a tunnel.

Every way of not being answered, or of being answered by something else, is one sentence, in time.
"""

from __future__ import annotations

from .mysql import MySQLReport, mysql_report, result_count, sample_results
from .redis import RedisReport, redis_report
from .words import SECONDS

__all__ = [
    "SECONDS",
    "MySQLReport",
    "RedisReport",
    "mysql_report",
    "redis_report",
    "result_count",
    "sample_results",
]
