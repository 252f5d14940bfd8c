"""The demo's crawl: real pages, fetched and stored by the cluster that the commands before it made."""

from __future__ import annotations

from typing import Any

from ..runs.options import whole_number
from .flags import task
from .sandbox import served

PAGES = "200"


@task(help={"pages": "how many pages' results end the demo (200)"})
def crawl(c: Any, pages: str = PAGES) -> None:
    """Crawl the Python documentation, served inside the sandbox, until its pages are in MySQL."""
    from ..demo import crawl as job

    job.crawl(c, whole_number("--pages", pages, 1), served)
