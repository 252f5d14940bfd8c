"""Does the crawl move? Questions to the stores that a look at programs leaves open; each may stay without an answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..inventory import TLS
from ..inventory.roles import QUEUES
from . import mysql, pulse, redis
from .deadline import Open
from .pulse import Pulse
from .words import SECONDS

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from redis import Redis

STILL = 1.0
"""Seconds in which a queue's first entry is taken, where somebody takes any."""
PAUSE = 0.1
FIRST = "local one = redis.call('LINDEX', KEYS[1], 0) return one and redis.sha1hex(one) or ''"
"""Its first entry, told apart from others; the page in it stays where it is."""
LATE = 330.0
"""Seconds; see STALLED in work.py."""
PROJECTS = 50
SAMPLE = 20
"""Tasks of each project that are looked at: the table of a large crawl holds millions."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What moves in Redis; empty where it does not say."""

    idle: Mapping[str, float] = field(default_factory=dict)
    """Seconds since it last heard of a client, by the client's `address:port`."""
    still: tuple[str, ...] = ()
    """The queues whose first entry was the same a second later."""
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    """What the components tell of their work, by host/program."""


def queue_motion(
    open: Open,
    password: str | None,
    db: int,
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
    user: str | None = None,
) -> Motion:
    """What moves in Redis. Never raises; takes a second longer where a queue stands still."""
    try:
        with redis.connected(open, password, db, seconds, tls, user) as client:
            told: Any = client.hgetall(pulse.KEY)
            return Motion(_idle(client, db), _still(client, tuple(QUEUES)), pulse.pulses(told))
    except Problem:
        return Motion()


def _idle(client: Redis, db: int) -> dict[str, float]:
    from redis import ResponseError

    try:
        found: Any = client.client_list()
    except ResponseError:
        return {}
    return {str(one.get("addr")): float(one.get("idle", 0)) for one in found if str(one.get("db")) == str(db)}


def _still(client: Redis, names: Sequence[str]) -> tuple[str, ...]:
    from redis import ResponseError

    try:
        before, deadline = _firsts(client, names), time.monotonic() + STILL
        while before and time.monotonic() < deadline:
            time.sleep(PAUSE)
            now = _firsts(client, tuple(before))
            before = {name: first for name, first in before.items() if now.get(name) == first}
    except ResponseError:
        return ()  # it runs no scripts for this user
    return tuple(before)


def _firsts(client: Redis, names: Iterable[str]) -> dict[str, str]:
    """The first entries of the queues that have one."""
    found: dict[str, Any] = {name: client.eval(FIRST, 1, name) for name in names}
    return {name: str(first) for name, first in found.items() if first}


def overdue_tasks(
    open: Open,
    user: str,
    password: str,
    databases: tuple[str, str],
    seconds: float = SECONDS,
    *,
    tls: TLS | None = None,
) -> dict[str, int]:
    """Tasks that should have been done long ago, by the projects that run; some of them where there are many.

    `databases` are those of the tasks and of the projects. Never raises: empty where MySQL does not say.
    """
    tasks, projects = databases
    try:
        with mysql.connected(open, user, password, seconds, tls) as connection:
            found = {name: _late(connection, tasks, name, rate) for name, rate in _running(connection, projects)}
    except Problem:
        return {}
    return {name: count for name, count in found.items() if count}


def _running(connection: Connection[Any], database: str) -> list[tuple[str, float]]:
    query = f"SELECT name, rate FROM {mysql.table(database, 'projectdb')} WHERE status IN ('RUNNING', 'DEBUG') LIMIT %s"
    found = mysql.rows(connection, query, (PROJECTS,), missing_ok=True)
    return [(name, float(rate or 0)) for name, rate in found if re.fullmatch(r"\w+", name)]


def _late(connection: Connection[Any], database: str, project: str, rate: float) -> int:
    """How many of a few ACTIVE tasks are long due; none of a project that may not crawl, or crawls that slowly."""
    if rate <= 0 or 20 / rate > LATE:
        return 0
    table = mysql.table(database, project)
    query = f"SELECT UNIX_TIMESTAMP(), schedule, updatetime FROM {table} WHERE status = 1 LIMIT %s"
    found = mysql.rows(connection, query, (SAMPLE,), missing_ok=True)
    return sum(float(now) - max(_due(schedule), float(changed or 0)) > LATE for now, schedule, changed in found)


def _due(schedule: bytes | str | None) -> float:
    try:
        return float(json.loads(schedule or "{}").get("exetime") or 0)
    except (ValueError, AttributeError, TypeError):
        return 0.0
