"""pyspider's queues in Redis, each with the role that takes out of it (pyspider/run.py)."""

from __future__ import annotations

CONSUMERS = {
    "newtask_queue": "scheduler",
    "status_queue": "scheduler",
    "scheduler2fetcher": "fetcher",
    "fetcher2processor": "processor",
    "processor2result": "result_worker",
}
QUEUES = tuple(CONSUMERS)
