"""Messages that were put aside at which programs of a broken release had failed: back into their queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..inventory import TLS
from . import redis
from .deadline import Open
from .pulse import FAILED
from .words import SECONDS

if TYPE_CHECKING:
    from redis import Redis

MOST = 1000
"""Messages that go back by one question: Redis serves nobody else meanwhile."""
_BACK = """\
local left = tonumber(ARGV[2])
while left > 0 and redis.call('LLEN', KEYS[1]) > tonumber(ARGV[1]) do
    local entry = redis.call('RPOP', KEYS[1])
    local first = string.find(entry, '\\n', 1, true)
    redis.call('LPUSH', KEYS[2], first and string.sub(entry, first + 1) or entry)
    left = left - 1
end
return tonumber(ARGV[2]) - left
"""


AT_MOST = 100_000
"""Those that a person's command puts back: within a second."""


def put_back(queue: str) -> str:
    """The line that a person types into redis-cli, or behind it in a shell, to put all of a queue's back."""
    script = " ".join(_BACK.split()).replace("'", '"')
    return f"EVAL '{script}' 2 {queue}{FAILED} {queue} 0 {AT_MOST}"


def taken_back(
    open: Open,
    password: str | None,
    db: int,
    before: Mapping[str, int],
    *,
    tls: TLS | None = None,
    user: str | None = None,
) -> dict[str, int]:
    """Put back what was put aside since; `before` holds the lengths of the lists by queue. The numbers by queue.

    Raises Problem.
    """
    with redis.connected(open, password, db, SECONDS, tls, user) as client:
        return {queue: count for queue, kept in before.items() if (count := _back(client, queue, kept))}


def _back(client: Redis, queue: str, kept: int) -> int:
    whole = 0
    while True:
        moved = int(str(client.eval(_BACK, 2, queue + FAILED, queue, str(kept), str(MOST))))
        whole += moved
        if moved < MOST:
            return whole
