"""A queue of the launcher's, on a real Redis."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from redis import Redis

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "templates"))

from launcher import queues  # type: ignore[import-not-found]
from launcher.patience import Ending, Store, redis_lost  # type: ignore[import-not-found]


def held_queue(client: Redis, name: str = "pages", consumer: str = "h/p/1.2.3", **options: Any) -> Any:
    return queues.HeldQueue(name, client, consumer, Store("Redis", redis_lost, Ending()), **options)
